from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core import errors
from core.vocabulary import MediaKind
from imaging.decode import decode
from imaging.identify import identify
from imaging.prescan import Limits, prescan
from tests.data import encoded, generated_radiograph
from tests.imaging.reference import dicom, ramp

MEMORY = 64 * 1024 * 1024


def scan(data: bytes) -> object:
    tracemalloc.start()
    try:
        return prescan(io.BytesIO(data), identify(data[:132]), limits=Limits())
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY


def start_of(data: bytes, tag: bytes) -> int:
    place = data.index(tag, 132)
    assert place > 0
    return place


GOOD = dicom(ramp())
PIXELS = start_of(GOOD, b"\xe0\x7f\x10\x00")
NESTED = b"\x08\x00\x15\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
META_END = start_of(GOOD, b"\x08\x00\x16\x00")
DEFLATED = dicom(ramp(), syntax="1.2.840.10008.1.2.1.99")
PICTURE = generated_radiograph(64, 48)
PNG, JPEG = encoded(PICTURE), encoded(PICTURE, "JPEG")


@cache
def bomb() -> bytes:
    """1 MB of deflated zeros: a gigabyte of them, announced as one element."""
    packer = zlib.compressobj(9, wbits=-15)
    body = packer.compress(b"\x09\x00\x10\x00OB\0\0" + struct.pack("<I", 1 << 30))
    body += b"".join(packer.compress(bytes(1 << 20)) for _ in range(1024)) + packer.flush()
    at = DEFLATED.index(b"1.2.840.10008.1.2.1.99") + 22
    head = DEFLATED[: at + (-at % 2)]
    full = dicom(np.zeros((1, 1), np.uint16), syntax="1.2.840.10008.1.2.1.99")
    meta = struct.unpack_from("<I", full, 140)[0]
    assert len(head) > 140
    return full[: 144 + meta] + body


BAD: dict[str, tuple[bytes | Callable[[], bytes], type[errors.LucencyError]]] = {
    "no prefix": (GOOD[:128] + b"DICX" + GOOD[132:], errors.TypeUnsupported),
    "empty": (b"", errors.UploadEmpty),
    "cut in the header": (GOOD[: PIXELS - 29], errors.DicomTruncated),
    "cut in the pixels": (GOOD[:-100], errors.DicomTruncated),
    "overlong element": (
        GOOD[:PIXELS] + b"\x09\x00\x10\x00OB\0\0\xf0\xff\xff\x7f" + GOOD[PIXELS:], errors.DicomTruncated),
    "nested": (GOOD[:META_END] + NESTED * 400, errors.DicomTooDeep),
    "bomb": (bomb, errors.DecompressedTooLarge),
    "terabytes": (dicom(ramp(), Rows=65535, Columns=65535, NumberOfFrames=250), errors.PixelsTooLarge),
    "short pixels": (dicom(ramp(), Rows=65), errors.PixelsInconsistent),
    "frames": (dicom(ramp(), NumberOfFrames=2), errors.NotApplicable),
    "ct": (dicom(ramp(), Modality="CT"), errors.NotApplicable),
    "other": (dicom(ramp(), Modality="OT"), errors.NotApplicable),
    "palette": (dicom(ramp(), PhotometricInterpretation="PALETTE COLOR"), errors.NotApplicable),
    "video": (GOOD.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1), errors.TransferSyntaxUnsupported),
    "program": (b"MZ" + GOOD[2:], errors.Polyglot),
    "gif": (b"GIF89a" + bytes(200), errors.TypeUnsupported),
    "svg": (b"<svg xmlns=''/>", errors.TypeUnsupported),
    "cut png": (PNG[:-20], errors.ImageTruncated),
    "png without end": (PNG[:-12], errors.ImageTruncated),
    "large png": (PNG[:16] + struct.pack(">II", 50000, 50000) + PNG[24:], errors.PixelsTooLarge),
    "animated": (PNG[:33] + struct.pack(">I4sIII", 8, b"acTL", 2, 0, 0) + PNG[33:], errors.ImageAnimated),
    "cut jpeg header": (JPEG[:60], errors.ImageTruncated),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    data, kind = BAD[name]
    with pytest.raises(errors.LucencyError) as caught:
        scan(data() if callable(data) else data)
    assert type(caught.value) is kind


def test_whether_a_jpeg_without_its_end_marker_is_whole_is_for_the_decoder_to_say() -> None:
    assert prescan(io.BytesIO(JPEG[:-2]), MediaKind.JPEG, limits=Limits()).rows == 64
    assert prescan(io.BytesIO(JPEG[:-40]), MediaKind.JPEG, limits=Limits()).rows == 64
    with pytest.raises(errors.ImageTruncated):
        decode(JPEG[:-40], longest_side=64)


