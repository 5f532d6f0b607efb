"""Live pages: one stream per tab that says what changed."""
