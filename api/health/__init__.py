"""Health, readiness, metrics, and the index."""
