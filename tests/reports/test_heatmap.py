from __future__ import annotations

import numpy as np
import pytest

from core.errors import ImageInvalid
from reports.heatmap import decode_heatmap, encode_heatmap, project


def test_round_trip() -> None:
    heatmap = np.random.default_rng(0).random((7, 9), dtype=np.float32)
    assert np.abs(decode_heatmap(encode_heatmap(heatmap)) - heatmap).max() < 1e-5


def test_damaged_files_are_refused() -> None:
    png = encode_heatmap(np.ones((8, 8), np.float32))
    for damaged in (b"", b"junk", png[:40], png[:-12]):
        with pytest.raises(ImageInvalid):
            decode_heatmap(damaged)


def test_projection_follows_the_letterbox() -> None:
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[0, 2] = 1
    # The image covers the middle half of the grid's columns: cell 2 is the first of it.
    projected = project(heatmap, window=(0.25, 0.0, 0.75, 1.0), size=(64, 32))
    assert projected.shape == (64, 32)
    assert np.unravel_index(projected.argmax(), projected.shape)[1] < 8
    assert projected[32:].max() == 0
