"""Scalars as TensorBoard event files, written without TensorFlow: any Keras backend leaves the same ones.

A file is a row of TFRecords (length, its checksum, data, its checksum), each an `Event` message of TensorFlow's
event.proto: wall time, step, and a summary of (tag, number) pairs.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path

FOLDER = "tensorboard"
VERSION = b"brain.Event:2"
# CRC-32C (Castagnoli, RFC 3720), reflected.
POLYNOMIAL = 0x82F63B78


class EventFile:
    """One process' events in `folder`/tensorboard; TensorBoard joins the files of one folder."""

    def __init__(self, folder: Path) -> None:
        (folder / FOLDER).mkdir(parents=True, exist_ok=True)
        now = time.time()
        self.file = folder / FOLDER / f"events.out.tfevents.{int(now)}.{os.getpid()}.{time.monotonic_ns() % 10**9}"
        self._append(_double(1, now) + _bytes(3, VERSION))

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Append the numbers of one step; they are on disk when this returns."""
        values = b"".join(_bytes(1, _bytes(1, tag.encode()) + _float(2, value)) for tag, value in scalars.items())
        self._append(_double(1, time.time()) + _integer(2, step) + _bytes(5, values))

    def _append(self, event: bytes) -> None:
        length = struct.pack("<Q", len(event))
        with self.file.open("ab") as stream:
            stream.write(length + _checksum(length) + event + _checksum(event))


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return tuple(table)


TABLE = _table()


def _checksum(data: bytes) -> bytes:
    """The masked CRC-32C of TFRecord."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _varint(value: int) -> bytes:
    parts = []
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*parts, value])


def _integer(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)
