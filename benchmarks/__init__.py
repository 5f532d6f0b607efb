"""`python -m benchmarks`: ratios within one run (docs/performance.md)."""
