"""Studies: the images of one exam together."""
