"""Decode once: preprocessed images as one memory-mapped uint8 array, kept under the content of the files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import LucencyError
from imaging.decode import decode
from networks.preprocessing import Preprocessing
from trainer.datasets import Record

Progress = Callable[[int, int], None]


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
        radiograph = decode(record.file.read_bytes(), longest_side=preprocessing.source_longest_side)
    except OSError:
        return Unreadable(record.name, "file_missing")
    except LucencyError as error:
        return Unreadable(record.name, error.code)
    return preprocessing.apply(radiograph.pixels)[0]


def load_images(
    records: Sequence[Record],
    preprocessing: Preprocessing,
    *,
    cache: Path,
    progress: Progress | None = None,
) -> Images:
    """All records decoded and preprocessed; from `cache` (a folder) where the same files were decoded before.

    The key covers the content of every file, their order and the preprocessing: a changed file is never served stale.
    """
    key = _key(records, preprocessing)
    array_file, index_file = cache / f"{key}.npy", cache / f"{key}.json"
    if not index_file.exists():
        _decode_into(array_file, index_file, records, preprocessing, progress=progress)
    index = json.loads(index_file.read_text(encoding="utf-8"))
    bad = {entry["position"]: Unreadable(records[entry["position"]].name, entry["code"]) for entry in index}
    pixels = np.load(array_file, mmap_mode="r")
    good = [record for position, record in enumerate(records) if position not in bad]
    return Images(pixels=pixels[: len(good)], records=good, unreadable=list(bad.values()))


def _decode_into(
    array_file: Path,
    index_file: Path,
    records: Sequence[Record],
    preprocessing: Preprocessing,
    *,
    progress: Progress | None,
) -> None:
    """Readable images one after another into the array; the index, written last, makes the pair valid."""
    array_file.parent.mkdir(parents=True, exist_ok=True)
    partial = array_file.with_suffix(f".{os.getpid()}.partial")
    shape = (len(records), preprocessing.size, preprocessing.size, 1)
    array = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=shape)
    bad, filled = [], 0
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for position, image in enumerate(pool.map(lambda record: load_image(record, preprocessing), records)):
            if isinstance(image, Unreadable):
                bad.append({"position": position, "code": image.code})
            else:
                array[filled] = image
                filled += 1
            if progress is not None:
                progress(position + 1, len(records))
    array.flush()
    del array
    partial.replace(array_file)
    partial_index = index_file.with_suffix(f".{os.getpid()}.partial")
    partial_index.write_text(json.dumps(bad), encoding="utf-8")
    partial_index.replace(index_file)


def _key(records: Sequence[Record], preprocessing: Preprocessing) -> str:
    digest = hashlib.sha256(preprocessing.model_dump_json().encode())
    for record in records:
        try:
            with record.file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
        except OSError:
            digest.update(b"missing")
    return digest.hexdigest()[:32]
