"""Frames as stored values and as pictures, against pydicom's own pixels."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pydicom
import pytest
from PIL import Image

from core.errors import DicomInvalid, PixelsTooLarge
from imaging import frames
from imaging.decode_requests import FrameRequest, PictureFormat, PictureRequest, read, written
from imaging.header import Limits
from imaging.sandbox.pool import DecoderPool
from tests.data import pydicom_file, shared
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, START
from tests.imaging.encodings import written as encoded
from tests.imaging.reference import dicom, ramp

LIMITS = Limits()
# Lossless, and decodable by pydicom with what is installed.
EXACT = [*NATIVE, *(START + end for end in (".5", ".4.80", ".4.90"))]


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(size=1, memory_bytes=1 << 30, timeout_s=10) as made:
        yield made


def of(data: bytes) -> bytes:
    return frames.answer(data, FrameRequest(), limits=LIMITS)[1]


def little(pixels: np.ndarray) -> bytes:
    return bytes(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes())


@pytest.mark.parametrize("syntax", EXACT)
def test_stored_values_are_pydicoms(syntax: str) -> None:
    pixels = ramp()
    data = encoded(pixels, syntax)
    found = of(data)
    assert found == little(pydicom.dcmread(io.BytesIO(data)).pixel_array)
    assert found == little(pixels)


@pytest.mark.parametrize("syntax", sorted(CODESTREAMS))
def test_every_syntax_gives_bits_allocated(syntax: str) -> None:
    pixels = ramp() // 16 if syntax == EIGHT_BIT else ramp()
    pixels = pixels.astype(np.uint8) if syntax == EIGHT_BIT else pixels
    found = np.frombuffer(of(encoded(pixels, syntax)), pixels.dtype).reshape(pixels.shape)
    assert np.abs(found.astype(int) - pixels).max() <= (12 if syntax.endswith((".50", ".51")) else 0)


@pytest.mark.parametrize("name", ["RG2_J2KR", "RG2_JLSL", "RG1_JLSN", "RG3_RLE", "RG1_UNCR", "966_fixed", "RG3_J2KI"])
def test_real_files(name: str) -> None:
    path = shared(f"dicom_cr/{name}.dcm")
    assert of(path.read_bytes()) == little(pydicom.dcmread(path).pixel_array)


def test_signed_values_keep_their_sign() -> None:
    pixels = ramp().astype(np.int16) - 1000
    data = dicom(pixels, syntax=START + ".1", PixelRepresentation=1)
    assert of(data) == little(pixels)


def test_the_pool_streams_both_ways(pool: DecoderPool) -> None:
    path = pydicom_file("RG3_UNCI.dcm")
    target = io.BytesIO()
    with path.open("rb") as file:
        assert pool.frame(file, size=path.stat().st_size, target=target) == "MONOCHROME1"
    assert target.getvalue() == little(pydicom.dcmread(path).pixel_array)


def test_pictures(pool: DecoderPool) -> None:
    pixels = ramp(400, 300)
    data = dicom(pixels, syntax=START + ".1")

    def shown(**asked: object) -> Image.Image:
        request = PictureRequest(**asked)  # type: ignore[arg-type]
        made = Image.open(io.BytesIO(pool.picture(io.BytesIO(data), request, size=len(data))))
        made.load()
        return made

    whole = shown(format=PictureFormat.PNG)
    assert (whole.size, whole.mode, whole.format) == ((300, 400), "L", "PNG")
    assert shown().format == "JPEG"
    assert shown(viewport=(60, 60)).size == (45, 60)
    assert shown(viewport=(600, 1600)).size == (600, 800)
    low, high = int(pixels.min()), int(pixels.max())
    exact = shown(format=PictureFormat.PNG, window=((low + high) / 2, high - low, "LINEAR_EXACT"))
    wanted = np.rint((pixels.astype(float) - low) / (high - low) * 255)
    assert np.abs(np.asarray(exact).astype(float) - wanted).max() <= 1
    part = shown(format=PictureFormat.PNG, source=(10, 20, -30, 40))
    assert np.array_equal(np.asarray(part), np.asarray(whole)[20:60, 10:40][:, ::-1])
    assert part.size == (30, 40)
    with pytest.raises(DicomInvalid):
        shown(source=(300, 0, 10, 10))
    with pytest.raises(DicomInvalid):
        shown(window=(0, 0, "LINEAR"))


def test_refusals_come_back_as_they_are() -> None:
    data = dicom(ramp(), syntax=START + ".1")
    with DecoderPool(size=1, memory_bytes=1 << 30, timeout_s=10, limits=Limits(pixels=10)) as small:
        for _ in range(2):
            with pytest.raises(PixelsTooLarge):
                small.picture(io.BytesIO(data), PictureRequest(), size=len(data))


def test_a_wish_travels() -> None:
    request = PictureRequest(window=(1.5, 2.0, "SIGMOID"), source=(1, 2, -3, 4), viewport=(5, 6), quality=7)
    assert read(written(request)) == request
    assert read(written(FrameRequest())) == FrameRequest()
    assert read(written(None)) is None
