"""Decode once: preprocessed images as one memory-mapped uint8 array, kept under the content of the files.

In the cache folder there is a folder a preprocessing, and in it a pair of files a set of images: `<key>.npy`, and
`<key>.rows` with a line an image, its SHA-256 and `ok` or why it cannot be read. A set that is not there takes what it
can from the others of its folder and decodes the rest. While it is made its files end in `.partial`, and the lines are
written after the pixels: a run that follows a killed one goes on at its last line.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataInvalid, LucencyError
from imaging.decode import decode
from networks.preprocessing import Preprocessing, Window
from trainer.datasets import Record
from trainer.input_pipeline.content_hashes import content_hashes, locked

Progress = Callable[[int, int], None]
# Of the files' form; and of the decoders, whose pixels may change with a release.
FORMAT = 3
READ = "ok"
MISSING = "file_missing"
NO_CONTENT = "-"
# So many images are decoded between two lines to the disk: what a killed run loses at most.
CHUNK = 256


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that gave no image, and the wire code of why."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Images:
    """`pixels` (n, size, size, 1) uint8 of the records that could be read, in order, and those that could not."""

    pixels: NDArray[np.uint8]
    records: list[Record]
    unreadable: list[Unreadable]


def load_image(record: Record, preprocessing: Preprocessing) -> NDArray[np.uint8] | Unreadable:
    """(size, size, 1) uint8, by the same decoding and preprocessing as the worker's."""
    try:
        image = image_of(record.file.read_bytes(), preprocessing)
    except OSError:
        return Unreadable(record.name, MISSING)
    return Unreadable(record.name, image) if isinstance(image, str) else image


def window_of(record: Record, preprocessing: Preprocessing) -> Window:
    """The window that a readable record's radiograph covers in its preprocessed image. Raises what decoding raises."""
    pixels = decode(record.file.read_bytes(), longest_side=preprocessing.source_longest_side).pixels
    return preprocessing.apply(pixels)[1]


def image_of(data: bytes, preprocessing: Preprocessing) -> NDArray[np.uint8] | str:
    """(size, size, 1) uint8 of a DICOM, PNG or JPEG file's content, or the wire code of why it is none."""
    try:
        return preprocessing.apply(decode(data, longest_side=preprocessing.source_longest_side).pixels)[0]
    except LucencyError as error:
        return error.code


def load_images(
    records: Sequence[Record],
    preprocessing: Preprocessing,
    *,
    cache: Path,
    progress: Progress | None = None,
) -> Images:
    """All records decoded and preprocessed; from the folder `cache` where a file of that content was decoded before.

    `progress` takes how many images are done, and of how many. Any number of processes may share a cache: the second
    to ask for what is being made waits for it. Raises DataInvalid where the cache cannot be written, or a file changes
    under our hands.
    """
    hashes = content_hashes([record.file for record in records], cache=cache)
    key = hashlib.sha256("\n".join(digest or NO_CONTENT for digest in hashes).encode()).hexdigest()[:32]
    folder = cache / _folder_of(preprocessing)
    array_file, rows_file = folder / f"{key}.npy", folder / f"{key}.rows"
    if not rows_file.exists():
        try:
            with locked(folder):
                if not rows_file.exists():
                    _Maker(records, hashes, preprocessing, array_file, rows_file).make(progress)
        except OSError as error:
            raise DataInvalid(f"the cache {folder} cannot be written: {error.strerror or error}") from error
    codes = [code for _, code in _lines(rows_file)]
    good = [record for record, code in zip(records, codes, strict=True) if code == READ]
    bad = [Unreadable(record.name, code) for record, code in zip(records, codes, strict=True) if code != READ]
    pixels: NDArray[np.uint8] = np.load(array_file, mmap_mode="r")
    return Images(pixels=pixels[: len(good)], records=good, unreadable=bad)


