from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest

from core import errors
from core.vocabulary import MediaKind
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


BAD = {
    "no prefix": (GOOD[:128] + b"DICX" + GOOD[132:], errors.TypeUnsupported),
    "empty": (b"", errors.UploadEmpty),
    "cut in the header": (GOOD[: PIXELS - 29], errors.DicomTruncated),
    "cut in the pixels": (GOOD[:-100], errors.DicomTruncated),
    "overlong element": (
        GOOD[:PIXELS] + b"\x09\x00\x10\x00OB\0\0\xf0\xff\xff\x7f" + GOOD[PIXELS:], errors.DicomTruncated),
    "nested": (GOOD[:META_END] + NESTED * 400, errors.DicomTooDeep),
    "bomb": (bomb(), errors.DecompressedTooLarge),
    "terabytes": (dicom(ramp(), Rows=65535, Columns=65535, NumberOfFrames=250), errors.PixelsTooLarge),
    "short pixels": (dicom(ramp(), Rows=65), errors.PixelsInconsistent),
    "frames": (dicom(ramp(), NumberOfFrames=2), errors.NotApplicable),
    "ct": (dicom(ramp(), Modality="CT"), errors.NotApplicable),
    "other": (dicom(ramp(), Modality="OT"), errors.NotApplicable),
    "palette": (dicom(ramp(), PhotometricInterpretation="PALETTE COLOR"), errors.NotApplicable),
    "burned in": (dicom(ramp(), BurnedInAnnotation="YES"), errors.BurnedInPhi),
    "video": (GOOD.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0", 1), errors.TransferSyntaxUnsupported),
    "program": (b"MZ" + GOOD[2:], errors.Polyglot),
    "gif": (b"GIF89a" + bytes(200), errors.TypeUnsupported),
    "svg": (b"<svg xmlns=''/>", errors.TypeUnsupported),
    "cut png": (PNG[:-20], errors.ImageTruncated),
    "png without end": (PNG[:-12], errors.ImageTruncated),
    "large png": (PNG[:16] + struct.pack(">II", 50000, 50000) + PNG[24:], errors.PixelsTooLarge),
    "animated": (PNG[:33] + struct.pack(">I4sIII", 8, b"acTL", 2, 0, 0) + PNG[33:], errors.ImageAnimated),
    "cut jpeg": (JPEG[:-40], errors.ImageTruncated),
    "cut jpeg header": (JPEG[:60], errors.ImageTruncated),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name: str) -> None:
    data, kind = BAD[name]
    with pytest.raises(errors.LucencyError) as caught:
        scan(data)
    assert type(caught.value) is kind


def test_good_headers() -> None:
    header = prescan(io.BytesIO(GOOD), MediaKind.DICOM, limits=Limits())
    assert (header.rows, header.columns, header.modality, header.study_instance_uid) == (64, 256, "CR", "1.2")
    assert prescan(io.BytesIO(PNG), MediaKind.PNG, limits=Limits()).rows == 64
    assert prescan(io.BytesIO(JPEG), MediaKind.JPEG, limits=Limits()).columns == 48
    assert prescan(io.BytesIO(DEFLATED), MediaKind.DICOM, limits=Limits()).rows == 64
    assert prescan(io.BytesIO(dicom(ramp(), Modality=None)), MediaKind.DICOM, limits=Limits()).modality is None
