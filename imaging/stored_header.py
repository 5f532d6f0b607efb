"""The header of a stored DICOM file, whole: for metadata, for bulk data, and to write it in another transfer syntax.

What is read here was checked by the pre-scan and written by the intake; it is read by the same bounded walk.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from core import transfer_syntaxes as syntaxes
from core.errors import DicomInvalid, DicomTruncated
from imaging.dicom import transfer_syntax_of
from imaging.dictionary import vrs
from imaging.header import Limits
from imaging.stored_dicom import file_meta
from imaging.tree import Tree, TreeWalk, element_head, written
from imaging.walk import DeflatedSource, Encoding, FileSource, Source, Value

PREFIX_BYTES = 132
SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, PLANAR_CONFIGURATION = 0x00280002, 0x00280004, 0x00280006
ROWS, COLUMNS, BITS_ALLOCATED, LUT_DATA = 0x00280010, 0x00280011, 0x00280100, 0x00283006
PIXEL_DATA = 0x7FE00010
EXPLICIT_LITTLE = Encoding(implicit=False, big_endian=False)
# How many bytes of a value are one number, where they are more than one.
NUMBER_BYTES = {
    **dict.fromkeys((b"US", b"SS", b"OW", b"AT"), 2),
    **dict.fromkeys((b"UL", b"SL", b"FL", b"OL", b"OF"), 4),
    **dict.fromkeys((b"FD", b"OD", b"SV", b"UV", b"OV"), 8),
}


@dataclass(frozen=True, slots=True)
class StoredHeader:
    """All elements before the pixel data, as Explicit VR Little Endian has them.

    `pixel_vr`: of the pixel data, empty where there is none. `pixel_range`: its start and length in the data set; None
    where it is encapsulated or absent.
    """

    tree: Tree
    transfer_syntax: str
    pixel_vr: str
    pixel_range: tuple[int, int] | None


def read_header(file: BinaryIO, *, limits: Limits, pixels: bool = True) -> StoredHeader:
    """The header of the seekable `file`, which may end anywhere after it; without `pixels` it may have no pixel data.

    Raises DicomTruncated where it ends before, DicomInvalid, DecompressedTooLarge.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(PREFIX_BYTES)
    syntax = transfer_syntax_of(file, size=size, limits=limits)
    encoding = Encoding(implicit=syntax == syntaxes.IMPLICIT, big_endian=syntax == syntaxes.BIG_ENDIAN)
    source: Source = FileSource(file, size=size)
    if syntax == syntaxes.DEFLATED:
        source = DeflatedSource(file, limit=limits.inflated_bytes)
    walk = TreeWalk(source, encoding, wants=lambda tag: tag & 0xFFFF != 0, limits=limits)
    found = walk.run()
    if found.pixel_position is None and pixels:
        raise DicomTruncated
    vr = "" if found.pixel_position is None else (found.pixel_vr or b"OW").decode()
    where = None
    if found.pixel_position is not None and found.pixel_length is not None:
        where = found.pixel_position, found.pixel_length
    return StoredHeader(_explicit(walk.tree, encoding), syntax, vr, where)


def _explicit(tree: Tree, encoding: Encoding) -> Tree:
    """The same elements with their value representations, numbers little endian."""
    made: Tree = {}
    for tag, node in tree.items():
        if isinstance(node, list):
            made[tag] = [_explicit(item, encoding) for item in node]
            continue
        vr = node.vr or _dictionary_vr(tag)
        data = node.data
        if encoding.big_endian and (width := NUMBER_BYTES.get(vr)) is not None and len(data) % width == 0:
            data = np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()
        made[tag] = Value(vr, data)
    return made


def _dictionary_vr(tag: int) -> bytes:
    """The first of a tag's value representations, for LUT Data the one that holds any length."""
    return b"OW" if tag == LUT_DATA else vrs().get(tag, "UN")[:2].encode()


def explicit_header(header: StoredHeader, *, photometric: str, pixel_bytes: int) -> bytes:
    """The start of the same instance as a file in Explicit VR Little Endian, up to and with the head of its pixel data
    of `pixel_bytes` (even): the values follow, nothing else.

    `photometric` is what they are in; colour is by pixel (PS3.5 section 8.2).
    """
    tree = {tag: node for tag, node in header.tree.items() if tag < PIXEL_DATA}
    tree[PHOTOMETRIC_INTERPRETATION] = Value(b"CS", (photometric + " " * (len(photometric) % 2)).encode())
    if number(header.tree, SAMPLES_PER_PIXEL, 1) > 1:
        tree[PLANAR_CONFIGURATION] = Value(b"US", b"\0\0")
    vr = b"OW" if number(header.tree, BITS_ALLOCATED, 16) > 8 else b"OB"
    head = element_head(PIXEL_DATA, vr, pixel_bytes, EXPLICIT_LITTLE)
    return file_meta(tree, syntaxes.EXPLICIT) + written(tree, EXPLICIT_LITTLE, _dictionary_vr) + head


def number(tree: Tree, tag: int, default: int) -> int:
    """The first value of a US element."""
    node = tree.get(tag)
    return int.from_bytes(node.data[:2], "little") if isinstance(node, Value) and len(node.data) >= 2 else default


def bulk_value(header: StoredHeader, path: str) -> bytes:
    """The bytes of the element at `path`: tags of 8 hexadecimal digits, and between them the number of the item, from
    1: `00283010/1/00283006`. Raises DicomInvalid where there is none.
    """
    found: Tree | list[Tree] | Value | None = header.tree
    for step in path.split("/"):
        if isinstance(found, dict) and len(step) == 8 and _is_hexadecimal(step):
            found = found.get(int(step, 16))
        elif isinstance(found, list) and step.isascii() and step.isdecimal() and 1 <= int(step[:9]) <= len(found):
            found = found[int(step) - 1]
        else:
            found = None
    if not isinstance(found, Value) or found.vr not in (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"):
        raise DicomInvalid("The instance has no such bulk data")
    return found.data


def pixel_value(content: bytes, *, limits: Limits) -> bytes:
    """The native pixel data of a file of our own, in memory as a whole. Raises DicomInvalid where it has none."""
    found = read_header(io.BytesIO(content), limits=limits, pixels=False)
    if found.pixel_range is None:
        raise DicomInvalid("The instance has no pixel data")
    start, length = found.pixel_range
    return content[start : start + length]


def colour_pixels(content: bytes, *, limits: Limits) -> NDArray[np.uint8]:
    """(h, w, 3) RGB of a Secondary Capture of our own. Raises DicomInvalid where the file has no pixel data."""
    tree = read_header(io.BytesIO(content), limits=limits, pixels=False).tree
    values = np.frombuffer(pixel_value(content, limits=limits), np.uint8)
    rows, columns = number(tree, ROWS, 0), number(tree, COLUMNS, 0)
    return values[: rows * columns * 3].reshape(rows, columns, 3)


def _is_hexadecimal(text: str) -> bool:
    return all(sign in "0123456789abcdefABCDEF" for sign in text)
