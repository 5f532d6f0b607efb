"""Heatmaps and previews as files: what a worker stores of an Explanation."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import ImageInvalid

FULL = 65535
# A grid is a few dozen cells wide; no stored heatmap is near this.
LARGEST_SIDE = 8192
PREVIEW_QUALITY = 90

# Parallel work is many processes of one thread each.
cv2.setNumThreads(1)


def encode_heatmap(heatmap: NDArray[np.float32]) -> bytes:
    """(h, w) in [0, 1] → a 16-bit grey PNG, 65535 = 1.0. Values outside are clipped, NaN becomes 0."""
    levels = np.rint(np.clip(np.nan_to_num(heatmap), 0, 1) * FULL).astype(np.uint16)
    _, png = cv2.imencode(".png", levels)
    return png.tobytes()


def decode_heatmap(png: bytes) -> NDArray[np.float32]:
    """(h, w) float32 in [0, 1] of what `encode_heatmap` wrote. Raises ImageInvalid for anything else."""
    # cv2 gives half a picture for a file cut short, and None for none at all: only whole files are read.
    whole = png.startswith(b"\x89PNG\r\n\x1a\n") and png[-8:-4] == b"IEND"
    size = (int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big"))
    if not whole or not 0 < max(size) <= LARGEST_SIDE:
        raise ImageInvalid("The heatmap is damaged")
    try:
        levels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageInvalid("The heatmap is damaged") from error
    if levels is None or levels.dtype != np.uint16 or levels.ndim != 2:
        raise ImageInvalid("The heatmap is damaged")
    return np.asarray(levels.astype(np.float32) / FULL, dtype=np.float32)


def encode_preview(pixels: NDArray[np.uint8]) -> bytes:
    """A Radiograph's pixels, (h, w) uint8, as a grey JPEG."""
    _, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, PREVIEW_QUALITY])
    return jpeg.tobytes()
