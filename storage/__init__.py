"""The object-store contract, its S3 implementation and an in-memory one."""
