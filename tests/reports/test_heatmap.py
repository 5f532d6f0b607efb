from __future__ import annotations

import numpy as np
import pytest

from core.errors import ImageInvalid
from reports.heatmap import decode_heatmap, encode_heatmap


def test_round_trip() -> None:
    heatmap = np.random.default_rng(0).random((7, 9), dtype=np.float32)
    assert np.abs(decode_heatmap(encode_heatmap(heatmap)) - heatmap).max() < 1e-5


def test_damaged_files_are_refused() -> None:
    png = encode_heatmap(np.ones((8, 8), np.float32))
    for damaged in (b"", b"junk", png[:40], png[:-12]):
        with pytest.raises(ImageInvalid):
            decode_heatmap(damaged)
