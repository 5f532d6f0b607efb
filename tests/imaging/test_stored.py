"""What is stored decodes to the same pixels as what came, in every transfer syntax, and holds nothing around them."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import generate_fragments

from core.errors import LucencyError
from core.identity import Identity
from core.sealing import SiteKey
from core.vocabulary import MediaKind
from imaging.decode import decode
from imaging.header import Limits
from imaging.identify import HEAD_BYTES, identify
from imaging.ingest import scan, to_store
from tests.data import shared
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, written
from tests.imaging.reference import dicom, ramp

KEY = SiteKey(b"k" * 32)


def stored(data: bytes) -> tuple[bytes, Identity | None]:
    file = io.BytesIO(data)
    kind = identify(data[:HEAD_BYTES])
    made = to_store(file, scan(file, kind, limits=Limits()), key=KEY, limits=Limits())
    try:
        content = made.reading(file).read()
        assert len(content) == made.size
        # Read again from a position in the middle, as a request that is repeated does.
        reader = made.reading(file)
        reader.seek(made.size // 2)
        assert reader.read() == content[made.size // 2 :]
        return content, made.identity
    finally:
        made.close()


@pytest.mark.parametrize("syntax", [*NATIVE, *CODESTREAMS])
def test_pixels_are_the_same_in_every_transfer_syntax(syntax: str) -> None:
    data = written(ramp(top=255).astype(np.uint8) if syntax == EIGHT_BIT else ramp(), syntax)
    after, identity = stored(data)
    assert identity is not None
    assert identity.sop_instance_uid == "1.2.3"
    before, now = dcmread(io.BytesIO(data)), dcmread(io.BytesIO(after))
    assert now.file_meta.TransferSyntaxUID == syntax
    if syntax in CODESTREAMS:
        # But for the Basic Offset Table, which is the first: it may be empty, and now is.
        assert list(generate_fragments(now.PixelData))[1:] == list(generate_fragments(before.PixelData))[1:]
    else:
        assert now.PixelData == before.PixelData
    assert np.array_equal(decode(after, longest_side=256).pixels, decode(data, longest_side=256).pixels)
    # A second time there is nothing left to do, but to stand for what stands for something.
    assert len(stored(after)[0]) == len(after)


def test_nothing_around_the_pixels_is_kept() -> None:
    padded = dicom(ramp()) + b"\xfc\xff\xfc\xffOB\0\0\x0a\0\0\0CANARY PAD"
    odd = dicom(ramp(rows=7, columns=3).astype(np.uint8))
    # PS3.5 8.1.1: pixel data of odd length has one byte more, which may be anything.
    odd = odd[:-1] + b"C"
    for data in (padded, odd):
        after, _ = stored(data)
        assert b"CANARY" not in after
        assert np.array_equal(decode(after, longest_side=64).pixels, decode(data, longest_side=64).pixels)
    assert stored(odd)[0].endswith(b"\0")


def test_real_files_decode_to_the_same_pixels() -> None:
    compared = 0
    for path in sorted(shared("dicom_cr").glob("*.dcm")):
        data = bytes(128) + path.read_bytes()[128:]
        try:
            before = decode(data, longest_side=1024)
        except LucencyError:
            continue
        after, identity = stored(data)
        assert identity is not None
        assert np.array_equal(decode(after, longest_side=1024).pixels, before.pixels), path.name
        for value in (identity.patient_name, identity.sop_instance_uid, identity.study_instance_uid):
            assert not value or value.encode() not in after, path.name
        compared += 1
    assert compared >= 18


def test_names_are_read_in_their_character_set() -> None:
    cases = {
        "ISO_IR 100": ("Müller^Jörg", b"M\xfcller^J\xf6rg"),
        "ISO_IR 192": ("山田^太郎", "山田^太郎".encode()),
        "": ("Plain^Name", b"Plain^Name"),
        "ISO_IR 144": ("Иванов^Иван", "Иванов^Иван".encode("iso8859_5")),
        "ISO_IR 126": ("Διονυσιος", "Διονυσιος".encode("iso8859_7")),
        # PS3.5 annex H.3.1 and I.2.
        "\\ISO 2022 IR 87": (
            "Yamada^Tarou=山田^太郎=やまだ^たろう",
            b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        ),
        "\\ISO 2022 IR 149": (
            "Hong^Gildong=洪^吉洞=홍^길동",
            b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
        ),
        "ISO_IR 999": ("M\xfcller", b"M\xfcller"),
    }
    for term, (name, raw) in cases.items():
        data = dcmread(io.BytesIO(dicom(ramp())))
        data.add_new(0x00080005, "LO", "ISO_IR 100" if term == "ISO_IR 999" else term)
        data.add_new(0x00100010, "UN", raw + b" " * (len(raw) % 2))
        buffer = io.BytesIO()
        data.save_as(buffer, enforce_file_format=True)
        # pydicom writes no term that it does not know.
        content = buffer.getvalue()
        _, identity = stored(content.replace(b"ISO_IR 100", b"ISO_IR 999") if term == "ISO_IR 999" else content)
        assert identity is not None
        assert identity.patient_name == name, term


def test_memory_stays_small_for_a_large_file(tmp_path: Path) -> None:
    """50 MB of pixels and a header of 16 MB cost some megabytes, deflated too."""
    pixels = np.zeros((5000, 5000), np.uint16)
    for syntax in (NATIVE[1], NATIVE[2]):
        data = dcmread(io.BytesIO(dicom(pixels, syntax=syntax)))
        data.add_new(0x00090010, "LO", "ACME")
        data.add_new(0x00091001, "OB", bytes(16_000_000))
        path = tmp_path / f"{syntax}.dcm"
        data.save_as(path, enforce_file_format=True)
        del data
        with path.open("rb") as file:
            tracemalloc.start()
            made = to_store(
                file, scan(file, MediaKind.DICOM, limits=Limits()), key=KEY, limits=Limits(), folder=tmp_path
            )
            reader = made.reading(file)
            while reader.read(1 << 20):
                pass
            _now, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            made.close()
        assert made.size < 51_000_000
        assert peak < 12_000_000, syntax
