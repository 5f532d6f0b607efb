"""From a decoded radiograph to what a network takes. The one preprocessing: the trainer and the worker share it.

It is serialised in the Bundle. Grey → RGB and the backbone's pixel scaling are layers of the network, not steps here.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

# One thread per process everywhere: the processes share the cores, and a resize of this size gains nothing from two.
cv2.setNumThreads(1)


class Window(NamedTuple):
    """The part of a square input, and of every heatmap over it, that the radiograph covers: fractions in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float


class Preprocessing(BaseModel):
    """Resize to fit and letterbox to (size, size, 1) uint8.

    `source_longest_side` is the longest side, in pixels, at which a radiograph is to be decoded before it comes here.
    `pad` is the grey value, 0–255, around the radiograph; the radiograph itself is centred.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    size: Annotated[int, Field(ge=32, le=2048)]
    source_longest_side: Annotated[int, Field(ge=32, le=8192)] = 512
    fit: Literal["letterbox"] = "letterbox"
    pad: Annotated[int, Field(ge=0, le=255)] = 0

    def apply(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Window]:
        """(h, w) uint8, bright = dense → (size, size, 1) uint8 and the window that the radiograph covers in it.

        Raises ValueError where `pixels` is not a non-empty (h, w) uint8 array.
        """
        if pixels.ndim != 2 or pixels.dtype != np.uint8 or pixels.size == 0:
            raise ValueError(f"expected (h, w) uint8, got {pixels.shape} {pixels.dtype}")
        rows, columns = pixels.shape
        scale = self.size / max(rows, columns)
        height = min(self.size, max(1, round(rows * scale)))
        width = min(self.size, max(1, round(columns * scale)))
        # Area averages when shrinking; when enlarging OpenCV's area is nearest-like, linear is not.
        interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        top, left = (self.size - height) // 2, (self.size - width) // 2
        canvas = np.full((self.size, self.size, 1), self.pad, dtype=np.uint8)
        canvas[top : top + height, left : left + width, 0] = cv2.resize(
            pixels, (width, height), interpolation=interpolation
        )
        window = Window(
            left / self.size,
            top / self.size,
            (left + width) / self.size,
            (top + height) / self.size,
        )
        return canvas, window
