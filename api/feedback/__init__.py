"""What readers say of Findings."""
