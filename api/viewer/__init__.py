"""What the viewer of the web application asks for: a radiograph's pixels, how to show them, and readers' feedback."""
