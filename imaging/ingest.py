"""From an upload to what is stored of it: scan, then de-identify or strip. The one way in for every kind of file."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from core.errors import IdentityKeyMissing
from core.sealing import SiteKey
from core.vocabulary import MediaKind
from imaging.dicom import DicomImage, scan_dicom
from imaging.header import Limits
from imaging.raster_scan import RasterImage, scan_jpeg, scan_png
from imaging.stored import Stored
from imaging.stored_dicom import stored_dicom
from imaging.stored_raster import stored_raster

Scanned = DicomImage | RasterImage


def scan(file: BinaryIO, kind: MediaKind, *, limits: Limits) -> Scanned:
    """What the pre-scan (`imaging.prescan`) checks, with where everything lies. Raises InputRejected subclasses only
    (and OSError from `file` itself). Of what is not `ended` only a decoder can tell whether it is whole.
    """
    if kind is MediaKind.DICOM:
        return scan_dicom(file, limits=limits)
    return (scan_png if kind is MediaKind.PNG else scan_jpeg)(file, limits=limits)


def to_store(
    file: BinaryIO, scanned: Scanned, *, key: SiteKey | None, limits: Limits, folder: Path | None = None
) -> Stored:
    """What to store of the scanned `file`; close it. Holds at most some megabytes of it at once.

    `key` is the Site's; `folder` takes a temporary file where one is needed. Raises InputRejected subclasses,
    IdentityKeyMissing for a DICOM file without a key, and OSError.
    """
    if isinstance(scanned, RasterImage):
        return stored_raster(file, scanned, limits=limits)
    if key is None:
        raise IdentityKeyMissing
    return stored_dicom(file, scanned, key=key, limits=limits, folder=folder)
