"""Sites: the caller's own, and all of the platform's."""
