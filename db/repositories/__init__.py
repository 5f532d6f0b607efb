"""What may be asked of the tables, by noun. No function here commits."""
