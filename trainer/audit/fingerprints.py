"""What an audit knows of one image file: digests of bytes and pixels, a thumbnail, cheap facts about the picture."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import LucencyError
from imaging.decode import decode
from trainer.audit.appearance import thumbnail

# Raised with every change of what a fingerprint holds: what a cache kept of an older version is thrown away.
VERSION = 5
# Pixels are compared at most this large: DICOM and camera files are 100 times larger, and no more distinct.
LONGEST_SIDE = 512
# The share of the picture's side that its border is looked for in, and the grey level up to which it is blank.
BORDER = 0.04
BLANK = 4


@dataclass(frozen=True, slots=True)
class Facts:
    """Cheap facts that must not tell the label. `blank` is the share of pixels at most BLANK grey levels from black,
    `border` that of the outermost BORDER of each side, `corners` that of the four corner triangles; `brightness` and
    `contrast` are mean and standard deviation of the grey levels, `size` is the file's in bytes.
    """

    media_kind: str
    rows: int
    columns: int
    bits: int
    size: int
    brightness: float
    contrast: float
    blank: float
    border: float
    corners: float


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """One file. `sha256` is of its bytes, `pixels` of its decoded pixels (at most LONGEST_SIDE), `turned` the smallest
    of the digests of their eight rotations by 90° and mirror images: equal for lossless turns. An unreadable file has
    only a `code`, the wire code of why, and the digest of its bytes (None where it could not be opened).
    """

    sha256: str | None
    code: str | None = None
    pixels: str | None = None
    turned: str | None = None
    facts: Facts | None = None
    thumb: NDArray[np.uint8] | None = None

    @property
    def readable(self) -> bool:
        return self.code is None


def fingerprint(file: Path) -> Fingerprint:
    """Read, decode (as the worker does) and describe `file`. Raises nothing that a damaged file causes."""
    try:
        data = file.read_bytes()
    except OSError:
        return Fingerprint(sha256=None, code="file_missing")
    return described(data, hashlib.sha256(data).hexdigest())


def described(data: bytes, sha256: str) -> Fingerprint:
    """The fingerprint of a file's content."""
    try:
        radiograph = decode(data, longest_side=LONGEST_SIDE)
    except LucencyError as error:
        return Fingerprint(sha256=sha256, code=error.code)
    pixels = radiograph.pixels
    return Fingerprint(
        sha256=sha256,
        pixels=_digest(pixels),
        turned=min(_digest(view) for view in _least_views(pixels)),
        thumb=thumbnail(pixels),
        facts=Facts(
            media_kind=str(radiograph.media_kind),
            rows=radiograph.rows,
            columns=radiograph.columns,
            bits=radiograph.bits_stored,
            size=len(data),
            brightness=float(pixels.mean()),
            contrast=float(pixels.std()),
            **_blank(pixels),
        ),
    )


def _least_views(pixels: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Those of the eight rotations by 90° and mirror images whose sums of rows and of columns come first in order:
    one, but for symmetric pictures. All views of one picture give the same ones.
    """
    rows = pixels.sum(axis=1, dtype=np.int64).tolist()
    columns = pixels.sum(axis=0, dtype=np.int64).tolist()
    views = []
    for view, down, across in ((pixels, rows, columns), (pixels.T, columns, rows)):
        for up in (False, True):
            for left in (False, True):
                key = (down[::-1] if up else down, across[::-1] if left else across)
                views.append((key, view[:: -1 if up else 1, :: -1 if left else 1]))
    least = min(key for key, _ in views)
    return [view for key, view in views if key == least]


def _digest(pixels: NDArray[np.uint8]) -> str:
    # The shape counts: a row of 6 pixels is no 2 × 3 picture.
    digest = hashlib.sha256(f"{pixels.shape[0]}x{pixels.shape[1]}:".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def _blank(pixels: NDArray[np.uint8]) -> dict[str, float]:
    blank = pixels <= BLANK
    rows, columns = blank.shape
    whole = int(np.count_nonzero(blank))
    edge_rows, edge_columns = max(1, round(BORDER * rows)), max(1, round(BORDER * columns))
    inner = blank[edge_rows : rows - edge_rows, edge_columns : columns - edge_columns]
    return {
        "blank": whole / blank.size,
        "border": (whole - int(np.count_nonzero(inner))) / max(1, blank.size - inner.size),
        "corners": _blank_corners(blank),
    }


def _blank_corners(blank: NDArray[np.bool_]) -> float:
    """Of the triangles an eighth of each side wide: a turned picture leaves them blank."""
    rows, columns = max(1, blank.shape[0] // 8), max(1, blank.shape[1] // 8)
    triangle = np.arange(rows)[:, None] / rows + np.arange(columns)[None, :] / columns < 1
    corners = (view[:rows, :columns][triangle] for view in (blank, blank[::-1], blank[:, ::-1], blank[::-1, ::-1]))
    return float(np.mean([corner.mean() for corner in corners]))
