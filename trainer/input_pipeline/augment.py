"""Random changes of training images, on uint8 arrays with OpenCV: the same under every Keras backend."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.recipes.recipe import Augmentation


def augment(
    image: NDArray[np.uint8], spec: Augmentation, *, random: np.random.Generator, pad: int
) -> NDArray[np.uint8]:
    """(size, size, 1) uint8 → the same shape: what happens to files (the edges of a plate, fewer pixels, compression),
    one affine warp, then one grey-value table. What a recipe does not ask for draws nothing.

    `pad` fills what comes in.
    """
    size = image.shape[0]
    matrix = warp_matrix(spec, size=size, random=random)
    warped = cv2.warpAffine(
        _as_a_file(np.ascontiguousarray(image[:, :, 0]), spec, random=random, pad=pad),
        matrix,
        (size, size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=pad,
    )
    contrast = 1 + random.uniform(-spec.contrast, spec.contrast)
    brightness = random.uniform(-spec.brightness, spec.brightness)
    grey: NDArray[np.float32] = np.arange(256, dtype=np.float32)
    if spec.exposure:
        bend = np.float32(np.exp(random.uniform(-spec.exposure, spec.exposure)))
        grey = np.asarray(255 * (grey / 255) ** bend, dtype=np.float32)
    table = np.clip((grey - 127.5) * contrast + 127.5 + brightness, 0, 255).astype(np.uint8)
    table[pad] = pad  # the letterbox stays what it is at inference
    changed: NDArray[np.uint8] = cv2.LUT(warped, table)
    return changed[:, :, None]


def warp_matrix(spec: Augmentation, *, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3): flips, rotation and zoom about the centre, then a shift, then each side's own crop or pad.

    It is the first thing that `augment` draws: the same generator gives the warp of the same image.
    """
    angle = np.deg2rad(random.uniform(-spec.rotation, spec.rotation))
    zoom = 1 + random.uniform(-spec.zoom, spec.zoom)
    flip = np.diag(
        [
            -1.0 if spec.horizontal_flip and random.random() < 0.5 else 1.0,
            -1.0 if spec.vertical_flip and random.random() < 0.5 else 1.0,
        ]
    )
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = zoom * rotation @ flip
    centre = np.full(2, (size - 1) / 2)
    shift = random.uniform(-spec.shift, spec.shift, 2) * size
    matrix = np.hstack([linear, (centre + shift - linear @ centre)[:, None]])
    return _sides(spec.crop_pad, size=size, random=random) @ np.vstack([matrix, [0, 0, 1]]) if spec.crop_pad else matrix


def _sides(share: float, *, size: int, random: np.random.Generator) -> NDArray[np.float64]:
    """(2, 3): what is left when up to `share` is cut from (or added to) each side, stretched over the image again."""
    low, high = random.uniform(-share, share, (2, 2)) * size
    stretch = size / (size - low - high)
    return np.hstack([np.diag(stretch), (-low * stretch)[:, None]])


def _as_a_file(
    image: NDArray[np.uint8], spec: Augmentation, *, random: np.random.Generator, pad: int
) -> NDArray[np.uint8]:
    """(size, size); the letterbox, which no file has, stays as it is."""
    changes = [
        change
        for share, change in ((spec.plate, _with_plate), (spec.resample, _resampled), (spec.jpeg, _compressed))
        if share and random.random() < share
    ]
    rows, columns = (np.flatnonzero((image != pad).any(axis=axis)) for axis in (1, 0))
    if not changes or not len(rows) or not len(columns):
        return image
    copy = image.copy()
    part = copy[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    for change in changes:
        part[:] = change(part, random)
    return copy


def _with_plate(part: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """A picture that is bright on one or two sides: a MONOCHROME1 plate, not exposed."""
    part = part.copy()
    for side in random.permutation(4)[: random.integers(1, 3)]:
        deep = max(1, int(part.shape[side // 2] * random.uniform(0.03, 0.2)))
        edge = slice(None, deep) if side % 2 == 0 else slice(-deep, None)
        part[edge if side < 2 else slice(None), edge if side >= 2 else slice(None)] = int(random.integers(190, 256))
    return part


def _resampled(part: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """As it looks that was stored with half to all of its pixels, and enlarged."""
    rows, columns = part.shape
    scale = random.uniform(0.5, 1)
    small = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    reduced = cv2.resize(part, small, interpolation=cv2.INTER_AREA)
    wide = cv2.INTER_LINEAR if random.random() < 0.5 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(reduced, (columns, rows), interpolation=wide), dtype=np.uint8)


def _compressed(part: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """As it looks out of a JPEG file."""
    quality = int(random.integers(50, 96))
    _, file = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(file, cv2.IMREAD_GRAYSCALE), dtype=np.uint8)
