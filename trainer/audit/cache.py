"""Fingerprints and confirmed comparisons, kept between audits in one SQLite file.

A fingerprint's key is path, size and time of last change; a comparison's the digests of both pictures' pixels.
"""

from __future__ import annotations

import json
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from networks.bundle import sha256_of
from trainer.audit.appearance import SIDE
from trainer.audit.fingerprints import VERSION, Facts, Fingerprint, fingerprint

Progress = Callable[[str, int, int], None]
Pair = tuple[str, str]
CHUNK = 256
SCHEMA = """
create table if not exists fingerprint (
    path text primary key, size integer, changed integer, sha256 text, code text, pixels text, turned text, facts text,
    thumb blob
) without rowid;
create table if not exists comparison (
    first text, second text, score real, angle real, mirrored integer, primary key (first, second)
) without rowid;
"""


class FingerprintCache:
    """`with FingerprintCache.open(folder)`; one writer at a time, others wait up to a minute."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._by_content: dict[str | None, Fingerprint] = {}

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[FingerprintCache]:
        """The cache in `folder`, made where it is not there. One of another version is emptied."""
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(folder / "fingerprints.sqlite3", timeout=60)
        try:
            if connection.execute("pragma user_version").fetchone()[0] != VERSION:
                connection.executescript("drop table if exists fingerprint; drop table if exists comparison;")
                connection.execute(f"pragma user_version = {VERSION}")
            connection.executescript(SCHEMA)
            yield cls(connection)
            connection.commit()
        finally:
            connection.close()

    @classmethod
    def in_memory(cls) -> FingerprintCache:
        """A cache that ends with the process."""
        connection = sqlite3.connect(":memory:")
        connection.executescript(SCHEMA)
        return cls(connection)

    def fingerprints(self, files: Sequence[Path], *, progress: Progress | None = None) -> list[Fingerprint]:
        """One of each file, in order; what is not kept yet is taken on all cores."""
        keys = [_key(file) for file in files]
        known = self._known(keys)
        missing = [position for position, key in enumerate(keys) if key not in known]
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            for start in range(0, len(missing), CHUNK):
                chunk = missing[start : start + CHUNK]
                taken = dict(zip(chunk, self._taken([files[position] for position in chunk], pool), strict=True))
                self._keep([(keys[position], print_) for position, print_ in taken.items()])
                known |= {keys[position]: print_ for position, print_ in taken.items()}
                if progress is not None:
                    progress("fingerprints", start + len(chunk), len(missing))
        return [known[key] for key in keys]

    def comparisons(self) -> dict[Pair, tuple[float, float, bool]]:
        """{(digest, digest): (score, angle, mirrored)} of all comparisons that were kept."""
        rows = self._connection.execute("select first, second, score, angle, mirrored from comparison")
        return {(first, second): (score, angle, bool(mirrored)) for first, second, score, angle, mirrored in rows}

    def keep_comparisons(self, compared: dict[Pair, tuple[float, float, bool]]) -> None:
        """Add comparisons, so that the next audit need not make them."""
        self._connection.executemany(
            "insert or replace into comparison values (?, ?, ?, ?, ?)",
            [(*pair, float(score), float(angle), int(mirrored)) for pair, (score, angle, mirrored) in compared.items()],
        )
        self._connection.commit()

    def _taken(self, files: Sequence[Path], pool: ThreadPoolExecutor) -> list[Fingerprint]:
        """Fingerprints taken now; files of the same content are decoded once, also in later chunks."""
        digests = list(pool.map(_sha256, files))
        new = {digest: file for digest, file in zip(digests, files, strict=True) if digest not in self._by_content}
        self._by_content |= dict(zip(new, pool.map(fingerprint, new.values()), strict=True))
        return [self._by_content[digest] for digest in digests]

    def _known(self, keys: Sequence[tuple[str, int, int]]) -> dict[tuple[str, int, int], Fingerprint]:
        wanted, known = set(keys), {}
        paths = sorted({key[0] for key in keys})
        for start in range(0, len(paths), CHUNK):
            part = paths[start : start + CHUNK]
            marks = ",".join("?" * len(part))
            # The marks are question marks, the values are bound.
            query = f"select * from fingerprint where path in ({marks})"  # noqa: S608
            for row in self._connection.execute(query, part):
                key = (row[0], row[1], row[2])
                if key in wanted:
                    known[key] = _from_row(row)
        return known

    def _keep(self, taken: Sequence[tuple[tuple[str, int, int], Fingerprint]]) -> None:
        self._connection.executemany(
            "insert or replace into fingerprint values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(*key, *_values(print_)) for key, print_ in taken if print_.sha256 is not None],
        )
        self._connection.commit()


def _sha256(file: Path) -> str | None:
    try:
        return sha256_of(file)
    except OSError:
        return None


def _key(file: Path) -> tuple[str, int, int]:
    path = str(file.absolute())
    try:
        found = file.stat()
    except OSError:
        return (path, -1, -1)
    return (path, found.st_size, found.st_mtime_ns)


def _values(print_: Fingerprint) -> tuple[str | bytes | None, ...]:
    facts = None if print_.facts is None else json.dumps(asdict(print_.facts))
    thumb = None if print_.thumb is None else zlib.compress(print_.thumb.tobytes(), 1)
    return (print_.sha256, print_.code, print_.pixels, print_.turned, facts, thumb)


def _from_row(row: tuple[object, ...]) -> Fingerprint:
    sha256, code, pixels, turned, facts, thumb = row[3:]
    return Fingerprint(
        sha256=str(sha256),
        code=None if code is None else str(code),
        pixels=None if pixels is None else str(pixels),
        turned=None if turned is None else str(turned),
        facts=Facts(**json.loads(facts)) if isinstance(facts, str) else None,
        thumb=(
            np.frombuffer(zlib.decompress(thumb), np.uint8).reshape(SIDE, SIDE) if isinstance(thumb, bytes) else None
        ),
    )
