"""A header as a tree of what is wanted of it, read by the bounded walk, and written again."""

from __future__ import annotations

import struct
from collections.abc import Callable

from core.dicom_start import LONG_VRS
from core.errors import DicomInvalid, DicomTruncated
from imaging.header import Limits
from imaging.walk import (
    ITEM,
    LUT_BYTES,
    LUT_ENTRIES,
    VALUE_BYTES,
    Encoding,
    Level,
    Source,
    Value,
    Walk,
)

# What a header may weigh that is kept; everything else of it is passed over without being held.
TREE_BYTES = 4 * 1024 * 1024

# The items of a sequence are trees; any other element is its bytes.
Tree = dict[int, "Value | list[Tree]"]


class TreeWalk(Walk):
    """One pass up to the pixel data that keeps, at every depth, the elements whose tag `wants` names.

    A value longer than 4 KiB (a LUT: 128 KiB) is kept as an empty one. Raises as `Walk`, and DicomInvalid where what
    is to be kept is more than 4 MiB.
    """

    def __init__(self, source: Source, encoding: Encoding, *, wants: Callable[[int], bool], limits: Limits) -> None:
        super().__init__(source, encoding, wanted=frozenset(), limits=limits)
        self._wants = wants
        self._held = 0
        self.tree: Tree = {}
        # Beside each open level: the tree that its elements go to, or the items that it is a sequence of.
        self._trees: list[Tree | None] = [self.tree]
        self._items: list[list[Tree] | None] = [None]

    def _pop(self) -> None:
        super()._pop()
        self._trees.pop()
        self._items.pop()

    def _open_sequence(self, level: Level, tag: int, vr: bytes | None, length: int) -> None:
        super()._open_sequence(level, tag, vr, length)
        tree = self._trees[-1]
        items: list[Tree] | None = None
        if tree is not None and self._wants(tag):
            items = []
            tree[tag] = items
        self._trees.append(None)
        self._items.append(items)

    def _item(self, level: Level, tag: int) -> None:
        items = self._items[-1]
        depth = len(self._levels)
        super()._item(level, tag)
        if len(self._levels) > depth:
            tree: Tree | None = None
            if items is not None:
                tree = {}
                items.append(tree)
            self._trees.append(tree)
            self._items.append(None)

    def _value(self, level: Level, tag: int, vr: bytes | None, length: int) -> None:  # noqa: ARG002
        self._end(length)
        tree = self._trees[-1]
        longest = LUT_BYTES if tag in LUT_ENTRIES else VALUE_BYTES
        if tree is None or not self._wants(tag):
            self._source.skip(length)
            return
        if length > longest:
            self._source.skip(length)
            tree[tag] = Value(vr, b"")
            return
        self._held += length + 64
        if self._held > TREE_BYTES:
            raise DicomInvalid("The header is too large")
        data = self._source.read(length)
        if len(data) < length:
            raise DicomTruncated
        tree[tag] = Value(vr, data)


def written(tree: Tree, encoding: Encoding, vr_of: Callable[[int], bytes]) -> bytes:
    """The elements of `tree` in ascending order, as `encoding` has them (PS3.5 section 7.1); lengths are defined.

    `vr_of` gives the value representation of a tag whose Value has none.
    """
    parts = []
    for tag in sorted(tree):
        node = tree[tag]
        if isinstance(node, list):
            vr, data = b"SQ", b"".join(_item_of(item, encoding, vr_of) for item in node)
        else:
            vr = node.vr or vr_of(tag)
            data = node.data
        parts.append(element_head(tag, vr, len(data), encoding) + data)
    return b"".join(parts)


def element_head(tag: int, vr: bytes, length: int, encoding: Encoding) -> bytes:
    """Tag, value representation and length (0xFFFFFFFF: undefined) of one element."""
    order = encoding.order
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if encoding.implicit:
        return head + struct.pack(order + "I", length)
    if vr in LONG_VRS:
        return head + vr + bytes(2) + struct.pack(order + "I", length)
    return head + vr + struct.pack(order + "H", length)


def item_head(tag: int, length: int) -> bytes:
    """Head of an item or delimiter of encapsulated pixel data, which is always little endian (PS3.5 A.4)."""
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, length)


def _item_of(tree: Tree, encoding: Encoding, vr_of: Callable[[int], bytes]) -> bytes:
    data = written(tree, encoding, vr_of)
    return struct.pack(encoding.order + "HHI", ITEM >> 16, ITEM & 0xFFFF, len(data)) + data
