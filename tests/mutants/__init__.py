"""Whether the tests would notice: sources with one line changed must make a test fail (docs/testing.md)."""
