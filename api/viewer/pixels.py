"""A radiograph's pixels on their way out: from the store through a decoder process, never as a whole in this one."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO
from uuid import UUID

import anyio.to_thread

from api.backends import Backends
from core.errors import DiskFull, InputIntegrity, ObjectMissing
from core.vocabulary import MediaKind
from imaging.display import PLAIN, DisplayAttributes, display_attributes
from imaging.first_bytes import header_of
from imaging.header import Limits
from storage.pictures import spooled
from storage.store import image_key

PIECE_BYTES = 256 * 1024
# Of real CR images the fastest level leaves 30 to 90 % at some 90 MB/s: it pays on links up to some 400 Mbit/s.
GZIP_LEVEL = 1
GZIP_FORMAT = 31


@dataclass(frozen=True, slots=True)
class StoredImage:
    """Which object is meant, and what it is."""

    site_id: UUID
    sha256: str
    size_bytes: int
    media_kind: MediaKind


@dataclass(frozen=True, slots=True)
class Pixels:
    """Decoded values in a nameless file, and what describes them (`imaging.depth`)."""

    fields: dict[str, int | float | bool]
    file: BinaryIO
    size: int

    @property
    def headers(self) -> dict[str, str]:
        """`Lucency-Rows` and so on."""
        return {
            f"Lucency-{name.capitalize()}": str(value).lower() if isinstance(value, bool) else f"{value:.10g}"
            for name, value in self.fields.items()
        }

    def pieces(self, *, gzip: bool) -> Iterator[bytes]:
        """All bytes; the file is closed when the last is taken, or when nobody wants more."""
        with closing(self.file) as file:
            squeeze = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, GZIP_FORMAT) if gzip else None
            while piece := file.read(PIECE_BYTES):
                made = squeeze.compress(piece) if squeeze is not None else piece
                if made:
                    yield made
            if squeeze is not None:
                yield squeeze.flush()


async def decoded(backends: Backends, image: StoredImage) -> Pixels:
    """Fetch and decode. Raises InputIntegrity, StoreUnavailable, DiskFull, and what decoding raises."""
    source = await anyio.to_thread.run_sync(_fetched, backends, image, limiter=backends.limiters.store)
    with closing(source):
        return await backends.drawing.run(_decoded, backends, source)


def _fetched(backends: Backends, image: StoredImage) -> BinaryIO:
    key = image_key(image.site_id, image.sha256)
    return spooled(backends.store, key, folder=backends.settings.temporary_folder)


def _decoded(backends: Backends, source: BinaryIO) -> Pixels:
    target = _temporary(backends)
    try:
        size = source.seek(0, os.SEEK_END)
        source.seek(0)
        fields = backends.decoders.depth(source, size=size, target=target)
        size = target.tell()
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return Pixels(fields, target, size)


def _temporary(backends: Backends) -> BinaryIO:
    try:
        return tempfile.TemporaryFile(dir=backends.settings.temporary_folder)
    except OSError as error:
        raise DiskFull from error


def read_display_attributes(backends: Backends, image: StoredImage) -> DisplayAttributes:
    """From the first bytes of a DICOM file; PNG and JPEG state nothing. Raises InputIntegrity, StoreUnavailable."""
    if image.media_kind is not MediaKind.DICOM:
        return PLAIN
    key = image_key(image.site_id, image.sha256)

    def first(size: int) -> bytes:
        return b"".join(backends.store.read(key, length=size))

    try:
        header = header_of(first, size=image.size_bytes, limits=Limits.of(backends.settings))
    except ObjectMissing as error:
        raise InputIntegrity from error
    return display_attributes(header.tree)
