"""A bounded walk over the elements of a DICOM file (PS3.5 section 7, PS3.10 section 7): the only reader of headers.

It exists because a general reader may be made to recurse, inflate or allocate without bound by a few kilobytes.
Nothing here
recurses, no element is read unless it is wanted, wanted ones have a largest size, and a deflated data set is
inflated as a
stream. The pre-scan and the decoder both use it, so that they cannot disagree about what a file says.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO, Protocol

from core.dicom_start import LONG_VRS, SHORT_VRS
from core.errors import DecompressedTooLarge, DicomInvalid, DicomTooDeep, DicomTruncated
from imaging.header import Limits

UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
FIRST_ITEM = b"\xfe\xff\x00\xe0"  # as written in the implicit encoding, which is always little endian
PIXEL_DATA = 0x7FE00010
MODALITY_LUT_SEQUENCE, VOI_LUT_SEQUENCE = 0x00283000, 0x00283010
LUT_SEQUENCES = frozenset({MODALITY_LUT_SEQUENCE, VOI_LUT_SEQUENCE})
LUT_ENTRIES = frozenset({0x00283002, 0x00283006})
VALUE_BYTES = 4096
LUT_BYTES = 2 * 65536
BLOCK = 256 * 1024


class Source(Protocol):
    """Bytes read once, front to back."""

    position: int

    def read(self, size: int) -> bytes:
        """Up to `size` bytes."""
        ...

    def peek(self, size: int) -> bytes:
        """The next few bytes, which stay to be read."""
        ...

    def skip(self, size: int) -> None:
        """Move on without keeping anything. Raises DicomTruncated where the bytes are not there."""
        ...


class FileSource:
    """The bytes of a seekable file from its present position."""

    def __init__(self, file: BinaryIO, *, size: int) -> None:
        self._file = file
        self._size = size
        self.position = file.tell()

    def read(self, size: int) -> bytes:
        data = self._file.read(min(size, self._size - self.position))
        self.position += len(data)
        return data

    def peek(self, size: int) -> bytes:
        data = self._file.read(min(size, self._size - self.position))
        self._file.seek(self.position)
        return data

    def skip(self, size: int) -> None:
        if self.position + size > self._size:
            raise DicomTruncated
        self.position = self._file.seek(size, 1)


class DeflatedSource:
    """The inflated bytes of a deflated data set (PS3.5 A.5), never more of them at once than a block.

    Raises DecompressedTooLarge past `limit` bytes, DicomInvalid where the stream is damaged.
    """

    def __init__(self, file: BinaryIO, *, limit: int) -> None:
        self._file = file
        self._limit = limit
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._rest = b""
        self._ready = bytearray()
        self.position = 0

    def _more(self, size: int) -> None:
        while len(self._ready) < size and not self._inflater.eof:
            block = self._inflater.unconsumed_tail or self._file.read(BLOCK)
            if not block:
                raise DicomTruncated("The deflated data set ends early")
            try:
                self._ready += self._inflater.decompress(block, BLOCK)
            except zlib.error as error:
                raise DicomInvalid("The deflated data set is damaged") from error
            if self.position + len(self._ready) > self._limit:
                raise DecompressedTooLarge

    def read(self, size: int) -> bytes:
        parts = []
        while size > 0:
            self._more(min(size, BLOCK))
            part = bytes(self._ready[: min(size, BLOCK)])
            if not part:
                break
            del self._ready[: len(part)]
            self.position += len(part)
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def peek(self, size: int) -> bytes:
        self._more(size)
        return bytes(self._ready[:size])

    def skip(self, size: int) -> None:
        if self.position + size > self._limit:
            raise DecompressedTooLarge
        while size > 0:
            part = self.read(min(size, BLOCK))
            if not part:
                raise DicomTruncated
            size -= len(part)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the elements of a data set are written (PS3.5 section 7.1)."""

    implicit: bool
    big_endian: bool

    @property
    def order(self) -> str:
        return ">" if self.big_endian else "<"


@dataclass(frozen=True, slots=True)
class Value:
    """The bytes of one element. `vr` is None in the implicit encoding."""

    vr: bytes | None
    data: bytes


@dataclass(slots=True)
class Elements:
    """What a walk kept: wanted elements of the root, the items of LUT sequences, and where the pixel data begins.

    `pixel_length` is None where it has an undefined length (encapsulated). `pixel_vr` is None when implicit.
    """

    encoding: Encoding
    values: dict[int, Value] = field(default_factory=dict)
    items: dict[int, list[dict[int, Value]]] = field(default_factory=dict)
    pixel_position: int | None = None
    pixel_length: int | None = None
    pixel_vr: bytes | None = None


@dataclass(slots=True)
class Level:
    """One open data set or sequence; `end` is None while its length is undefined."""

    sequence: bool
    end: int | None
    implicit: bool
    keep: dict[int, Value] | None = None
    items: list[dict[int, Value]] | None = None


