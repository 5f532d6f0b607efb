"""Stored values → grey levels: Modality LUT, then VOI LUT or window, then the sense of MONOCHROME1.

PS3.3 C.11.1 (Modality LUT), C.11.2 (VOI LUT), C.7.6.3.1.2 (Photometric Interpretation), C.7.5.1.1.2 (Pixel
Padding). Where a
file gives several windows or LUTs they are alternatives, and the first is used; a VOI LUT goes before a window, since
it is what the modality itself shows, and goes from black to white whatever depth it states (`imaging.lookup`). Without
either, or where the window holds none of the picture's values, the window is the range from the 0.5th to the 99.5th
percentile of the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DicomInvalid
from imaging import dicom
from imaging.dicom import DicomImage
from imaging.lookup import LUT_DATA, LUT_DESCRIPTOR, Floats, Lut, Range, lut_of, rescaled, stored_range
from imaging.resize import fitted, shrink, target_size
from imaging.walk import MODALITY_LUT_SEQUENCE, VOI_LUT_SEQUENCE

Levels = Callable[[Floats], Floats]
LOW, HIGH = 0.5, 99.5


def _lut(image: DicomImage, sequence: int, inputs: Range) -> Lut | None:
    """The first LUT of a sequence, of which `inputs` are the range of what goes in."""
    items = image.elements.items.get(sequence)
    if not items:
        return None
    descriptor, data = items[0].get(LUT_DESCRIPTOR), items[0].get(LUT_DATA)
    return lut_of(descriptor, data, order=image.elements.encoding.order, inputs=inputs)


def window(center: float, width: float, function: str = "LINEAR") -> Levels | None:
    """A window as levels in [0, 1] (PS3.3 C.11.2.1.2 and C.11.2.1.3); None where it is none."""
    if not np.isfinite([center, width]).all() or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    if function == "SIGMOID":
        return lambda values: (1 / (1 + np.exp(np.clip(-4 * (values - center) / width, -60, 60)))).astype(np.float32)
    if function == "LINEAR":
        # The standard's half-pixel convention; a width of one is a threshold.
        center, width = center - 0.5, max(width - 1, 1e-6)
    return lambda values: np.clip((values - center) / width + 0.5, 0, 1).astype(np.float32)


def robust_window(values: NDArray[np.generic]) -> Levels:
    """The window from the 0.5th to the 99.5th percentile of `values`; a flat picture becomes middle grey."""
    low, high = np.percentile(values.astype(np.float32, copy=False), (LOW, HIGH)) if values.size else (0.0, 0.0)
    if high <= low:
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
    found = window((low + high) / 2, high - low, "LINEAR_EXACT")
    return found or (lambda levels: np.full_like(levels, 0.5, dtype=np.float32))


def stored_values(image: DicomImage, values: NDArray[Any], *, overshoots: bool) -> NDArray[Any]:
    """Values within Bits Stored, with their sign: uint8, uint16 or int16.

    Bits above High Bit and below the lowest one are no pixel data (old overlays, junk): they are masked. What a lossy
    codec gives beyond the range is clipped instead.
    """
    bits, low_bit = image.bits_stored, image.high_bit + 1 - image.bits_stored
    if values.dtype.kind == "i" or overshoots:
        bottom, top = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if image.signed else (0, (1 << bits) - 1)
        return np.asarray(np.clip(values, bottom, top), dtype=np.int16 if image.signed else np.uint16)
    whole = bits == values.dtype.itemsize * 8
    if not whole:
        values = (values >> low_bit if low_bit else values) & ((1 << bits) - 1)
    if not image.signed:
        return values
    sign = 1 << (bits - 1)
    return ((values.astype(np.int32) ^ sign) - sign).astype(np.int16)


def _modality(image: DicomImage) -> Levels:
    lut = modality_table(image)
    if lut is not None:
        return lut
    slope, intercept = _line(image)
    return lambda values: (values * slope + intercept).astype(np.float32)


def _line(image: DicomImage) -> tuple[float, float]:
    """Rescale Slope and Intercept. Raises DicomInvalid where they are no usable numbers."""
    slope = next(iter(image.numbers(dicom.RESCALE_SLOPE)), 1.0)
    intercept = next(iter(image.numbers(dicom.RESCALE_INTERCEPT)), 0.0)
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise DicomInvalid("Rescale Slope and Intercept are no usable numbers")
    return slope, intercept


def _modality_range(image: DicomImage) -> Range:
    """Of the modality's values of an image of this depth."""
    stored = stored_range(image.bits_stored, signed=image.signed)
    table = modality_table(image)
    if table is not None:
        return table.outputs(stored)
    slope, intercept = _line(image)
    return rescaled(stored, slope=slope, intercept=intercept)