def test_good_headers() -> None:
    header = prescan(io.BytesIO(GOOD), MediaKind.DICOM, limits=Limits())
    assert (header.rows, header.columns, header.modality, header.study_instance_uid) == (64, 256, "CR", "1.2")
    assert prescan(io.BytesIO(PNG), MediaKind.PNG, limits=Limits()).rows == 64
    assert prescan(io.BytesIO(JPEG), MediaKind.JPEG, limits=Limits()).columns == 48
    assert prescan(io.BytesIO(DEFLATED), MediaKind.DICOM, limits=Limits()).rows == 64
    assert prescan(io.BytesIO(dicom(ramp(), Modality=None)), MediaKind.DICOM, limits=Limits()).modality is None


def deflated_elements(count: int) -> bytes:
    """Zeros in private elements of a kilobyte each, none of which announces much, before a whole image."""
    meta = struct.unpack_from("<I", DEFLATED, 140)[0]
    plain = zlib.decompress(DEFLATED[144 + meta :], wbits=-15)
    pixels = plain.index(b"\xe0\x7f\x10\x00")
    element = b"\x09\x10\x10\x10OB\0\0" + struct.pack("<I", 1024) + bytes(1024)
    packer = zlib.compressobj(9, wbits=-15)
    body = packer.compress(plain[:pixels] + element * count + plain[pixels:]) + packer.flush()
    return DEFLATED[: 144 + meta] + body


def test_what_is_inflated_counts_not_what_is_announced() -> None:
    data = deflated_elements(4000)
    assert len(data) < 200_000
    with pytest.raises(errors.DecompressedTooLarge):
        prescan(io.BytesIO(data), MediaKind.DICOM, limits=Limits(inflated_bytes=2_000_000))
    assert prescan(io.BytesIO(data), MediaKind.DICOM, limits=Limits(inflated_bytes=8_000_000)).rows == 64


def test_the_work_of_a_walk_is_bounded() -> None:
    """Elements of a header, chunks of a PNG, scans of a JPEG: more than the limit are not looked at."""
    element = b"\x09\x10\x10\x10OB\0\0" + bytes(4)
    many = GOOD[:PIXELS] + element * 200 + GOOD[PIXELS:]
    chunks = PNG[:33] + (struct.pack(">I4s", 0, b"tEXt") + bytes(4)) * 200 + PNG[33:]
    scans = encoded(PICTURE, "JPEG", progressive=True)
    assert scans.count(b"\xff\xda") > 2
    for data, limits, error in (
        (many, Limits(elements=200), errors.DicomInvalid),
        (chunks, Limits(chunks=200), errors.ImageInvalid),
        (scans, Limits(scans=2), errors.ImageInvalid),
    ):
        with pytest.raises(error, match="too many"):
            prescan(io.BytesIO(data), identify(data[:132]), limits=limits)
        prescan(io.BytesIO(data), identify(data[:132]), limits=Limits())


# VmHWM is this program's own peak; ru_maxrss would still hold that of the process it was forked from.
MEASURED = """
import pathlib, sys
from core.errors import LucencyError
from imaging.identify import identify
from imaging.prescan import Limits, prescan

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024

before = peak()
with open(sys.argv[1], "rb") as file:
    try:
        prescan(file, identify(file.read(132)), limits=Limits())
        found = "accepted"
    except LucencyError as error:
        found = error.code
after = peak()
control = bytearray(b"x" * (96 << 20))
print(found, after - before, peak() - before)
"""
HUNDRED = 100 << 20
# Made when they are needed: they are large.
LARGE: dict[str, tuple[Callable[[], bytes], str]] = {
    "one element that inflates to a gigabyte": (bomb, "decompressed_too_large"),
    "small elements that inflate to 50 MB": (lambda: deflated_elements(49_000), "accepted"),
    "a gigapixel PNG": (lambda: PNG[:16] + struct.pack(">II", 50000, 20000) + PNG[24:], "pixels_too_large"),
    "a PNG with much text": (
        lambda: PNG[:33] + struct.pack(">I4s", HUNDRED, b"tEXt") + bytes(HUNDRED + 4) + PNG[33:], "accepted"),
    "much after the scan of a JPEG": (lambda: JPEG[:-2] + bytes(HUNDRED) + b"\xff\xd9", "accepted"),
    "a DICOM with a long element": (
        lambda: GOOD[:PIXELS] + b"\x09\x10\x10\x10OB\0\0" + struct.pack("<I", HUNDRED) + bytes(HUNDRED) + GOOD[PIXELS:],
        "accepted"),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_memory_of_the_process_that_scans(name: str, tmp_path: Path) -> None:
    make, expected = LARGE[name]
    (tmp_path / "upload").write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "upload")], check=True, capture_output=True, text=True
    )
    found, grown, control = done.stdout.split()
    assert found == expected
    assert int(grown) < 64
    assert int(control) > 90
