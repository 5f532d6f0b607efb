"""What defines a training run: the recipes that ship, as YAML, and how one is read."""
