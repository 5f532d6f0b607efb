"""The bytes of instances, frames and pictures on their way out: streamed, and never as a whole in this process."""

from __future__ import annotations

import io
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from typing import BinaryIO, TypeVar

import anyio
import anyio.to_thread

from api.backends import Backends
from api.dicomweb.instances import Instance, Produced
from api.dicomweb.negotiation import Form
from core.errors import DicomInvalid, DiskFull, InputIntegrity, NotFound, ObjectMissing, ResultNotReady
from db.repositories import results
from db.repositories.sites import Principal
from imaging.decode_requests import PictureRequest
from imaging.dicom import scan_dicom
from imaging.first_bytes import header_of
from imaging.header import Limits
from imaging.picture import encoded
from imaging.stored_header import StoredHeader, bulk_value, colour_pixels, explicit_header, pixel_value, read_header
from reports.render import render
from storage.store import image_key

PIECE_BYTES = 256 * 1024
PIXEL_DATA = "7FE00010"
Got = TypeVar("Got")


class Bodies:
    """One caller's reader of instances."""

    def __init__(self, backends: Backends, principal: Principal) -> None:
        self._backends = backends
        self._principal = principal
        self._limits = Limits.of(backends.settings)

    async def header(self, instance: Instance) -> StoredHeader:
        """All attributes of the instance but its pixel data. Raises InputIntegrity, StoreUnavailable."""
        if instance.produced is not None:
            content = await self._made(instance.produced)
            return await self._thread(lambda: read_header(io.BytesIO(content), limits=self._limits, pixels=False))
        return await self._thread(lambda: self._stored_header(instance), self._backends.limiters.store)

    def _stored_header(self, instance: Instance) -> StoredHeader:
        def first(size: int) -> bytes:
            return b"".join(self._read(instance, length=size))

        return header_of(first, size=instance.stored.size_bytes, limits=self._limits)

    async def file(self, instance: Instance, form: Form) -> AsyncIterator[bytes]:
        """The instance as a DICOM file in the transfer syntax of `form`."""
        if instance.produced is not None:
            yield await self._made(instance.produced)
        elif not form.decoded:
            async for piece in self._pieces(self._read(instance)):
                yield piece
        else:
            async with self._spooled(instance) as file, self._temporary() as values:
                head = await self._backends.drawing.run(self._decode, file, values)
                yield head
                async for piece in self._pieces(_file_pieces(values)):
                    yield piece
                if values.tell() % 2:
                    yield b"\0"

    async def frame(self, instance: Instance, form: Form) -> AsyncIterator[bytes]:
        """The instance's one frame: its stored values, or its codestream."""
        if instance.produced is not None:
            yield await self.value(instance, PIXEL_DATA)
            return
        async with self._spooled(instance) as file:
            if form.decoded:
                async with self._temporary() as values:
                    await self._backends.drawing.run(self._values, file, values)
                    async for piece in self._pieces(_file_pieces(values)):
                        yield piece
                return
            image = await self._thread(lambda: scan_dicom(file, limits=self._limits), self._backends.limiters.prescan)
            for start, length in image.pixel_ranges:
                async for piece in self._pieces(_file_pieces(file, start=start, length=length)):
                    yield piece

    async def picture(self, instance: Instance, request: PictureRequest) -> bytes:
        """The frame as an encoded picture. Raises DicomInvalid for a window or part that is none."""
        if instance.produced is not None:
            content = await self._made(instance.produced)
            return await self._backends.drawing.run(
                lambda: encoded(colour_pixels(content, limits=self._limits), request)
            )
        async with self._spooled(instance) as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            return await self._backends.drawing.run(lambda: self._backends.decoders.picture(file, request, size=size))

    # --- What they are made of ----------------------------------------------------------------------------------

    async def value(self, instance: Instance, path: str) -> bytes:
        """The binary value at `path` (`bulk_value`'s), of what is made here its pixels too. Raises NotFound."""
        try:
            if path == PIXEL_DATA and instance.produced is not None:
                content = await self._made(instance.produced)
                return await self._thread(lambda: pixel_value(content, limits=self._limits))
            return bulk_value(await self.header(instance), path)
        except DicomInvalid as error:
            raise NotFound(error.detail) from error

    async def _made(self, produced: Produced) -> bytes:
        """A result's DICOM form, made anew: the same bytes each time."""
        return await self._backends.drawing.run(self._make, produced)

    def _make(self, produced: Produced) -> bytes:
        with self._backends.database.unit_of_work(site_id=self._principal.site_id) as session:
            try:
                record = results.record(session, site_id=self._principal.site_id, job_id=produced.job_id)
            except ResultNotReady as error:
                raise NotFound from error
        return render(produced.kind, record, self._backends.pictures.fetch(record)).content

    def _decode(self, file: BinaryIO, values: BinaryIO) -> bytes:
        """Write the stored values; the head of the file that they belong to."""
        header = read_header(file, limits=self._limits)
        photometric = self._values(file, values)
        size = values.tell()
        return explicit_header(header, photometric=photometric, pixel_bytes=size + size % 2)

    def _values(self, file: BinaryIO, values: BinaryIO) -> str:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        return self._backends.decoders.frame(file, size=size, target=values)

    def _read(self, instance: Instance, *, length: int | None = None) -> Iterator[bytes]:
        key = image_key(self._principal.site_id, instance.stored.sha256)
        try:
            yield from self._backends.store.read(key, length=length)
        except ObjectMissing as error:
            raise InputIntegrity from error

    @asynccontextmanager
    async def _spooled(self, instance: Instance) -> AsyncIterator[BinaryIO]:
        """The instance as a nameless file, at its start."""
        async with self._temporary() as file:
            async for piece in self._pieces(self._read(instance)):
                try:
                    file.write(piece)
                except OSError as error:
                    raise DiskFull from error
            file.seek(0)
            yield file

    @asynccontextmanager
    async def _temporary(self) -> AsyncIterator[BinaryIO]:
        try:
            file = tempfile.TemporaryFile(dir=self._backends.settings.temporary_folder)  # noqa: SIM115
        except OSError as error:
            raise DiskFull from error
        with closing(file):
            yield file

    async def _pieces(self, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
        try:
            while piece := await anyio.to_thread.run_sync(next, pieces, b"", limiter=self._backends.limiters.store):
                yield piece
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    async def _thread(self, do: Callable[[], Got], limiter: anyio.CapacityLimiter | None = None) -> Got:
        return await anyio.to_thread.run_sync(do, limiter=limiter)


def _file_pieces(file: BinaryIO, *, start: int = 0, length: int | None = None) -> Iterator[bytes]:
    file.seek(start)
    left = length
    while left is None or left > 0:
        piece = file.read(PIECE_BYTES if left is None else min(PIECE_BYTES, left))
        if not piece:
            return
        left = None if left is None else left - len(piece)
        yield piece
