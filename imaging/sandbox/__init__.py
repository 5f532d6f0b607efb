"""Decoding in child processes under limits: what a hostile file can do ends with the child."""
