"""Results over HTTP: Findings, explanations, and one answer for simple clients."""
