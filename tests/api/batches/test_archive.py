"""Zips that mean harm, one by one and made up; and that what Python's own zipfile writes is read back whole."""

from __future__ import annotations

import hashlib
import io
import os
import random
import resource
import struct
import time
import zipfile
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.batches.archive import HEAD_BYTES, NESTED, Archive, Limits
from core.errors import ArchiveUnsafe

LIMITS = Limits(files=100, size=64 * 1024 * 1024, ratio=200)
MEBIBYTE = 1024 * 1024


def digests(data: bytes, limits: Limits = LIMITS) -> list[str]:
    return Archive(io.BytesIO(data), size=len(data), limits=limits).digests()


def zipped(*entries: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return buffer.getvalue()


def info(name: str, mode: int) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.create_system = 3
    made.external_attr = mode << 16
    return made


class _Unseekable(io.RawIOBase):
    """What makes zipfile write data descriptors."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        self.data += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


def streamed(*entries: tuple[str, bytes], zip64: bool) -> bytes:
    sink = _Unseekable()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            with archive.open(name, "w", force_zip64=zip64) as file:
                file.write(content)
    return bytes(sink.data)


def sha256s(*contents: bytes) -> list[str]:
    return [hashlib.sha256(content).hexdigest() for content in contents]


def test_honest() -> None:
    one, two = os.urandom(MEBIBYTE), b"abc" * 50_000
    for data in (
        zipped(("a.dcm", one), ("ward/b", two), ("empty", b"")),
        zipped(("a.dcm", one), ("ward/b", two), ("empty", b""), method=zipfile.ZIP_STORED),
        streamed(("a.dcm", one), ("ward/b", two), ("empty", b""), zip64=False),
        streamed(("a.dcm", one), ("ward/b", two), ("empty", b""), zip64=True),
    ):
        assert digests(data) == sha256s(one, two, b"")
    folder = zipped(("ward/", b""), ("ward/Müller.dcm", two))
    archive = Archive(io.BytesIO(folder), size=len(folder), limits=LIMITS)
    assert [entry.is_folder for entry in archive.entries] == [True, False]
    assert digests(zipped()) == []
    commented = io.BytesIO(zipped(("a", one)))
    with zipfile.ZipFile(commented, "a") as archive_file:
        archive_file.comment = b"a comment"
    assert digests(commented.getvalue()) == sha256s(one)


def zip64_of(data: bytes, **lies: int) -> bytes:
    """`data` with a Zip64 end before its own, which says the same but for `lies`."""
    *_, count, length, start, _ = struct.unpack("<4s4H2LH", data[-22:])
    told = {"count": count, "length": length, "start": start} | lies
    wide = struct.pack(
        "<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, told["count"], told["count"], told["length"], told["start"]
    )
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, told.get("position", len(data) - 22), told.get("disks", 1))
    narrow = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, told.get("narrow", 0xFFFFFFFF), 0)
    return data[:-22] + wide + locator + narrow


def overlapped(copies: int) -> bytes:
    """David Fifield's bomb in its plainest form: many entries of the directory share one local header and its data.

    They share the name, too; `quoted_overlap` has others.
    """
    single = zipped(("a", bytes(MEBIBYTE)))
    at = single.rindex(b"PK\1\2")
    central = single[at:-22]
    directory = central * copies
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, copies, copies, len(directory), at, 0)
    return single[:at] + directory + end


def quoted_overlap() -> bytes:
    """Fifield's better one: each file's data is a stored block that quotes the next file's local header, and so on to
    one shared kernel; names and CRCs hold, only the bytes are shared.
    """
    kernel = bytes(4096)
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(kernel) + packer.flush()

    def header(name: bytes, crc: int, small: int, large: int) -> bytes:
        return struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0x21, crc, small, large, len(name), 0) + name

    last = header(b"b", zlib.crc32(kernel), len(packed), len(kernel))
    quote = struct.pack("<BHH", 0, len(last), len(last) ^ 0xFFFF) + last
    content = last + kernel
    first = header(b"a", zlib.crc32(content), len(quote) + len(packed), len(content))
    body = first + quote + packed
    directory = b""
    for name, crc, small, large, offset in (
        (b"a", zlib.crc32(content), len(quote) + len(packed), len(content), 0),
        (b"b", zlib.crc32(kernel), len(packed), len(kernel), len(first) + 5),
    ):
        directory += struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0x21, crc, small, large, 1, 0, 0, 0, 0, 0, offset
        ) + name  # fmt: skip
    return body + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), len(body), 0)


def changed(data: bytes, find: bytes, offset: int, value: bytes, *, last: bool = False) -> bytes:
    at = (data.rindex(find) if last else data.index(find)) + offset
    return data[:at] + value + data[at + len(value) :]


PLAIN = zipped(("a", b"content of a file" * 9), ("b", b"of another" * 30))
LOCAL_A, CENTRAL_A, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"

UNSAFE: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "no zip": lambda: b"PK\3\4" + bytes(1000),
    "cut": lambda: PLAIN[:-5],
    "cut at the front": lambda: PLAIN[10:],
    "something before": lambda: b"#!/bin/sh\n" + PLAIN,
    "something behind": lambda: PLAIN + b"x",
    "ratio": lambda: zipped(("a", bytes(20 * MEBIBYTE))),
    "ratio of many": lambda: zipped(*[(f"{n}", bytes(MEBIBYTE)) for n in range(20)]),
    "too much": lambda: zipped(*[(f"{n}", os.urandom(MEBIBYTE)) for n in range(65)], method=zipfile.ZIP_STORED),
    "too many": lambda: zipped(*[(f"{n}", b"") for n in range(101)]),
    "nested": lambda: zipped(("a.zip", PLAIN)),
    "nested gzip": lambda: zipped(("a", b"\x1f\x8b\x08" + bytes(100))),
    "nested tar": lambda: zipped(("a", bytes(257) + b"ustar\0" + bytes(300))),
    "symlink": lambda: zipped((info("a", 0o120777), b"/etc/passwd")),
    "device": lambda: zipped((info("a", 0o020666), b"")),
    "parent": lambda: zipped(("../a", b"x")),
    "parent inside": lambda: zipped(("a/../../b", b"x")),
    "parent by backslash": lambda: zipped(("a\\..\\..\\b", b"x")),
    "absolute": lambda: zipped(("/etc/passwd", b"x")),
    "drive": lambda: zipped(("C:/a", b"x")),
    "drive relative": lambda: zipped(("C:a", b"x")),
    "share": lambda: zipped(("\\\\server\\share", b"x")),
    "NUL": lambda: changed(zipped(("abc", b"x")).replace(b"abc", b"a\0c"), END, 4, b"\0"),
    "no name": lambda: zipped(("/", b"")),
    "twice": lambda: zipped(("a/b", b"x"), ("a\\b", b"y")),
    "encrypted": lambda: changed(changed(PLAIN, LOCAL_A, 6, b"\1"), CENTRAL_A, 8, b"\1"),
    "encrypted in the directory only": lambda: changed(PLAIN, CENTRAL_A, 8, b"\1"),
    "strong encryption": lambda: changed(changed(PLAIN, LOCAL_A, 6, b"\x41"), CENTRAL_A, 8, b"\x41"),
    "another name": lambda: changed(PLAIN, LOCAL_A, 30, b"z"),
    "another method": lambda: changed(PLAIN, LOCAL_A, 8, b"\0"),
    "unknown method": lambda: changed(changed(PLAIN, LOCAL_A, 8, b"\x0c"), CENTRAL_A, 10, b"\x0c"),
    "another size": lambda: changed(PLAIN, LOCAL_A, 22, b"\1"),
    "lying sizes": lambda: changed(changed(PLAIN, LOCAL_A, 22, b"\1"), CENTRAL_A, 24, b"\1"),
    "larger size": lambda: changed(changed(PLAIN, LOCAL_A, 22, b"\xff"), CENTRAL_A, 24, b"\xff"),
    "bad CRC": lambda: changed(changed(PLAIN, LOCAL_A, 14, b"\0"), CENTRAL_A, 16, b"\0"),
    "bad data": lambda: changed(PLAIN, LOCAL_A, 31, b"\xff\xff"),
    "offset outside": lambda: changed(PLAIN, CENTRAL_A, 42, b"\xff\xff\xff\x7f"),
    "offset of Zip64 without": lambda: changed(PLAIN, CENTRAL_A, 42, b"\xff\xff\xff\xff"),
    "fewer entries": lambda: changed(PLAIN, END, 8, b"\1\0\1\0"),
    "more entries": lambda: changed(PLAIN, END, 8, b"\3\0\3\0"),
    "several disks": lambda: changed(PLAIN, END, 4, b"\1"),
    "directory elsewhere": lambda: changed(PLAIN, END, 16, b"\1"),
    "Zip64 count": lambda: zip64_of(PLAIN, count=3),
    "Zip64 huge count": lambda: zip64_of(PLAIN, count=2**62),
    "Zip64 length": lambda: zip64_of(PLAIN, length=2**63),
    "Zip64 start": lambda: zip64_of(PLAIN, start=2**64 - 1),
    "Zip64 position": lambda: zip64_of(PLAIN, position=2**63),
    "Zip64 disks": lambda: zip64_of(PLAIN, disks=2),
    "Zip64 against the plain end": lambda: zip64_of(PLAIN, narrow=1),
    "overlap": lambda: overlapped(50),
    "overlap, quoted": quoted_overlap,
    "folder with content": lambda: zipped(("a/", b"content")),
}


@pytest.mark.parametrize("name", UNSAFE)
def test_unsafe(name: str) -> None:
    data = UNSAFE[name]()
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ArchiveUnsafe):
        digests(data)
    assert time.process_time() - started < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_no_byte_is_of_two_entries() -> None:
    """An entry within another's content, which by itself is sound: an archive is not looked for so far in."""
    inner = zipped(("b", b"of the inner one"), method=zipfile.ZIP_STORED)
    local = inner[: inner.index(CENTRAL_A)]
    outer = zipped(("a", bytes(HEAD_BYTES) + local), method=zipfile.ZIP_STORED)
    at = outer.index(CENTRAL_A)
    within = outer.index(local)
    directory = outer[at:-22] + changed(inner[inner.index(CENTRAL_A) : -22], CENTRAL_A, 42, struct.pack("<L", within))
    end = struct.pack("<4s4H2LH", END, 0, 0, 2, 2, len(directory), at, 0)
    assert digests(outer) == sha256s(bytes(HEAD_BYTES) + local)
    with zipfile.ZipFile(io.BytesIO(outer[:at] + directory + end)) as archive:
        assert archive.read("b") == b"of the inner one"
    with pytest.raises(ArchiveUnsafe, match="overlap"):
        digests(outer[:at] + directory + end)


def test_one_entry_may_not_hide_behind_others() -> None:
    """Beside content that does not deflate a bomb is little of the whole."""
    with pytest.raises(ArchiveUnsafe, match="An entry inflates more than"):
        digests(zipped(("bomb", bytes(20 * MEBIBYTE)), ("a.dcm", os.urandom(MEBIBYTE))))


def test_inflation_ends_where_the_archive_lies() -> None:
    """What was checked is what is stated: of what comes beyond, nothing is given on."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(50 * MEBIBYTE)) + packer.flush()
    plain = zipped(("a", packed), method=zipfile.ZIP_STORED)
    stated = struct.pack("<L", 1000)
    # Deflated, not stored, and a thousand bytes long: so both headers say.
    lying = changed(changed(plain, LOCAL_A, 8, b"\x08"), CENTRAL_A, 10, b"\x08")
    lying = changed(changed(lying, LOCAL_A, 22, stated), CENTRAL_A, 24, stated, last=True)
    archive = Archive(io.BytesIO(lying), size=len(lying), limits=LIMITS)
    given = []
    with pytest.raises(ArchiveUnsafe, match="inflates to more than the archive states"):
        given.extend(archive.inflate(archive.entries[0]))
    assert given == []


def test_sound_zip64() -> None:
    assert digests(zip64_of(PLAIN)) == sha256s(b"content of a file" * 9, b"of another" * 30)


def test_both_overlaps_are_read_by_others() -> None:
    """They are what they are said to be: Python's zipfile inflates the quoted one without a word of the sharing."""
    with zipfile.ZipFile(io.BytesIO(quoted_overlap())) as archive:
        assert archive.namelist() == ["a", "b"]
        assert archive.getinfo("b").file_size == 4096


CONTENTS = st.one_of(
    st.binary(max_size=2000),
    st.builds(lambda seed, size: random.Random(seed).randbytes(size), st.integers(), st.integers(0, 150_000)),
    st.builds(lambda sign, size: bytes([sign]) * size, st.integers(1, 30), st.integers(0, 150_000)),
)
NAMES = st.text(st.characters(exclude_characters="\0/\\:.", exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(
    st.dictionaries(NAMES, CONTENTS, max_size=6),
    st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
    st.sampled_from(["seekable", "streamed", "zip64"]),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_zipped_is_read_back(files: dict[str, bytes], method: int, way: str) -> None:
    if way == "seekable":
        data = zipped(*files.items(), method=method)
    else:
        data = streamed(*files.items(), zip64=way == "zip64")
    if any(content.startswith(NESTED) for content in files.values()):
        return
    assert digests(data) == sha256s(*files.values())


@given(st.integers(0, 2**32), st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_altered_bytes(seed: int, changes: list[tuple[int, int]]) -> None:
    """Whatever is altered: either it is refused, or every file still has the content that it had."""
    contents = [random.Random(seed).randbytes(200), b"abc" * 300]
    data = bytearray(
        zipped(("one", contents[0]), ("two", contents[1]))
        if seed % 2
        else streamed(("one", contents[0]), ("two", contents[1]), zip64=seed % 4 == 0)
    )
    for position, value in changes:
        data[position % len(data)] = value
    try:
        found = digests(bytes(data))
    except ArchiveUnsafe:
        return
    assert found == sha256s(*contents)


@given(st.binary(max_size=3000))
@settings(max_examples=200, deadline=None)
def test_any_bytes(data: bytes) -> None:
    for tried in (data, PLAIN + data, data + PLAIN, PLAIN[: len(data) % len(PLAIN)] + data + PLAIN[-22:]):
        if tried == PLAIN:
            continue
        with pytest.raises(ArchiveUnsafe):
            digests(tried)