class _Maker:
    """Makes one set's pair of files, under the folder's lock."""

    def __init__(
        self,
        records: Sequence[Record],
        hashes: Sequence[str | None],
        preprocessing: Preprocessing,
        array_file: Path,
        rows_file: Path,
    ) -> None:
        self._records, self._preprocessing = records, preprocessing
        self._hashes = [digest or NO_CONTENT for digest in hashes]
        self._array_file, self._rows_file = array_file, rows_file
        self._partial = array_file.with_name(f"{array_file.name}.partial")
        self._partial_rows = rows_file.with_name(f"{rows_file.name}.partial")
        # Of each content: where its pixels are, or why there are none.
        self._known: dict[str, tuple[NDArray[np.uint8], int] | str] = {NO_CONTENT: MISSING}

    def make(self, progress: Progress | None) -> None:
        """Raises OSError where the disk is full or the folder cannot be written, DataInvalid for changing files."""
        done = self._done_before()
        array = self._opened(fresh=not done)
        for file in sorted(self._rows_file.parent.glob("*.rows")):
            self._learn(np.load(file.with_suffix(".npy"), mmap_mode="r"), list(_lines(file)))
        filled = self._learn(array, done)
        position = len(done)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool, self._partial_rows.open("a") as rows:
            while position < len(self._hashes):
                chunk = self._hashes[position : position + CHUNK]
                self._decode(pool, position, chunk)
                filled = self._fill(array, filled, chunk)
                array.flush()
                rows.writelines(f"{digest} {self._code(digest)}\n" for digest in chunk)
                rows.flush()
                position += len(chunk)
                if progress is not None:
                    progress(position, len(self._hashes))
        self._known = {}
        del array
        self._partial.replace(self._array_file)
        self._partial_rows.replace(self._rows_file)

    def _done_before(self) -> list[tuple[str, str]]:
        """The lines of a killed run of this set; none where its two files are not what they should be."""
        if not self._partial.exists() or not self._partial_rows.exists():
            return []
        lines = list(_lines(self._partial_rows))
        if [digest for digest, _ in lines] != self._hashes[: len(lines)]:
            return []
        # A line that was cut off is not to stand before the next.
        self._partial_rows.write_text("".join(f"{digest} {code}\n" for digest, code in lines), encoding="utf-8")
        return lines

    def _opened(self, *, fresh: bool) -> np.memmap[Any, np.dtype[np.uint8]]:
        size = self._preprocessing.size
        shape = (len(self._records), size, size, 1)
        if not fresh:
            return np.lib.format.open_memmap(self._partial, mode="r+")
        self._partial_rows.unlink(missing_ok=True)
        array = np.lib.format.open_memmap(self._partial, mode="w+", dtype=np.uint8, shape=shape)
        # Without its place on the disk a full one would end this process by a signal at some later write.
        with self._partial.open("r+b") as stream:
            os.posix_fallocate(stream.fileno(), 0, self._partial.stat().st_size)
        return array

    def _learn(self, array: NDArray[np.uint8], lines: Iterable[tuple[str, str]]) -> int:
        """Keep in mind what a set holds; the number of its images."""
        filled = 0
        for digest, code in lines:
            if code != READ:
                self._known.setdefault(digest, code)
                continue
            self._known.setdefault(digest, (array, filled))
            filled += 1
        return filled

    def _decode(self, pool: ThreadPoolExecutor, start: int, chunk: Sequence[str]) -> None:
        """Decode each content of the chunk that is not known, once."""
        wanted = {digest: start + i for i, digest in enumerate(chunk) if digest not in self._known}
        images = pool.map(self._image, wanted.values())
        for digest, image in zip(wanted, images, strict=True):
            self._known[digest] = image if isinstance(image, str) else (image[np.newaxis], 0)

    def _image(self, position: int) -> NDArray[np.uint8] | str:
        record = self._records[position]
        try:
            data = record.file.read_bytes()
        except OSError as error:
            raise DataInvalid(f"{record.name} went away while it was read") from error
        if hashlib.sha256(data).hexdigest() != self._hashes[position]:
            raise DataInvalid(f"{record.name} changed while it was read")
        return image_of(data, self._preprocessing)

    def _fill(self, array: NDArray[np.uint8], filled: int, chunk: Sequence[str]) -> int:
        """Put the chunk's readable images behind the first `filled`; how many there are then."""
        for digest in chunk:
            found = self._known[digest]
            if isinstance(found, str):
                continue
            source, row = found
            array[filled] = source[row]
            # From here on it is in the array: the decoded image need not stay in memory.
            self._known[digest] = (array, filled)
            filled += 1
        return filled

    def _code(self, digest: str) -> str:
        found = self._known[digest]
        return found if isinstance(found, str) else READ


def _lines(rows_file: Path) -> Iterator[tuple[str, str]]:
    """(SHA-256, code) of each whole line."""
    for line in rows_file.read_text(encoding="utf-8").splitlines(keepends=True):
        digest, _, code = line.partition(" ")
        if not code.endswith("\n"):
            return
        yield digest, code.rstrip("\n")


def _folder_of(preprocessing: Preprocessing) -> str:
    return hashlib.sha256(f"{FORMAT} {preprocessing.model_dump_json()}".encode()).hexdigest()[:16]