class Walk:
    """One pass over a data set up to its pixel data; `wanted` are the tags of the root to keep."""

    def __init__(self, source: Source, encoding: Encoding, *, wanted: frozenset[int], limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._wanted = wanted
        self._count = 0
        self.found = Elements(encoding)
        self._levels = [Level(sequence=False, end=None, implicit=encoding.implicit, keep=self.found.values)]
        self._order = encoding.order

    def run(self) -> Elements:
        """Walk to the pixel data or to the end. Raises DicomInvalid, DicomTruncated, DicomTooDeep,
        DecompressedTooLarge.
        """
        while self._levels:
            level = self._levels[-1]
            if level.end is not None and self._source.position >= level.end:
                if self._source.position > level.end:
                    raise DicomInvalid("An element runs past the end of its sequence")
                self._pop()
                continue
            head = self._source.read(4)
            if not head and len(self._levels) == 1:
                break
            self._count += 1
            if self._count > self._limits.elements:
                raise DicomInvalid("The header has too many elements")
            if self._element(level, self._tag(head)):
                break
        return self.found

    def _pop(self) -> None:
        self._levels.pop()

    def _tag(self, head: bytes) -> int:
        group, element = self._unpack("HH", head)
        return group << 16 | element

    def _unpack(self, form: str, data: bytes) -> tuple[int, ...]:
        if len(data) < struct.calcsize("=" + form):
            raise DicomTruncated
        return struct.unpack(self._order + form, data)

    def _element(self, level: Level, tag: int) -> bool:
        """Handle one tag; true where the walk has reached the pixel data."""
        if level.sequence:
            self._item(level, tag)
            return False
        if tag == ITEM_END:
            self._source.skip(4)
            if level.end is not None or len(self._levels) == 1:
                raise DicomInvalid("An item ends where none is open")
            self._pop()
            return False
        vr, length = self._vr_and_length(tag, implicit=level.implicit)
        if tag == PIXEL_DATA and len(self._levels) == 1:
            self.found.pixel_position = self._source.position
            self.found.pixel_length = None if length == UNDEFINED else length
            self.found.pixel_vr = vr
            return True
        if self._is_sequence(tag, vr, length):
            self._open_sequence(level, tag, vr, length)
        elif length == UNDEFINED:
            raise DicomInvalid("An element has an undefined length that may not")
        else:
            self._value(level, tag, vr, length)
        return False

    def _vr_and_length(self, tag: int, *, implicit: bool) -> tuple[bytes | None, int]:
        if tag >> 16 == 0xFFFE:
            raise DicomInvalid("A sequence delimiter stands where none is open")
        if implicit:
            return None, self._unpack("I", self._source.read(4))[0]
        head = self._source.read(4)
        vr = head[:2]
        if vr in SHORT_VRS:
            return vr, self._unpack("H", head[2:])[0]
        if vr not in LONG_VRS:
            raise DicomTruncated if len(head) < 4 else DicomInvalid("An element has an unknown value representation")
        return vr, self._unpack("I", self._source.read(4))[0]

    def _is_sequence(self, tag: int, vr: bytes | None, length: int) -> bool:
        if vr == b"SQ" or (length == UNDEFINED and vr in (None, b"UN")):
            return True
        # The implicit encoding does not tell a sequence of known length from another value: its first item does.
        return vr is None and length >= 8 and (tag in LUT_SEQUENCES or self._source.peek(4) == FIRST_ITEM)

    def _open_sequence(self, level: Level, tag: int, vr: bytes | None, length: int) -> None:
        if sum(open_level.sequence for open_level in self._levels) >= self._limits.depth:
            raise DicomTooDeep
        items: list[dict[int, Value]] | None = None
        if level.keep is self.found.values and tag in LUT_SEQUENCES:
            items = self.found.items.setdefault(tag, [])
        # PS3.5 section 6.2.2: UN of undefined length holds implicit little endian, whatever surrounds it.
        implicit = level.implicit or vr == b"UN"
        self._levels.append(Level(sequence=True, end=self._end(length), implicit=implicit, items=items))

    def _end(self, length: int) -> int | None:
        if length == UNDEFINED:
            return None
        end = self._source.position + length
        outer = next((level.end for level in reversed(self._levels) if level.end is not None), None)
        if outer is not None and end > outer:
            raise DicomInvalid("An element runs past the end of its sequence")
        return end

    def _item(self, level: Level, tag: int) -> None:
        (length,) = self._unpack("I", self._source.read(4))
        if tag == SEQUENCE_END and level.end is None:
            self._pop()
            return
        if tag != ITEM:
            raise DicomInvalid("A sequence holds something other than items")
        keep: dict[int, Value] | None = None
        if level.items is not None and not level.items:
            # Alternatives beyond the first LUT are never used.
            keep = {}
            level.items.append(keep)
        self._levels.append(Level(sequence=False, end=self._end(length), implicit=level.implicit, keep=keep))

    def _value(self, level: Level, tag: int, vr: bytes | None, length: int) -> None:
        self._end(length)
        root = level.keep is self.found.values
        if level.keep is None or tag not in (self._wanted if root else LUT_ENTRIES):
            self._source.skip(length)
            return
        if tag in level.keep:
            raise DicomInvalid("An element stands twice in the header")
        if length > (VALUE_BYTES if root else LUT_BYTES):
            # Past the end is the plainer fault, where both are true.
            self._source.skip(length)
            raise DicomInvalid("An element of the header is too long")
        data = self._source.read(length)
        if len(data) < length:
            raise DicomTruncated
        level.keep[tag] = Value(vr, data)
