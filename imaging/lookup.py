"""Lookup tables of a DICOM header: Modality LUT and VOI LUT (PS3.3 C.11.1.1 and C.11.2.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import DicomInvalid
from imaging.walk import Value

Floats = NDArray[np.float32]
# The least and the largest of some values.
Range = tuple[float, float]
LUT_DESCRIPTOR, LUT_DATA = 0x00283002, 0x00283006
# So small a part of the entries is not what the table is about; and so near to an end of the range it is reached.
STRAYS, NEAR_END = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table: `table` holds the output of `first`, `first` + 1, …; inputs outside take its ends. `stated` is
    the largest output that its descriptor allows for.
    """

    first: int
    table: Floats
    stated: float

    def __call__(self, values: Floats) -> Floats:
        index = np.clip(np.rint(values) - self.first, 0, len(self.table) - 1).astype(np.int32)
        return np.asarray(self.table[index], dtype=np.float32)

    def spread(self, inputs: Range) -> Lut:
        """The table with levels for its output, from 0 to 1.

        They are parts of the stated depth where the entries that the `inputs` meet reach from its one end to its other.
        Where they do not it is not to be believed: devices state 16 bits for entries of 12, fewer bits than the entries
        have, or use a part of the range alone. Then the lowest and the highest of these entries are the ends.
        """
        low, high = _extent(self._met(inputs), self.stated)
        if high <= low:
            low, high = _extent(self.table, self.stated)
        levels = np.clip((self.table - low) / max(high - low, 1), 0, 1)
        return Lut(self.first, levels.astype(np.float32), 1.0)

    @property
    def falls(self) -> bool:
        """Whether large inputs have small outputs: the highest entry comes before the lowest."""
        return bool(np.argmax(self.table) < np.argmin(self.table))

    def outputs(self, inputs: Range) -> Range:
        """What comes out where `inputs` go in."""
        met = self._met(inputs)
        return float(met.min()), float(met.max())

    def _met(self, inputs: Range) -> Floats:
        ends = np.clip(np.rint(inputs) - self.first, 0, len(self.table) - 1).astype(np.int64)
        return self.table[ends[0] : ends[1] + 1]


def _extent(entries: Floats, stated: float) -> Range:
    lowest, highest = float(entries.min()), float(entries.max())
    if float((entries > stated).mean()) < STRAYS:
        highest = min(highest, stated)
    if lowest >= NEAR_END * highest:
        return lowest, highest
    return 0.0, stated if (1 - NEAR_END) * stated <= highest <= stated else highest


def stored_range(bits_stored: int, *, signed: bool) -> Range:
    """Of stored values of so many bits."""
    half = float(1 << (bits_stored - 1))
    return (-half, half - 1) if signed else (0.0, 2 * half - 1)


def rescaled(values: Range, *, slope: float, intercept: float) -> Range:
    """Of the same through Rescale Slope and Intercept."""
    ends = sorted(value * slope + intercept for value in values)
    return ends[0], ends[1]


def lut_of(descriptor: Value | None, data: Value | None, *, order: str, inputs: Range) -> Lut:
    """A LUT of its Descriptor and Data, which are in the byte `order`. Raises DicomInvalid.

    `inputs` is the range of what goes in. It tells whether the first value mapped is negative: what the descriptor is
    written as does not.
    """
    if descriptor is None or data is None or len(descriptor.data) < 6:
        raise DicomInvalid("A lookup table lacks its descriptor or data")
    count, first, bits = (int(value) for value in np.frombuffer(descriptor.data[:6], order + "u2"))
    table = _entries(data, order, count or 65536, bits)
    if first >= 32768 and _mapped(first - 65536, len(table), inputs) >= _mapped(first, len(table), inputs):
        first -= 65536
    return Lut(first, table, float((1 << min(max(bits, 8), 16)) - 1))


def _mapped(first: int, count: int, inputs: Range) -> float:
    """How many of the inputs a table of `count` entries maps that begins at `first`."""
    return max(0.0, min(first + count - 1, inputs[1]) - max(first, inputs[0]) + 1)


def _entries(data: Value, order: str, count: int, bits: int) -> Floats:
    """At most `count` entries, of 16 bits, or of 8: two in a word where there are about as many bytes as entries.

    Fewer than `count` are a shorter table.
    """
    raw = data.data
    if len(raw) < 2 * count and (bits <= 8 or len(raw) in (count, count + count % 2)):
        entries: NDArray[np.generic] = np.frombuffer(raw, np.uint8)
        if order == ">" and data.vr in (b"OW", b"US", b"SS") and entries.size % 2 == 0:
            entries = entries.reshape(-1, 2)[:, ::-1].ravel()
    else:
        entries = np.frombuffer(raw[: len(raw) // 2 * 2], order + "u2")
    if not entries.size:
        raise DicomInvalid("A lookup table has no entries")
    return entries[:count].astype(np.float32)
