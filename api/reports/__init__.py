"""A result in the forms that people and systems take."""