def _voi(image: DicomImage) -> Levels | None:
    table = voi_table(image)
    if table is not None:
        return table
    centers, widths = image.numbers(dicom.WINDOW_CENTER), image.numbers(dicom.WINDOW_WIDTH)
    if not centers or not widths:
        return None
    function = dicom.text(image.elements.values.get(dicom.VOI_LUT_FUNCTION)) or "LINEAR"
    return window(centers[0], widths[0], function)


def voi_table(image: DicomImage) -> Lut | None:
    """The image's VOI LUT, where it has one, with levels for its output."""
    if not image.elements.items.get(VOI_LUT_SEQUENCE):
        return None
    inputs = _modality_range(image)
    found = _lut(image, VOI_LUT_SEQUENCE, inputs)
    return found.spread(inputs) if found is not None else None


def modality_table(image: DicomImage) -> Lut | None:
    """The image's Modality LUT, where it has one in place of a straight line."""
    return _lut(image, MODALITY_LUT_SEQUENCE, stored_range(image.bits_stored, signed=image.signed))


def padding_mask(image: DicomImage, values: NDArray[np.generic]) -> NDArray[np.bool_] | None:
    """Where stored `values` are padding and no part of the picture; None where nowhere, or everywhere."""
    padding = _padding(image)
    if padding is None:
        return None
    mask: NDArray[np.bool_] = (values >= padding[0]) & (values <= padding[1])  # type: ignore[operator]
    return mask if mask.any() and not mask.all() else None


def _padding(image: DicomImage) -> tuple[int, int] | None:
    """The inclusive range of stored values that are no part of the picture (PS3.3 C.7.5.1.1.2)."""
    value = dicom.unsigned(image.elements, dicom.PIXEL_PADDING_VALUE)
    if value is None:
        return None
    limit = dicom.unsigned(image.elements, dicom.PIXEL_PADDING_LIMIT)
    ends = [value, value if limit is None else limit]
    if image.signed:
        ends = [end - 65536 if end >= 32768 else end for end in ends]
    return min(ends), max(ends)


def grey_levels(
    image: DicomImage, values: NDArray[np.generic], size: tuple[int, int], *, voi: Levels | None = None
) -> NDArray[np.uint8]:
    """Stored `values` (h, w) → (size) uint8, bright where MONOCHROME2 is bright; padding becomes black.

    `voi` takes the place of the image's own window or VOI LUT.

    Straight lines commute with averaging, so the windows are applied after the resize; a table or padding goes first.
    """
    straight = MODALITY_LUT_SEQUENCE not in image.elements.items and VOI_LUT_SEQUENCE not in image.elements.items
    mask = padding_mask(image, values)
    if straight and mask is None:
        return _rendered(image, fitted(values, size).astype(np.float32), asked=voi)
    return fitted(_rendered(image, values.astype(np.float32), mask, asked=voi), size)


def own_levels(image: DicomImage, values: NDArray[np.generic]) -> Levels:
    """What the whole of `image` is shown with where nothing else is asked: for a part of it."""
    found = _modality(image)(shrink(values, target_size(image.rows, image.columns, 1024)).astype(np.float32))
    voi = _voi(image)
    if voi is None or (np.ptp(voi(found)) == 0 and np.ptp(found) > 0):
        return robust_window(found)
    return voi


def _rendered(
    image: DicomImage, stored: Floats, mask: NDArray[np.bool_] | None = None, *, asked: Levels | None = None
) -> NDArray[np.uint8]:
    values = _modality(image)(stored)
    picture = values if mask is None else values[~mask]
    voi = asked or _voi(image)
    levels = voi(values) if voi is not None else None
    flat = levels is not None and np.ptp(levels if mask is None else levels[~mask]) == 0 and np.ptp(picture) > 0
    if levels is None or (flat and asked is None):
        levels = robust_window(picture)(values)
    if image.photometric == "MONOCHROME1":
        levels = 1 - levels
    if mask is not None:
        levels[mask] = 0
    return np.rint(np.clip(levels, 0, 1) * 255).astype(np.uint8)
