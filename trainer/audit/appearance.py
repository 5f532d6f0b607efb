"""What a picture looks like, whatever its brightness, its rotation and its mirror sense.

A picture becomes a square thumbnail (SIDE, SIDE) with its own aspect ratio squeezed out, a smaller one (COARSE, COARSE)
its local contrast, that a polar map around the centre. Rotation shifts a polar map along its angle and a mirror image
reverses it, so that the magnitudes of its Fourier coefficients along the angle are the same for all rotated and
mirrored copies: the descriptor. The phases tell the angle (Fourier-Mellin registration, Reddy and Chatterji 1996,
without the scale).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.resize import shrink

SIDE, COARSE = 128, 64
RINGS, ANGLES, FREQUENCIES = 22, 96, 12
# The side of the square neighbourhood as a share of the picture's. Candidates are sought by the wide one, which
# forgives small shifts, laid on each other by the narrow one, and confirmed by the detail: all hands look alike from
# afar.
WIDE, NARROW, DETAIL = 0.29, 0.16, 0.06
# Added to the variance: a flat region has no contrast, and must not be given that of its noise.
FLOOR = 9.0
# A picture of nothing has no appearance to compare: below this standard deviation (grey levels of the thumbnail).
FLAT = 2.0
# What may have been cut off, as shares of the picture: left, right, top, bottom.
CROPS = (
    (0.07, 0.0, 0.0, 0.0),
    (0.0, 0.07, 0.0, 0.0),
    (0.0, 0.0, 0.07, 0.0),
    (0.0, 0.0, 0.0, 0.07),
    (0.06, 0.06, 0.06, 0.06),
)
BLOCK = 512

Grey = NDArray[np.uint8]
Floats = NDArray[np.float32]
Spectra = NDArray[np.complex64]

# The area of a ring is in proportion to its radius.
_WEIGHTS = np.sqrt(np.arange(RINGS, dtype=np.float32) + 1.5)[:, None]


def thumbnail(pixels: Grey) -> Grey:
    """(h, w) → (SIDE, SIDE), as area averages."""
    if min(pixels.shape) >= SIDE:
        return shrink(pixels, (SIDE, SIDE))
    return np.asarray(cv2.resize(pixels, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def coarse(thumb: Grey) -> Grey:
    """(SIDE, SIDE) → (COARSE, COARSE)."""
    return shrink(thumb, (COARSE, COARSE))


def local_contrast(pixels: NDArray[np.generic], neighbourhood: float) -> Floats:
    """Each pixel's difference from its neighbourhood in units of the neighbourhood's standard deviation, float32."""
    values = pixels.astype(np.float32)
    size = (2 * round(neighbourhood * len(values) / 2) + 1,) * 2
    difference = values - cv2.blur(values, size)
    variance = cv2.blur(difference * difference, size)
    return np.asarray(difference / np.sqrt(variance + FLOOR), dtype=np.float32)


def cropped(thumb: Grey, crop: tuple[float, float, float, float]) -> Grey:
    """The thumbnail that the picture has once `crop` (shares of left, right, top, bottom) is cut off."""
    left, right, top, bottom = (round(share * SIDE) for share in crop)
    part = np.ascontiguousarray(thumb[top : SIDE - bottom, left : SIDE - right])
    return np.asarray(cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def spectra(thumbs: NDArray[np.uint8], crop: tuple[float, float, float, float] | None = None) -> Spectra:
    """(n, SIDE, SIDE) → (n, RINGS, ANGLES // 2 + 1): unit-length polar maps, transformed along the angle."""
    result = np.empty((len(thumbs), RINGS, ANGLES // 2 + 1), dtype=np.complex64)

    def fill(start: int) -> None:
        block = thumbs[start : start + BLOCK]
        maps = np.stack([_polar(thumb if crop is None else cropped(thumb, crop)) for thumb in block])
        maps = (maps - maps.mean(axis=(1, 2), keepdims=True)) * _WEIGHTS
        length = np.linalg.norm(maps.reshape(len(maps), -1), axis=1)[:, None, None]
        result[start : start + len(block)] = np.fft.rfft(maps / np.maximum(length, 1e-9), axis=2)

    _each(fill, range(0, len(thumbs), BLOCK))
    return result


def descriptors(spectra: Spectra) -> Floats:
    """(n, RINGS × FREQUENCIES) float32 of unit length, the same for every rotation and mirror image of a picture."""
    magnitudes = np.abs(spectra[:, :, :FREQUENCIES]).reshape(len(spectra), -1)
    length = np.linalg.norm(magnitudes, axis=1, keepdims=True)
    return np.asarray(magnitudes / np.maximum(length, 1e-9), dtype=np.float32)


def turns(first: Spectra, second: Spectra) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """How to turn each picture of `second` onto that of `first` (both (n, RINGS, …)): correlation of the polar maps at
    the best angle (-1 to 1), that angle in degrees (-180 to 180, counter-clockwise), and whether it is mirrored first.
    """
    straight = np.fft.irfft((np.conj(first) * second).sum(axis=1), n=ANGLES, axis=1)
    mirrored = np.fft.irfft((first * second).sum(axis=1), n=ANGLES, axis=1)
    flip = mirrored.max(axis=1) > straight.max(axis=1)
    curves = np.where(flip[:, None], mirrored, straight)
    shift = _peaks(curves) * (360.0 / ANGLES)
    angle = np.where(flip, 180.0 - shift, shift)
    angle = (angle + 180.0) % 360.0 - 180.0
    return (
        np.asarray(curves.max(axis=1), dtype=np.float32),
        np.asarray(angle, dtype=np.float32),
        np.asarray(flip, dtype=np.bool_),
    )


def _peaks(curves: NDArray[np.floating]) -> NDArray[np.floating]:
    """The position of each row's maximum, refined by a parabola through its neighbours."""
    rows, best = np.arange(len(curves)), curves.argmax(axis=1)
    left, middle, right = (curves[rows, (best + step) % ANGLES] for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    offset = np.where(np.abs(bend) > 1e-9, 0.5 * (left - right) / np.where(bend == 0, 1.0, bend), 0.0)
    return np.asarray(best + np.clip(offset, -0.5, 0.5), dtype=np.float64)


def _polar(thumb: Grey) -> Floats:
    centre = (COARSE - 1) / 2
    polar = cv2.warpPolar(
        local_contrast(coarse(thumb), WIDE), (COARSE // 2, ANGLES), (centre, centre), COARSE / 2, cv2.WARP_POLAR_LINEAR
    )
    # The innermost pixels are too few to tell an angle, the outermost ones touch the border.
    return np.asarray(cv2.resize(polar[:, 1:-1], (RINGS, ANGLES), interpolation=cv2.INTER_AREA).T, dtype=np.float32)


def _each(work: Callable[[int], None], starts: Sequence[int]) -> None:
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        list(pool.map(work, starts))
