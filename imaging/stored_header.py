"""The header of a stored DICOM file, whole: for metadata, for bulk data, and to write it in another transfer syntax.

What is read here was checked by the pre-scan and written by the intake; its bounds are kept all the same: our own walk
finds the pixel data first, and pydicom is given no byte beyond it.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom import config, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_file_meta_info
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from core.errors import DicomInvalid, DicomTruncated
from imaging import syntaxes
from imaging.dicom import transfer_syntax_of
from imaging.header import Limits
from imaging.walk import DeflatedSource, Encoding, FileSource, Source, Walk

PREFIX_BYTES = 132
PIXEL_DATA = 0x7FE00010
WANTED: frozenset[int] = frozenset()

# A value longer than its VR allows is shown as it is; there is nobody to warn.
config.settings.reading_validation_mode = config.IGNORE


@dataclass(frozen=True, slots=True)
class StoredHeader:
    """All elements before the pixel data; `pixel_vr` is the one that the pixel data has or, implicit, would have."""

    elements: Dataset
    meta: FileMetaDataset
    transfer_syntax: str
    pixel_vr: str
    has_pixels: bool = True


def read_header(file: BinaryIO, *, limits: Limits) -> StoredHeader:
    """The header of the seekable `file`, which may end anywhere after it. Raises DicomTruncated where it ends before,
    DicomInvalid, DecompressedTooLarge.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(PREFIX_BYTES)
    syntax = transfer_syntax_of(file, size=size, limits=limits)
    start = file.tell()
    encoding = Encoding(implicit=syntax == syntaxes.IMPLICIT, big_endian=syntax == syntaxes.BIG_ENDIAN)
    found = Walk(_source(file, syntax, size, limits), encoding, wanted=WANTED, limits=limits).run()
    if found.pixel_position is None:
        raise DicomTruncated
    file.seek(0)
    meta = dcmread(io.BytesIO(file.read(start)), stop_before_pixels=True).file_meta
    file.seek(start)
    length = found.pixel_position - (0 if syntax == syntaxes.DEFLATED else start)
    raw = _source(file, syntax, size, limits).read(length)
    elements = read_dataset(
        io.BytesIO(raw), is_implicit_VR=encoding.implicit, is_little_endian=not encoding.big_endian,
        bytelength=length - (8 if encoding.implicit else 12),
    )  # fmt: skip
    return StoredHeader(elements, meta, syntax, (found.pixel_vr or b"OW").decode())


def own_header(content: bytes) -> StoredHeader:
    """The header of a file of our own, in memory as a whole, which may have no pixel data."""
    found = dcmread(io.BytesIO(content))
    vr = found["PixelData"].VR if "PixelData" in found else ""
    if vr:
        del found.PixelData
    return StoredHeader(found, found.file_meta, found.file_meta.TransferSyntaxUID, vr, has_pixels=bool(vr))


def _source(file: BinaryIO, syntax: str, size: int, limits: Limits) -> Source:
    if syntax == syntaxes.DEFLATED:
        return DeflatedSource(file, limit=limits.inflated_bytes)
    return FileSource(file, size=size)


def explicit_header(header: StoredHeader, *, photometric: str, pixel_bytes: int) -> bytes:
    """The start of the same instance as a file in Explicit VR Little Endian, up to and with the head of its pixel data
    of `pixel_bytes` (even): the values follow, nothing else.

    `photometric` is what they are in; colour is by pixel (PS3.5 section 8.2).
    """
    elements = Dataset()
    elements.update(header.elements)
    elements.PhotometricInterpretation = photometric
    if int(elements.get("SamplesPerPixel", 1)) > 1:
        elements.PlanarConfiguration = 0
    meta = FileMetaDataset()
    meta.update(header.meta)
    meta.TransferSyntaxUID = syntaxes.EXPLICIT
    target = io.BytesIO()
    target.write(bytes(128) + b"DICM")
    write_file_meta_info(target, meta, enforce_standard=True)
    body = io.BytesIO()
    elements.save_as(body, implicit_vr=False, little_endian=True, enforce_file_format=False)
    target.write(body.getvalue())
    value_representation = b"OW" if int(elements.get("BitsAllocated", 16)) > 8 else b"OB"
    target.write(b"\xe0\x7f\x10\x00" + value_representation + b"\0\0" + pixel_bytes.to_bytes(4, "little"))
    return target.getvalue()


def bulk_value(header: StoredHeader, path: str) -> bytes:
    """The bytes of the element at `path`: tags of 8 hexadecimal digits, and between them the number of the item, from
    1: `00283010/1/00283006`. Raises DicomInvalid where there is none.
    """
    found: object = header.elements
    for step in path.split("/"):
        if isinstance(found, Dataset) and len(step) == 8 and _is_hexadecimal(step) and Tag(int(step, 16)) in found:
            found = found[Tag(int(step, 16))].value
        elif isinstance(found, Sequence) and step.isascii() and step.isdecimal() and 1 <= int(step) <= len(found):
            found = found[int(step) - 1]
        else:
            raise DicomInvalid("The instance has no such bulk data")
    if not isinstance(found, bytes):
        raise DicomInvalid("The element is no bulk data")
    return found


def pixel_value(content: bytes) -> bytes:
    """The native pixel data of a file of our own, in memory as a whole. Raises DicomInvalid where it has none."""
    found = dcmread(io.BytesIO(content))
    if "PixelData" not in found:
        raise DicomInvalid("The instance has no pixel data")
    return bytes(found.PixelData)


def colour_pixels(content: bytes) -> NDArray[np.uint8]:
    """(h, w, 3) RGB of a Secondary Capture of our own. Raises DicomInvalid where the file has no pixel data."""
    found = dcmread(io.BytesIO(content), stop_before_pixels=True)
    values = np.frombuffer(pixel_value(content), np.uint8)
    rows, columns = int(found.Rows), int(found.Columns)
    return values[: rows * columns * 3].reshape(rows, columns, 3)


def _is_hexadecimal(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)
