"""Deliveries over HTTP: rules, and what became of each result's way to its targets."""
