"""How an image is to be shown, from its header alone: the sense of its values, its windows, its size in millimetres.

PS3.3 C.7.6.3.1.2 (Photometric Interpretation), C.11.1 (Modality LUT), C.11.2 (VOI LUT), 10.7.1 (Pixel Spacing).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from core.errors import DicomInvalid
from imaging.aspect import IMAGER_PIXEL_SPACING, PIXEL_SPACING
from imaging.dicom import (
    BITS_ALLOCATED,
    BITS_STORED,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_REPRESENTATION,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    VOI_LUT_FUNCTION,
    WINDOW_CENTER,
    WINDOW_WIDTH,
    decimals,
    text,
)
from imaging.lookup import LUT_DATA, LUT_DESCRIPTOR, Lut, Range, lut_of, rescaled, stored_range
from imaging.tree import Tree
from imaging.walk import MODALITY_LUT_SEQUENCE, VOI_LUT_SEQUENCE, Value

CALIBRATION_TYPE = 0x00280A02
# A file's windows are a handful; a header that lists hundreds is not believed beyond these.
WINDOWS = 8
# Where a table's output leaves its lowest value and reaches its highest: 2 % and 98 % of the way.
TABLE_START, TABLE_END = 0.02, 0.98


@dataclass(frozen=True, slots=True)
class DisplayWindow:
    """One of the file's windows. `center` and `width` as in the file, in the units of the modality; `lower` and
    `upper`: the stored values that become black and white (the other way round where small values are bright).
    `source`: `voi`, or `lut` for a table of which this is the straight line.
    """

    source: str
    center: float
    width: float
    function: str
    lower: float
    upper: float


@dataclass(frozen=True, slots=True)
class Spacing:
    """Millimetres between the centres of neighbours: at the detector, or in the patient (`calibrated`)."""

    rows: float
    columns: float
    calibrated: bool


@dataclass(frozen=True, slots=True)
class DisplayAttributes:
    """`small_is_bright`: the smallest value is the brightest. A number of the modality is value · slope + intercept."""

    photometric: str
    small_is_bright: bool
    slope: float
    intercept: float
    windows: tuple[DisplayWindow, ...]
    spacing: Spacing | None


# PNG and JPEG: what is large is bright, and nothing else is known.
PLAIN = DisplayAttributes("MONOCHROME2", small_is_bright=False, slope=1.0, intercept=0.0, windows=(), spacing=None)


def small_is_bright(photometric: str, slope: float, table: Lut | None) -> bool:
    """MONOCHROME1 turns the picture, and so do a falling line from stored values to those of the modality and a falling
    VOI LUT.
    """
    return (photometric == "MONOCHROME1") ^ (slope < 0) ^ (table is not None and table.falls)


def display_attributes(header: Tree) -> DisplayAttributes:
    """Of a stored header in Explicit VR Little Endian (`imaging.stored_header`). Raises DicomInvalid."""
    photometric = (text(_value(header, PHOTOMETRIC_INTERPRETATION)) or "MONOCHROME2").upper()
    slope, intercept = _line(header)
    table = _voi_table(header, slope, intercept)
    return DisplayAttributes(
        photometric=photometric,
        small_is_bright=small_is_bright(photometric, slope, table),
        slope=slope,
        intercept=intercept,
        windows=tuple(_windows(header, slope, intercept, table)),
        spacing=_spacing(header),
    )


def _value(header: Tree, tag: int) -> Value | None:
    node = header.get(tag)
    return node if isinstance(node, Value) else None


def _line(header: Tree) -> tuple[float, float]:
    if header.get(MODALITY_LUT_SEQUENCE):
        return 1.0, 0.0  # the values that are sent are the table's output (`imaging.depth`)
    slope = next(iter(decimals(_value(header, RESCALE_SLOPE))), 1.0)
    intercept = next(iter(decimals(_value(header, RESCALE_INTERCEPT))), 0.0)
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise DicomInvalid("Rescale Slope and Intercept are no usable numbers")
    return slope, intercept


def _windows(header: Tree, slope: float, intercept: float, table: Lut | None) -> list[DisplayWindow]:
    """As the network's own preview: a VOI LUT goes before a window, since it is what the modality itself shows."""
    found = []
    if table is not None and (limits := _straight(table)) is not None:
        low, high = limits
        found.append(("lut", (low + high) / 2, high - low, "LINEAR_EXACT"))
    function = (text(_value(header, VOI_LUT_FUNCTION)) or "LINEAR").upper()
    centers, widths = decimals(_value(header, WINDOW_CENTER)), decimals(_value(header, WINDOW_WIDTH))
    found += [("voi", center, width, function) for center, width in zip(centers, widths, strict=False)]
    shown = [_window(*one, slope, intercept) for one in found[:WINDOWS]]
    return [one for one in shown if one is not None]


