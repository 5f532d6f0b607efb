"""Zip archives, read as if they meant harm: all of one is checked before anything of it is used.

Layout after APPNOTE 6.3.10 (sections 4.3.7 local header, 4.3.9 data descriptor, 4.3.12 central directory, 4.3.14 to
4.3.16 its end, 4.5.3 Zip64). What the central directory says must be what the local headers say; no two entries may
share a byte of the file; sizes and CRCs must hold when it is inflated. Only stored and deflated entries are read.
"""

from __future__ import annotations

import hashlib
import stat
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from core.errors import ArchiveUnsafe
from core.settings import Settings

LOCAL, CENTRAL, DESCRIPTOR = b"PK\3\4", b"PK\1\2", b"PK\7\x08"
END, END64, LOCATOR64 = b"PK\5\6", b"PK\6\6", b"PK\6\7"
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR64 = struct.Struct("<4sLQL")
FULL16, FULL32 = 0xFFFF, 0xFFFFFFFF
STORED, DEFLATED = 0, 8
ENCRYPTED = 1 << 0 | 1 << 6 | 1 << 13
DESCRIBED, UTF8 = 1 << 3, 1 << 11
ZIP64_EXTRA = 0x0001

MAX_NAME_BYTES = 4096
# A few kilobytes of zeros deflate better than any radiograph does, and harm nobody.
RATIO_FROM_BYTES = 1024 * 1024
PIECE_BYTES = 256 * 1024
# What archives within an archive begin with: zip, gzip, bzip2, xz, 7z, rar, zstd, and tar (at 257).
NESTED = (LOCAL, END, b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\x28\xb5\x2f\xfd")
HEAD_BYTES = 264


@dataclass(frozen=True, slots=True)
class Limits:
    """Most entries, most bytes after inflation, and most inflation of one entry and of the whole."""

    files: int
    size: int
    ratio: int

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        return cls(settings.archive_files, settings.archive_bytes, settings.archive_ratio)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an archive; sizes in bytes. `start`: where its data lies, `end`: behind it and its descriptor."""

    is_folder: bool
    method: int
    crc: int
    packed: int
    size: int
    header: int
    start: int
    end: int


class Archive:
    """The entries of a zip whose structure is sound; nothing is inflated yet. Raises ArchiveUnsafe throughout."""

    def __init__(self, file: BinaryIO, *, size: int, limits: Limits) -> None:
        self._file = file
        self._size = size
        count, start, end = self._directory()
        if count > limits.files:
            raise ArchiveUnsafe(f"The archive has more than {limits.files} entries.")
        self._start = start
        self.entries = list(self._central(count, start, end))
        self._require_apart()
        self._require_small(limits)

    def inflate(self, entry: Entry) -> Iterator[bytes]:
        """The entry's bytes in pieces; it must be of the size and CRC that the archive states."""
        size, crc = 0, 0
        for piece in self._packed(entry) if entry.method == STORED else _inflated(self._packed(entry)):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > entry.size:
                raise ArchiveUnsafe("An entry inflates to more than the archive states.")
            yield piece
        if size != entry.size or crc != entry.crc:
            raise ArchiveUnsafe("An entry is not of the size or the checksum that the archive states.")

    def _packed(self, entry: Entry) -> Iterator[bytes]:
        self._file.seek(entry.start)
        left = entry.packed
        while left:
            piece = self._file.read(min(left, PIECE_BYTES))
            if not piece:
                raise ArchiveUnsafe("The archive ends within an entry.")
            left -= len(piece)
            yield piece

    def digests(self) -> list[str]:
        """Inflate every file once and keep nothing of it: the SHA-256 of each, in the archive's order."""
        found = []
        for entry in self.entries:
            digest, head = hashlib.sha256(), b""
            for piece in self.inflate(entry):
                digest.update(piece)
                head += piece[: HEAD_BYTES - len(head)]
            if _is_archive(head):
                raise ArchiveUnsafe("The archive holds another archive.")
            if entry.is_folder and entry.size:
                raise ArchiveUnsafe("A folder of the archive has content.")
            found.append(digest.hexdigest())
        return found

    def _at(self, position: int, length: int) -> bytes:
        if position < 0 or position + length > self._size:
            raise ArchiveUnsafe("The archive points outside of itself.")
        self._file.seek(position)
        data = self._file.read(length)
        if len(data) != length:
            raise ArchiveUnsafe("The archive ends too early.")
        return data

    def _directory(self) -> tuple[int, int, int]:
        """Number of entries, first byte of the central directory and the byte behind it."""
        tail = self._at(max(0, self._size - _END.size - FULL16), min(self._size, _END.size + FULL16))
        at = tail.rfind(END)
        if at < 0 or len(tail) - at < _END.size:
            raise ArchiveUnsafe("This is no zip archive.")
        _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
        position = self._size - len(tail) + at
        if at + _END.size + comment != len(tail):
            raise ArchiveUnsafe("Something follows the archive's end.")
        end = position
        if self._has_locator(position):
            position64, wide = self._end64(position - _LOCATOR64.size)
            narrow = (disk, first_disk, here, count, length, start)
            limits = (FULL16, FULL16, FULL16, FULL16, FULL32, FULL32)
            if any(said not in (real, most) for said, real, most in zip(narrow, wide, limits, strict=True)):
                raise ArchiveUnsafe("The archive's two ends contradict each other.")
            (disk, first_disk, here, count, length, start), end = wide, position64
        if disk or first_disk or here != count:
            raise ArchiveUnsafe("The archive has several parts.")
        if start + length != end:
            raise ArchiveUnsafe("The archive's directory is not where it is said to be.")
        return count, start, end

    def _has_locator(self, end: int) -> bool:
        return end >= _LOCATOR64.size and self._at(end - _LOCATOR64.size, 4) == LOCATOR64

    def _end64(self, locator: int) -> tuple[int, tuple[int, int, int, int, int, int]]:
        """Where the Zip64 end begins, and what it says in the order of the plain end."""
        _, disk, position, disks = _LOCATOR64.unpack(self._at(locator, _LOCATOR64.size))
        if disk or disks != 1 or position + _END64.size > locator:
            raise ArchiveUnsafe("The archive's Zip64 end is not where it is said to be.")
        sign, size, _, _, disk, first_disk, here, count, length, start = _END64.unpack(self._at(position, _END64.size))
        if sign != END64 or position + 12 + size != locator:
            raise ArchiveUnsafe("The archive's Zip64 end is malformed.")
        return position, (disk, first_disk, here, count, length, start)

    def _central(self, count: int, position: int, end: int) -> Iterator[Entry]:
        names: set[bytes] = set()  # hashed: names may be long
        for _ in range(count):
            fields = _CENTRAL.unpack(self._at(position, _CENTRAL.size))
            sign, _, _, flags, method, _, _, crc, packed, size, named, extra, comment, disk, _, attributes, header = (
                fields
            )
            variable = self._at(position + _CENTRAL.size, named + extra)
            position += _CENTRAL.size + named + extra + comment
            if sign != CENTRAL or position > end:
                raise ArchiveUnsafe("The archive's directory is malformed.")
            name = variable[:named]
            size, packed, header, disk = _widened(variable[named:], size, packed, header, disk)
            if disk:
                raise ArchiveUnsafe("The archive has several parts.")
            _require_plain(flags, method, attributes)
            plain = hashlib.blake2b(_plain_name(name, utf8=bool(flags & UTF8)), digest_size=16).digest()
            if plain in names:
                raise ArchiveUnsafe("The archive names two entries alike.")
            names.add(plain)
            yield self._local(name, method, flags, crc, packed, size, header)
        if position != end:
            raise ArchiveUnsafe("The archive's directory has more than its entries.")

    def _local(self, name: bytes, method: int, flags: int, crc: int, packed: int, size: int, header: int) -> Entry:
        """The entry, if its local header says the same of it as the directory."""
        sign, _, flags2, method2, _, _, crc2, packed2, size2, named, extra = _LOCAL.unpack(
            self._at(header, _LOCAL.size)
        )
        if sign != LOCAL or method2 != method or (flags2 ^ flags) & (ENCRYPTED | DESCRIBED) or named != len(name):
            raise ArchiveUnsafe("An entry's header contradicts the archive's directory.")
        variable = self._at(header + _LOCAL.size, named + extra)
        size2, packed2, _, _ = _widened(variable[named:], size2, packed2, 0, 0)
        said = (crc2, packed2, size2)
        later = bool(flags & DESCRIBED) and not any(said)
        if variable[:named] != name or (not later and said != (crc, packed, size)):
            raise ArchiveUnsafe("An entry's header contradicts the archive's directory.")
        start = header + _LOCAL.size + named + extra
        end = start + packed
        if flags & DESCRIBED:
            end += self._descriptor(end, crc, packed, size)
        if end > self._start:
            raise ArchiveUnsafe("An entry reaches into the archive's directory.")
        return Entry(name.endswith((b"/", b"\\")), method, crc, packed, size, header, start, end)

    def _descriptor(self, position: int, crc: int, packed: int, size: int) -> int:
        """The length of the data descriptor, which may begin with a signature and may be of Zip64's width."""
        data = self._at(position, min(24, self._size - position))
        for sign in (DESCRIPTOR, b""):
            for form in ("<LLL", "<LQQ"):
                if form == "<LLL" and max(packed, size) > FULL32:
                    continue
                said = sign + struct.pack(form, crc, packed, size)
                if data.startswith(said):
                    return len(said)
        raise ArchiveUnsafe("An entry's descriptor contradicts the archive's directory.")

    def _require_apart(self) -> None:
        end = 0
        for entry in sorted(self.entries, key=lambda entry: entry.header):
            if entry.header < end:
                raise ArchiveUnsafe("Entries of the archive overlap.")
            end = entry.end

    def _require_small(self, limits: Limits) -> None:
        total = 0
        for entry in self.entries:
            total += entry.size
            if entry.method == STORED and entry.size != entry.packed:
                raise ArchiveUnsafe("A stored entry has two sizes.")
            if entry.size > max(RATIO_FROM_BYTES, limits.ratio * entry.packed):
                raise ArchiveUnsafe(f"An entry inflates more than {limits.ratio}-fold.")
        if total > limits.size:
            raise ArchiveUnsafe(f"The archive inflates to more than {limits.size} bytes.")
        if total > max(RATIO_FROM_BYTES, limits.ratio * self._size):
            raise ArchiveUnsafe(f"The archive inflates more than {limits.ratio}-fold.")


def _inflated(packed: Iterable[bytes]) -> Iterator[bytes]:
    """The deflated stream's bytes, at most PIECE_BYTES at a time; it must end where its entry does."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for block in packed:
            rest = block
            while rest:
                if inflater.eof:
                    raise ArchiveUnsafe("Something follows an entry's data.")
                yield inflater.decompress(rest, PIECE_BYTES)
                rest = inflater.unconsumed_tail or inflater.unused_data
        # The last bytes may have filled a piece and still have more to give.
        while not inflater.eof and (piece := inflater.decompress(b"", PIECE_BYTES)):
            yield piece
    except zlib.error as error:
        raise ArchiveUnsafe("An entry cannot be inflated.") from error
    if not inflater.eof:
        raise ArchiveUnsafe("An entry's data ends early.")


def _widened(extra: bytes, size: int, packed: int, header: int, disk: int) -> tuple[int, int, int, int]:
    """Sizes, offset and disk with those that did not fit read from the Zip64 field (APPNOTE 4.5.3)."""
    wide: bytes | None = None
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        field = extra[at + 4 : at + 4 + length]
        if len(field) != length or (kind == ZIP64_EXTRA and wide is not None):
            raise ArchiveUnsafe("An entry's extra fields are malformed.")
        if kind == ZIP64_EXTRA:
            wide = field
        at += 4 + length
    values = []
    for value, full, form in (
        (size, FULL32, "<Q"),
        (packed, FULL32, "<Q"),
        (header, FULL32, "<Q"),
        (disk, FULL16, "<L"),
    ):
        if value != full:
            values.append(value)
            continue
        width = struct.calcsize(form)
        if wide is None or len(wide) < width:
            raise ArchiveUnsafe("An entry says Zip64 and has none.")
        values.append(struct.unpack_from(form, wide)[0])
        wide = wide[width:]
    size, packed, header, disk = values
    return size, packed, header, disk


def _require_plain(flags: int, method: int, attributes: int) -> None:
    if flags & ENCRYPTED:
        raise ArchiveUnsafe("The archive is encrypted.")
    if method not in (STORED, DEFLATED):
        raise ArchiveUnsafe("The archive is packed in another way than deflate.")
    # The upper half is the Unix mode where the writer knew of one: links, devices and sockets are none of ours.
    if stat.S_IFMT(attributes >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ArchiveUnsafe("The archive holds a link or a device.")


def _plain_name(raw: bytes, *, utf8: bool) -> bytes:
    """The name with its separators alike, if it stays within the folder that it would be unpacked to."""
    try:
        name = raw.decode("utf-8" if utf8 else "cp437").replace("\\", "/")
    except UnicodeDecodeError as error:
        raise ArchiveUnsafe("A name in the archive is not UTF-8.") from error
    parts = name.removesuffix("/").split("/")
    if (
        len(raw) > MAX_NAME_BYTES
        or "\0" in name
        or "" in parts
        or ".." in parts
        or "." in parts
        or ":" in parts[0][1:2]
    ):
        raise ArchiveUnsafe("A name in the archive leads elsewhere, or is none.")
    return "/".join(parts).encode()


def _is_archive(head: bytes) -> bool:
    if head[128:132] == b"DICM":
        return False  # a preamble may look like anything; it is zeroed
    return head.startswith(NESTED) or head[257:262] == b"ustar"
