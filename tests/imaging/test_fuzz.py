"""Real files, damaged: whatever is sent, only the errors of the contract come out."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from core.errors import DecodeFailed, InputRejected
from imaging.decode import decode
from imaging.identify import HEAD_BYTES, identify
from imaging.prescan import Limits, prescan
from tests.data import encoded, generated_radiograph
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, compressed, written
from tests.imaging.field_cases import data_set

LIMITS = Limits(pixels=1_000_000, inflated_bytes=4_000_000)
GREY = generated_radiograph(24, 32)
WINDOW = {"WindowCenter": 2000, "WindowWidth": 4000, "BitsStored": 12, "HighBit": 11, "RescaleSlope": "1"}
WIDE = GREY.astype(np.uint16) * 16
WIDE_SYNTAXES = [syntax for syntax in [*NATIVE, *CODESTREAMS] if syntax != EIGHT_BIT]
DICOM = [written(GREY, EIGHT_BIT), *(written(WIDE, syntax, **WINDOW) for syntax in WIDE_SYNTAXES)]
PNG = [encoded(GREY), encoded(WIDE), encoded(np.stack([GREY] * 3, axis=2))]
JPEG = [encoded(GREY, "JPEG"), encoded(GREY, "JPEG", progressive=True), encoded(np.stack([GREY] * 3, axis=2), "JPEG")]
# What begins or ends otherwise than it should, and is taken.
BARE = [data_set(file) for file in DICOM if b"1.2.840.10008.1.2.1.99" not in file[:400]]
OPEN = [
    *(compressed(WIDE, CODESTREAMS[syntax](WIDE).rstrip(b"\0")[:-2], syntax, **WINDOW) for syntax in WIDE_SYNTAXES[5:]),
    *(file[:-2] for file in JPEG),
]
# Lengths, counts and dimensions that break arithmetic.
NUMBERS = [0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF]


@st.composite
def damaged(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    data = bytearray(draw(st.sampled_from(seeds)))
    # Behind the preamble of DICOM, most often in the header.
    first = 128 if data[128:132] == b"DICM" else 0
    place = st.one_of(st.integers(first, min(first + 700, len(data) - 1)), st.integers(first, len(data) - 1))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(place)
        kind = draw(st.sampled_from(["byte", "number", "cut", "insert", "repeat"]))
        if kind == "byte" and at < len(data):
            data[at] = draw(st.integers(0, 255))
        elif kind == "number":
            form = draw(st.sampled_from(["<I", ">I"]))
            data[at : at + 4] = struct.pack(form, draw(st.sampled_from(NUMBERS)))
        elif kind == "cut":
            del data[at : at + draw(st.integers(1, 64))]
        elif kind == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=16))
        else:
            data[at:at] = data[at : at + draw(st.integers(1, 64))]
    if draw(st.integers(0, 4)) == 0:
        del data[draw(place) :]
    return bytes(data)


def outcome(data: bytes) -> str:
    """How the file ends: read, or refused by whom. Anything else is raised."""
    try:
        kind = identify(data[:HEAD_BYTES])
        prescan(io.BytesIO(data), kind, limits=LIMITS)
    except InputRejected:
        with pytest.raises(InputRejected):  # the decoder must never accept what the API refused
            decode(data, longest_side=16, limits=LIMITS)
        return "refused"
    try:
        radiograph = decode(data, longest_side=16, limits=LIMITS)
    except (InputRejected, DecodeFailed):
        return "failed"
    assert radiograph.pixels.dtype == np.uint8
    assert 1 <= max(radiograph.pixels.shape) <= 16
    return "read"


@pytest.mark.parametrize("seeds", [DICOM, PNG, JPEG, BARE, OPEN], ids=["dicom", "png", "jpeg", "bare", "open"])
def test_damage_ends_in_our_errors_only(seeds: list[bytes]) -> None:
    assert {outcome(seed) for seed in seeds} == {"read"}
    seen: set[str] = set()

    @settings(max_examples=500, deadline=None, derandomize=True, database=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(damaged(seeds))
    def check(data: bytes) -> None:
        found = outcome(data)
        event(found)
        seen.add(found)

    check()
    # Of files that begin or end oddly nearly all damage is seen before a codec is.
    assert seen >= {"refused", "read"} | (set() if seeds in (BARE, OPEN) else {"failed"})