def _window(
    source: str, center: float, width: float, function: str, slope: float, intercept: float
) -> DisplayWindow | None:
    if not (math.isfinite(center) and math.isfinite(width)) or width <= 0 or (function == "LINEAR" and width < 1):
        return None
    half = width / 2
    low, high = center - half, center + half
    if function == "LINEAR":  # C.11.2.1.2.1
        low, high = center - 0.5 - (width - 1) / 2, center - 0.5 + max(width - 1, 1e-6) / 2
    ends = sorted(((low - intercept) / slope, (high - intercept) / slope))
    return DisplayWindow(source, center, width, function, ends[0], ends[1])


def _voi_table(header: Tree, slope: float, intercept: float) -> Lut | None:
    bits = _first_number(header, BITS_STORED) or _first_number(header, BITS_ALLOCATED) or 16
    signed = bool(_first_number(header, PIXEL_REPRESENTATION))
    stored = stored_range(min(bits, 16), signed=signed)
    modality = _table(header, MODALITY_LUT_SEQUENCE, stored)
    inputs = modality.outputs(stored) if modality else rescaled(stored, slope=slope, intercept=intercept)
    found = _table(header, VOI_LUT_SEQUENCE, inputs)
    return found.spread(inputs) if found else None


def _first_number(header: Tree, tag: int) -> int:
    value = _value(header, tag)
    return int.from_bytes(value.data[:2], "little") if value is not None else 0


def _table(header: Tree, sequence: int, inputs: Range) -> Lut | None:
    items = header.get(sequence)
    if not isinstance(items, list) or not items:
        return None
    return lut_of(_value(items[0], LUT_DESCRIPTOR), _value(items[0], LUT_DATA), order="<", inputs=inputs)


def _straight(table: Lut) -> tuple[float, float] | None:
    """The inputs between which a table rises, or falls; None of one that does neither."""
    levels = table.table.max() - table.table if table.falls else table.table - table.table.min()
    top = float(levels.max())
    start = int(np.argmax(levels > TABLE_START * top))
    end = int(np.argmax(levels >= TABLE_END * top))
    if top <= 0 or end <= start:
        return None
    return float(table.first + start), float(table.first + end)


def _spacing(header: Tree) -> Spacing | None:
    """Pixel Spacing where it was calibrated to the patient, else what it is at the detector (PS3.3 10.7.1.3)."""
    own = _pair(header, PIXEL_SPACING)
    detector = _pair(header, IMAGER_PIXEL_SPACING)
    if own is not None and (text(_value(header, CALIBRATION_TYPE)) is not None or (detector and own != detector)):
        return Spacing(*own, calibrated=True)
    found = own or detector
    return None if found is None else Spacing(*found, calibrated=False)


def _pair(header: Tree, tag: int) -> tuple[float, float] | None:
    numbers = decimals(_value(header, tag))
    # Some devices write zeros for "unknown".
    if len(numbers) < 2 or not all(math.isfinite(one) and 0 < one < 100 for one in numbers[:2]):
        return None
    return numbers[0], numbers[1]
