"""Training: recipes, phases, epochs, checkpoints, calibration."""
