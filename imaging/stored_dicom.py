"""A DICOM file as it is stored: a new header, de-identified, before the pixel data as it came.

PS3.10 section 7.1 (file meta information), PS3.5 A.4 (encapsulation) and A.5 (deflated).
"""

from __future__ import annotations

import io
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from core import transfer_syntaxes as syntaxes
from core.errors import DicomTruncated
from core.sealing import SiteKey
from imaging.confidentiality import ACQUISITION_CONTEXT_SEQUENCE, Action, action, vr_of
from imaging.deidentify import Deidentifier, pseudonym
from imaging.dicom import DicomImage
from imaging.header import Header, Limits
from imaging.identity import (
    IDENTIFYING,
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    identity_of,
)
from imaging.stored import Piece, Stored, measured
from imaging.tree import Tree, TreeWalk, element_head, item_head, written
from imaging.walk import (
    BLOCK,
    ITEM,
    PIXEL_DATA,
    SEQUENCE_END,
    UNDEFINED,
    DeflatedSource,
    Encoding,
    FileSource,
    Source,
    Value,
)

# Names this software in the files that it wrote (PS3.7 D.3.3.2).
IMPLEMENTATION_CLASS_UID = "2.25.193837461120837460022934412736459182736"
IMPLEMENTATION_VERSION_NAME = "LUCENCY"
EXPLICIT_LITTLE = Encoding(implicit=False, big_endian=False)
# Level 6 of zlib: what it writes may change with its release; an Image is known by what came (`received_sha256`) too.
DEFLATE_LEVEL = 6


def stored_dicom(
    file: BinaryIO, image: DicomImage, *, key: SiteKey, limits: Limits, folder: Path | None = None
) -> Stored:
    """What to store of the scanned DICOM `file`; its pixel data is not read, but where the data set is deflated.

    `folder` is for the one temporary file that a deflated data set takes. Close the result. Raises as the scan does.
    """
    deflated = image.transfer_syntax == syntaxes.DEFLATED
    encoding = image.elements.encoding
    source = _source(file, image, limits)
    walk = TreeWalk(source, encoding, wants=_wants, limits=limits)
    walk.run()
    tree = Deidentifier(walk.tree, encoding, key).run()
    data_set = written(tree, encoding, _written_vr)
    meta = file_meta(tree, image.transfer_syntax)
    made: BinaryIO | None = None
    pieces: tuple[Piece, ...]
    if deflated:
        made, length = _deflated(source, data_set, image, folder)
        pieces = (meta, (0, length))
    else:
        pieces = (meta + data_set, *_pixels(image))
    size, sha256 = measured(made or file, pieces)
    return Stored(
        header=_header(image, tree),
        pieces=pieces,
        size=size,
        sha256=sha256,
        identity=identity_of(walk.tree),
        patient=pseudonym(_text(walk.tree, PATIENT_ID), key),
        made=made,
    )


def _wants(tag: int) -> bool:
    wanted = tag in IDENTIFYING or tag == ACQUISITION_CONTEXT_SEQUENCE
    return wanted or action(tag, sop_class=None) is not Action.REMOVE


def _written_vr(tag: int) -> bytes:
    """For sequences that UN of undefined length hid: what is in them has no value representation of its own."""
    return (vr_of(tag) or "UN")[:2].encode()


def _source(file: BinaryIO, image: DicomImage, limits: Limits) -> Source:
    size = file.seek(0, io.SEEK_END)
    file.seek(image.data_set_start)
    if image.transfer_syntax == syntaxes.DEFLATED:
        return DeflatedSource(file, limit=limits.inflated_bytes)
    return FileSource(file, size=size)


def _text(tree: Tree, tag: int) -> str:
    node = tree.get(tag)
    return node.data.decode("latin-1").strip(" \0") if isinstance(node, Value) else ""


def _header(image: DicomImage, tree: Tree) -> Header:
    """The scanned header with the UIDs of the stored instance."""
    return replace(
        image.header,
        sop_instance_uid=_text(tree, SOP_INSTANCE_UID) or None,
        study_instance_uid=_text(tree, STUDY_INSTANCE_UID) or None,
        series_instance_uid=_text(tree, SERIES_INSTANCE_UID) or None,
    )


def file_meta(tree: Tree, syntax: str) -> bytes:
    """An empty preamble and new file meta information (E.1.1: nothing of the old may stay)."""
    values = {
        0x00020001: (b"OB", b"\0\1"),
        0x00020002: (b"UI", _text(tree, SOP_CLASS_UID).encode()),
        0x00020003: (b"UI", _text(tree, SOP_INSTANCE_UID).encode()),
        0x00020010: (b"UI", syntax.encode()),
        0x00020012: (b"UI", IMPLEMENTATION_CLASS_UID.encode()),
        0x00020013: (b"SH", IMPLEMENTATION_VERSION_NAME.encode()),
    }
    pads = {b"UI": b"\0", b"SH": b" ", b"OB": b""}
    elements = b""
    for tag, (vr, value) in values.items():
        if value:
            padded = value + pads[vr] * (len(value) % 2)
            elements += element_head(tag, vr, len(padded), EXPLICIT_LITTLE) + padded
    length = len(elements).to_bytes(4, "little")
    return bytes(128) + b"DICM" + element_head(0x00020000, b"UL", 4, EXPLICIT_LITTLE) + length + elements


def _pixel_vr(image: DicomImage) -> bytes:
    """OB or OW as the file says; for one that says neither, what PS3.5 A.2 asks for."""
    found = image.elements.pixel_vr
    if image.transfer_syntax in syntaxes.ENCAPSULATED:
        return b"OB"
    return found if found in (b"OB", b"OW") else (b"OW" if image.bits_allocated > 8 else b"OB")


def _pixels(image: DicomImage) -> list[Piece]:
    """The Pixel Data element: its one frame as it came, and nothing that stood around it."""
    encoding, vr = image.elements.encoding, _pixel_vr(image)
    if image.transfer_syntax not in syntaxes.ENCAPSULATED:
        ((start, length),) = image.pixel_ranges
        odd = length % 2
        return [element_head(PIXEL_DATA, vr, length + odd, encoding), (start, length), bytes(odd)]
    pieces: list[Piece] = [element_head(PIXEL_DATA, vr, UNDEFINED, encoding) + item_head(ITEM, 0)]
    for start, length in image.pixel_ranges:
        odd = length % 2
        pieces += [item_head(ITEM, length + odd), (start, length), bytes(odd)]
    return [*pieces, item_head(SEQUENCE_END, 0)]


def _deflated(source: Source, data_set: bytes, image: DicomImage, folder: Path | None) -> tuple[BinaryIO, int]:
    """The data set and the pixel data that `source` stands at, deflated into a nameless file; its length."""
    ((_start, length),) = image.pixel_ranges
    made = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 — the caller's to close
    try:
        deflater = zlib.compressobj(DEFLATE_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
        odd = length % 2
        head = element_head(PIXEL_DATA, _pixel_vr(image), length + odd, image.elements.encoding)
        made.write(deflater.compress(data_set + head))
        left = length
        while left:
            block = source.read(min(left, BLOCK))
            if not block:
                raise DicomTruncated
            made.write(deflater.compress(block))
            left -= len(block)
        made.write(deflater.compress(bytes(odd)) + deflater.flush())
        end = made.tell()
        # PS3.5 A.5: a stream of odd length is followed by a null.
        made.write(bytes(end % 2))
    except BaseException:
        made.close()
        raise
    return made, end + end % 2
