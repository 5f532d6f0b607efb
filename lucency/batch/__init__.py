"""`lucency batch`: a folder of radiographs in, results out."""
