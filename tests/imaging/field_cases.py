"""Files as the field has them, after public reports of what other viewers and decoders stumbled over.

All show one picture, dark at the left and bright at the right and in the middle, and each has one fault. What a fault
is not allowed to do is change the picture: `CONTROL` is it, `apart` the mean difference from it.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence

from imaging.decode import decode
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, START, written
from tests.imaging.reference import dicom

Pixels = NDArray[Any]
ROWS, COLUMNS, TOP = 200, 160, 4095
TWELVE: dict[str, Any] = {"BitsStored": 12, "HighBit": 11}
WINDOW: dict[str, Any] = {"WindowCenter": 2047.5, "WindowWidth": 4096}
IMPLICIT, EXPLICIT, BIG = START, START + ".1", START + ".2"
# Of the range: what the README of the field cases allows.
ALLOWED = 0.05


def scene(rows: int = ROWS, columns: int = COLUMNS) -> Pixels:
    """(rows, columns) uint16 below 4096."""
    y, x = np.mgrid[0:rows, 0:columns] / np.array([rows, columns]).reshape(2, 1, 1)
    middle = np.exp(-((x - 0.5) ** 2 + (y - 0.5) ** 2) / 0.02)
    return np.rint(TOP * np.clip(0.75 * x + 0.6 * middle, 0, 1)).astype(np.uint16)


SCENE = scene()
# From one file to one picture: what the network is shown, (h, w) uint8.
CONTROL = decode(dicom(SCENE, **TWELVE, **WINDOW), longest_side=512).pixels


def apart(picture: Pixels) -> float:
    """The mean difference from the control, in parts of the range. The shapes must be the same."""
    assert picture.shape == CONTROL.shape
    return float(np.abs(picture.astype(float) - CONTROL).mean() / 255)


# --- Lookup tables

IDENTITY = np.arange(4096)


@dataclass(frozen=True, slots=True)
class Table:
    """A LUT as a device writes it: its entries, and what the descriptor says of count, first value and bits.

    `width` is the bytes of an entry; entries of one lie two in a word.
    """

    entries: Pixels
    bits: int
    first: int = 0
    count: int | None = None
    width: int = 2

    def sequence(self, *, big_endian: bool) -> Sequence:
        count = (len(self.entries) if self.count is None else self.count) % 65536
        data = self.entries.astype("<u2" if self.width == 2 else np.uint8).tobytes()
        data += bytes(len(data) % 2)
        item = Dataset()
        item.add_new(0x00283002, "US", [count, self.first % 65536, self.bits])
        words = np.frombuffer(data, "<u2")
        item.add_new(0x00283006, "OW", words.astype(">u2").tobytes() if big_endian else data)
        return Sequence([item])


@dataclass(frozen=True, slots=True)
class LookUp:
    """An image with a VOI LUT, a Modality LUT or both; `pixels` are the scene as it is stored."""

    voi: Table | None = None
    modality: Table | None = None
    pixels: Pixels | None = None
    attributes: dict[str, Any] | None = None

    def file(self, syntax: str = EXPLICIT) -> bytes:
        fields = TWELVE | (self.attributes or {})
        for keyword, table in (("VOILUTSequence", self.voi), ("ModalityLUTSequence", self.modality)):
            if table is not None:
                fields = fields | {keyword: table.sequence(big_endian=syntax == BIG)}
        return dicom(SCENE if self.pixels is None else self.pixels, syntax=syntax, **fields)


def _with_strays() -> Pixels:
    entries = IDENTITY.copy()
    entries[-10:] = 65535
    return entries


SIGNED = (SCENE.astype(np.int32) - 2048).astype(np.int16)
SIXTEEN = {"BitsStored": 16, "HighBit": 15}
LOOK_UPS: dict[str, LookUp] = {
    "16 bits said, 12 meant": LookUp(Table(IDENTITY, 16)),
    "14 bits said, 12 meant": LookUp(Table(IDENTITY, 14)),
    "10 bits said, 12 used": LookUp(Table(IDENTITY, 10)),
    "8 bits said, 12 used": LookUp(Table(IDENTITY, 8)),
    "0 bits said": LookUp(Table(IDENTITY, 0)),
    "12 bits said, 16 used": LookUp(Table(IDENTITY * 16 + 15, 12)),
    "does not reach its top": LookUp(Table(IDENTITY * 3000 // TOP, 12)),
    "does not begin at its bottom": LookUp(Table(1500 + IDENTITY * 2500 // TOP, 12)),
    "neither, of 16 bits": LookUp(Table(20_000 + IDENTITY * 2, 16)),
    "strays beyond what is said": LookUp(Table(_with_strays(), 12)),
    "65536 entries, of which an image of 12 bits meets the first": LookUp(Table(np.arange(65536), 16)),
    "65536 entries, flat behind those that are met": LookUp(Table(np.minimum(np.arange(65536), TOP), 12)),
    "fewer entries than said": LookUp(Table(IDENTITY, 12, count=4100)),
    "65536 entries said, 4096 there": LookUp(Table(IDENTITY, 16, count=65536)),
    "8 bits, two in a word": LookUp(Table(IDENTITY // 16, 8, width=1)),
    "8 bits, two in a word, an odd number": LookUp(Table(IDENTITY[:-1] // 16, 8, width=1)),
    "8 bits, two in a word, 16 said": LookUp(Table(IDENTITY // 16, 16, width=1)),
    "8 bits, 65536 of them": LookUp(Table(np.minimum(np.arange(65536) // 16, 255), 8, width=1)),
    "8 bits, one in a word": LookUp(Table(IDENTITY // 16, 8)),
    "first value negative, of signed pixels": LookUp(Table(IDENTITY, 16, first=-2048), pixels=SIGNED),
    "first value negative, by the intercept": LookUp(
        Table(IDENTITY, 12, first=-1024), attributes={"RescaleIntercept": -1024, "RescaleSlope": 1}
    ),
    "first value beyond 32767, of unsigned pixels": LookUp(
        Table(IDENTITY, 16, first=40_000), pixels=SCENE + np.uint16(40_000), attributes=SIXTEEN
    ),
    "first value in the middle": LookUp(Table(np.arange(200, 4096), 16, first=200)),
    "of MONOCHROME1": LookUp(
        Table(IDENTITY, 16), pixels=TOP - SCENE, attributes={"PhotometricInterpretation": "MONOCHROME1"}
    ),
    "falls": LookUp(Table(IDENTITY[::-1], 16), pixels=TOP - SCENE),
    "falls, of a part of its range": LookUp(Table(1500 + IDENTITY[::-1] // 2, 12), pixels=TOP - SCENE),
    "falls, of MONOCHROME1": LookUp(
        Table(IDENTITY[::-1], 16), attributes={"PhotometricInterpretation": "MONOCHROME1"}
    ),
    "modality table of 12 bits, 16 said": LookUp(None, Table(IDENTITY, 16), attributes=WINDOW),
    "modality table of 12 bits, 8 said": LookUp(None, Table(IDENTITY, 8), attributes=WINDOW),
    "modality table of 8 bits, two in a word": LookUp(
        None, Table(IDENTITY // 16, 8, width=1), attributes={"WindowCenter": 127.5, "WindowWidth": 256}
    ),
    "modality table of signed pixels": LookUp(
        None, Table(IDENTITY, 12, first=-2048), pixels=SIGNED, attributes=WINDOW
    ),
    "both tables": LookUp(Table(IDENTITY, 16, first=1000), Table(IDENTITY + 1000, 16)),
    "both tables, and a window that is not asked": LookUp(
        Table(IDENTITY, 16), Table(IDENTITY, 16), attributes={"WindowCenter": 1, "WindowWidth": 2}
    ),
}  # fmt: skip


# --- No preamble, no meta information


def data_set(data: bytes) -> bytes:
    """What is left of a proper file without preamble, prefix and meta information."""
    (length,) = struct.unpack_from("<I", data, 140)
    return data[144 + length :]


OPENINGS: dict[str, Callable[[bytes], bytes]] = {
    "data set alone": data_set,
    "meta information without preamble and prefix": lambda data: data[132:],
    "prefix without preamble": lambda data: data[128:],
    "prefix alone before the data set": lambda data: b"DICM" + data_set(data),
    "no meta information": lambda data: data[:132] + data_set(data),
}


def unopened() -> Iterator[tuple[str, str]]:
    """(opening, syntax) of all that can be told. What is deflated must say so."""
    for opening in OPENINGS:
        for syntax in (*NATIVE, *CODESTREAMS):
            if syntax != START + ".1.99" or opening in list(OPENINGS)[1:3]:
                yield opening, syntax


def in_syntax(syntax: str, **attributes: Any) -> bytes:
    """The scene as a proper file; of 8 bits in JPEG baseline."""
    if syntax == EIGHT_BIT:
        return written((SCENE >> 4).astype(np.uint8), syntax, WindowCenter=127.5, WindowWidth=256, **attributes)
    return written(SCENE, syntax, **TWELVE, **WINDOW, **attributes)


# --- No end marker

ENDED = [syntax for syntax in CODESTREAMS if syntax != START + ".5"]
END = b"\xff\xd9"


def codestream(syntax: str) -> bytes:
    """The scene's, with its end marker alone behind it."""
    stream = CODESTREAMS[syntax]((SCENE >> 4).astype(np.uint8) if syntax == EIGHT_BIT else SCENE)
    return stream[: stream.rindex(END) + 2]


