"""Real radiographs for who has none at hand."""
