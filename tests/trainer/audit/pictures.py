"""Generated radiographs that differ as patients do, and what becomes of them on the way through the internet."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grey = NDArray[np.uint8]


def radiograph(seed: int, rows: int = 300, columns: int = 240) -> Grey:
    """(rows, columns) uint8: bones as tapered, bent shafts with joints and trabecular texture, on soft tissue."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    u, v = x / columns - 0.5, y / rows - 0.5
    picture = 20 + 25 * np.exp(-((u - random.uniform(-0.1, 0.1)) ** 2) / 0.06)
    for _ in range(random.integers(2, 6)):
        angle = random.uniform(-0.7, 0.7)
        across = u * np.cos(angle) + v * np.sin(angle) - random.uniform(-0.25, 0.25)
        along = v * np.cos(angle) - u * np.sin(angle)
        across = across + random.uniform(-0.15, 0.15) * np.sin(np.pi * (along + random.uniform(0, 1)))
        width = random.uniform(0.03, 0.07) * (1 + random.uniform(0.3, 1.2) * along**2 * 4)
        wall = np.exp(-(((np.abs(across) - width) / (0.35 * width)) ** 2))
        length = 1 / (1 + np.exp((np.abs(along - random.uniform(-0.2, 0.2)) - random.uniform(0.2, 0.5)) * 60))
        picture += (60 * wall + 50 * (np.abs(across) < width)) * length
    texture = cv2.GaussianBlur(random.normal(0, 1, (rows, columns)).astype(np.float32), (0, 0), 3)
    picture += 90 * texture * (picture > 60) + random.normal(0, 1.5, (rows, columns))
    return np.clip(picture, 0, 255).astype(np.uint8)


def rotated(pixels: Grey, degrees: float) -> Grey:
    """Turned counter-clockwise about the middle; the frame stays, what was outside is black."""
    rows, columns = pixels.shape
    turn = cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1.0)
    return np.asarray(cv2.warpAffine(pixels, turn, (columns, rows)), dtype=np.uint8)


def cut(pixels: Grey, share: float) -> Grey:
    """Without `share` of each side."""
    rows, columns = (round(share * length) for length in pixels.shape)
    return np.ascontiguousarray(pixels[rows:-rows, columns:-columns])


def brighter(pixels: Grey) -> Grey:
    return np.clip(pixels.astype(float) * 1.2 + 15, 0, 255).astype(np.uint8)


def saved(pixels: Grey, file: Path, **options: object) -> Path:
    """Write a PNG or, with `quality`, a JPEG, by the file's suffix."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(file, **options)
    return file
