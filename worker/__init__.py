"""The Celery application and what its processes do: inference, and maintenance of jobs and objects."""
