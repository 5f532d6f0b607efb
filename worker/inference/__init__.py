"""Inference: from a claim of due jobs to their results."""
