"""Look at an upload before anything is decoded: in bounded time and memory, in code of our own.

The API runs this on every upload; the decoder runs it again on what it is given.
"""

from __future__ import annotations

from typing import BinaryIO

from core.vocabulary import MediaKind
from imaging.dicom import scan_dicom
from imaging.header import Header, Limits
from imaging.raster_scan import scan_jpeg, scan_png

__all__ = ["Header", "Limits", "prescan"]


def prescan(file: BinaryIO, kind: MediaKind, *, limits: Limits) -> Header:
    """What the header of the seekable `file` says, once everything that needs no decoding was checked.

    Whether compressed pixels without an end marker are whole needs decoding (`imaging.ingest.scan` says where).
    Holds at most a few hundred kilobytes of the file at once. Raises subclasses of InputRejected only (and OSError from
    `file` itself). The position of `file` afterwards is undefined.
    """
    if kind is MediaKind.DICOM:
        return scan_dicom(file, limits=limits).header
    return (scan_png if kind is MediaKind.PNG else scan_jpeg)(file, limits=limits).header
