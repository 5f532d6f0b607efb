"""A Site's API keys."""
