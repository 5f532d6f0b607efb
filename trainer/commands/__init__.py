"""`lucency train`, `evaluate`, `data …` and `models …`. Heavy imports stay inside: `lucency --help` is quick."""
