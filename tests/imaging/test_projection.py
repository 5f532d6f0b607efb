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
