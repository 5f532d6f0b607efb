"""A heatmap's grid laid over its radiograph."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Window = tuple[float, float, float, float]

# Parallel work is many processes of one thread each.
cv2.setNumThreads(1)


def project(heatmap: NDArray[np.float32], *, window: Window, size: tuple[int, int]) -> NDArray[np.float32]:
    """The grid `heatmap` → (h, w) = `size`, aligned with the radiograph, linear between the centres of the cells.

    `window` is the part of the grid that the image covers: (left, top, right, bottom) as fractions of its sides; the
    rest is the letterbox.
    """
    rows, columns = heatmap.shape
    height, width = size
    left, top, right, bottom = window
    x = (left + (np.arange(width, dtype=np.float32) + 0.5) / width * (right - left)) * columns - 0.5
    y = (top + (np.arange(height, dtype=np.float32) + 0.5) / height * (bottom - top)) * rows - 0.5
    grid_x, grid_y = np.meshgrid(x.astype(np.float32), y.astype(np.float32))
    source = np.ascontiguousarray(heatmap, dtype=np.float32)
    projected = cv2.remap(source, grid_x, grid_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(projected, dtype=np.float32)
