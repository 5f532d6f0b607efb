"""Signing in and out: passwords, single sign-on, one's own sessions."""
