"""ModelVersions over HTTP: what they are, and what operators do with them."""
