"""Maintenance: what time does to jobs, objects, studies and what is no longer wanted."""
