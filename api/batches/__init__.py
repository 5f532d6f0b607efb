"""Batches over HTTP: manifests, the ways that files come in, and what is given out."""
