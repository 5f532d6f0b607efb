"""Tables, the unit of work and the repositories. Postgres is the source of truth for jobs."""
