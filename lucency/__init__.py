"""What people type and import: the `lucency` command, the Python client, and the local stack with its servers."""
