"""From trained weights to a Bundle with its card, and from a Bundle to the registry."""
