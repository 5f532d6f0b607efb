"""Archives that are written while they are sent."""

from __future__ import annotations

import hashlib
import io
import tracemalloc
import zipfile
from pathlib import Path

from lucency.batch.archive import BYTES, FILES, PIECE_BYTES, archive, parts
from lucency.batch.upload import Reading


def reading(root: Path, name: str, content: bytes | None) -> Reading:
    if content is not None:
        (root / name).write_bytes(content)
    made = Reading(root, name, hashlib.sha256(content or b"").hexdigest())
    made.size = len(content or b"")
    return made


def test_it_holds_the_contents_under_names_that_tell_nothing(tmp_path: Path) -> None:
    contents = {"Müller Anna.dcm": b"a" * 3_000_000, "b": b"", "c.png": b"c"}
    part = [reading(tmp_path, name, content) for name, content in contents.items()]
    made = zipfile.ZipFile(io.BytesIO(b"".join(archive(part))))
    assert made.testzip() is None
    assert made.namelist() == ["000000.dcm", "000001", "000002.png"]
    assert [made.read(name) for name in made.namelist()] == list(contents.values())


def test_a_file_that_is_gone_or_grew_shorter_spoils_no_other(tmp_path: Path) -> None:
    part = [reading(tmp_path, "gone", None), reading(tmp_path, "short", b"12345"), reading(tmp_path, "whole", b"w" * 9)]
    (tmp_path / "short").write_bytes(b"12")
    made = zipfile.ZipFile(io.BytesIO(b"".join(archive(part))))
    assert [made.read(name) for name in made.namelist()] == [b"12", b"w" * 9]


def test_parts_are_bounded_by_files_and_by_bytes(tmp_path: Path) -> None:
    many = [Reading(tmp_path, str(number), "", size=1) for number in range(2 * FILES + 1)]
    assert [len(part) for part in parts(many)] == [FILES, FILES, 1]
    large = [Reading(tmp_path, str(number), "", size=BYTES // 2 + 1) for number in range(3)]
    assert [len(part) for part in parts(large)] == [1, 1, 1]


def test_memory_does_not_grow_with_the_files(tmp_path: Path) -> None:
    part = [reading(tmp_path, str(number), bytes([number]) * 4_000_000) for number in range(20)]
    tracemalloc.start()
    try:
        total = sum(len(piece) for piece in archive(part))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total > 80_000_000
    assert peak < 8_000_000 + PIECE_BYTES