# How a frame ends in place of FF D9.
ENDS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda stream: stream[:-2],
    "half of the marker": lambda stream: stream[:-1],
    "zeros": lambda stream: stream[:-2] + bytes(2),
    "many zeros": lambda stream: stream[:-2] + bytes(400),
    "the marker, and many zeros": lambda stream: stream + bytes(400),
    "half of the marker, and zeros": lambda stream: stream[:-1] + bytes(5),
}


def with_frame(stream: bytes, syntax: str, *, fragments: int = 1, delimited: bool = True, **attributes: Any) -> bytes:
    """A file around the scene's codestream, in so many fragments, with the delimiter behind the last or without it."""
    pixels = (SCENE >> 4).astype(np.uint8) if syntax == EIGHT_BIT else SCENE
    window = {"WindowCenter": 127.5, "WindowWidth": 256} if syntax == EIGHT_BIT else TWELVE | WINDOW
    raw = encapsulate([stream], fragments_per_frame=fragments, has_bot=False)
    data = dicom(pixels, syntax=syntax, raw=raw, **window, **attributes)
    return data if delimited else data[:-8]


def shortened(stream: bytes, share: float) -> bytes:
    """The first lines of a codestream, without its end marker."""
    return stream[: round(len(stream) * share)]


def raster(mode: str = "L", **options: Any) -> bytes:
    """The scene as a JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray((SCENE >> 4).astype(np.uint8)).convert(mode).save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


RASTERS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "with restart markers": {"restart_marker_rows": 1},
    "in colour": {"mode": "RGB", "subsampling": 2},
    "progressive, in colour": {"mode": "RGB", "progressive": True},
}


# --- Pixels that are not square


@dataclass(frozen=True, slots=True)
class Shape:
    """The scene in pixels `aspect` times as high as wide, and how the file says so."""

    aspect: float
    attributes: dict[str, Any]

    @property
    def pixels(self) -> Pixels:
        return scene(round(ROWS / max(self.aspect, 1)), round(COLUMNS * min(self.aspect, 1)))

    def file(self, syntax: str = EXPLICIT, **attributes: Any) -> bytes:
        return written(self.pixels, syntax, **TWELVE, **WINDOW, **self.attributes, **attributes)


SHAPES: dict[str, Shape] = {
    "ratio 2 to 1": Shape(2, {"PixelAspectRatio": [2, 1]}),
    "ratio 1 to 2": Shape(0.5, {"PixelAspectRatio": [1, 2]}),
    "ratio 30 to 25": Shape(1.2, {"PixelAspectRatio": [30, 25]}),
    "ratio 4 to 5": Shape(0.8, {"PixelAspectRatio": [4, 5]}),
    "ratio 5 to 1": Shape(5, {"PixelAspectRatio": [5, 1]}),
    "spacing in the patient": Shape(2, {"PixelSpacing": [0.2, 0.1]}),
    "spacing at the detector": Shape(0.5, {"ImagerPixelSpacing": [0.1, 0.2]}),
    "spacing of a film scanner": Shape(1.25, {"NominalScannedPixelSpacing": [0.25, 0.2], "Modality": "RG"}),
    "both spacings": Shape(2, {"PixelSpacing": [0.18, 0.09], "ImagerPixelSpacing": [0.2, 0.1]}),
    "ratio beside spacings that say nothing": Shape(2, {"PixelAspectRatio": [2, 1], "PixelSpacing": [0, 0]}),
    "ratio and spacing that agree": Shape(0.5, {"PixelAspectRatio": [1, 2], "PixelSpacing": [0.1, 0.2]}),
}
SQUARE: dict[str, dict[str, Any]] = {
    "ratio of zeros": {"PixelAspectRatio": [0, 0]},
    "ratio of one number": {"PixelAspectRatio": [2]},
    "ratio beyond belief": {"PixelAspectRatio": [1, 1000]},
    "ratio 1 to 1": {"PixelAspectRatio": [1, 1]},
    "spacing of zeros": {"PixelSpacing": [0, 0], "ImagerPixelSpacing": [0.1, 0.1]},
    "spacings as they are measured": {"PixelSpacing": [0.1434, 0.1435]},
    "nothing": {},
}
