from __future__ import annotations

import numpy as np

from imaging.projection import project


def test_projection_follows_the_letterbox() -> None:
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[0, 2] = 1
    # The image covers the middle half of the grid's columns: cell 2 is the first of it.
    projected = project(heatmap, window=(0.25, 0.0, 0.75, 1.0), size=(64, 32))
    assert projected.shape == (64, 32)
    assert np.unravel_index(projected.argmax(), projected.shape)[1] < 8
    assert projected[32:].max() == 0


def test_a_cell_lies_where_it_was_looked_at() -> None:
    """Its value at its centre, and half of each neighbour's between two centres."""
    heatmap = np.random.default_rng(0).random((6, 8)).astype(np.float32)
    assert np.allclose(project(heatmap, window=(0.0, 0.0, 1.0, 1.0), size=(6, 8)), heatmap, atol=1e-6)
    # The middle half of the columns and the lower half of the rows, each cell once.
    assert np.allclose(project(heatmap, window=(0.25, 0.5, 0.75, 1.0), size=(3, 4)), heatmap[3:, 2:6], atol=1e-6)
    fine = project(heatmap, window=(0.0, 0.0, 1.0, 1.0), size=(18, 24))
    assert np.allclose(fine[1::3, 1::3], heatmap, atol=1e-6)
    coarse = project(heatmap, window=(0.0, 0.0, 1.0, 1.0), size=(6, 4))
    assert np.allclose(coarse, (heatmap[:, ::2] + heatmap[:, 1::2]) / 2, atol=1e-6)
