from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from core.errors import DecodeFailed, DicomTruncated, ImageColoured, NotApplicable
from core.transfer_syntaxes import JPEG_2000, SUPPORTED
from imaging.decode import decode
from imaging.exif import upright
from tests.data import encoded, generated_radiograph
from tests.imaging.encodings import CODESTREAMS, EIGHT_BIT, NATIVE, START, compressed, png, written
from tests.imaging.reference import dicom, ramp

# JPEG-LS near-lossless cannot be told from lossless by its decoder: the reference files cover it.
WRITABLE = sorted(set(NATIVE) | set(CODESTREAMS))
GREY = generated_radiograph(200, 300)


def apart(one: np.ndarray, two: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - two).mean())


def test_every_accepted_syntax_is_written_here_but_one() -> None:
    assert set(WRITABLE) == SUPPORTED - {START + ".4.81"}


@pytest.mark.parametrize("side", [300, 64])
@pytest.mark.parametrize("syntax", WRITABLE)
def test_every_syntax_gives_the_same_picture_and_monochrome1_its_inverse(syntax: str, side: int) -> None:
    eight = syntax == EIGHT_BIT
    pixels = GREY if eight else GREY.astype(np.uint16) * 16
    top = 255 if eight else 4095
    window = {"WindowCenter": (top + 1) / 2, "WindowWidth": top + 1, "VOILUTFunction": "LINEAR"}
    if not eight:
        window |= {"BitsStored": 12, "HighBit": 11}
    expected = decode(dicom(pixels, **window), longest_side=side).pixels
    found = decode(written(pixels, syntax, **window), longest_side=side)
    inverse = decode(
        written(top - pixels, syntax, PhotometricInterpretation="MONOCHROME1", **window), longest_side=side
    )
    assert found.transfer_syntax == syntax
    assert expected.std() > 20
    # A reduced level of JPEG 2000 filters noise otherwise than an area mean does.
    near = 2.5 if syntax in JPEG_2000 and side < 300 else 1.0
    assert apart(expected, found.pixels) < near
    assert apart(expected, inverse.pixels) < near


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    return encoded(pixels, "JPEG", quality=97, **options)


COLOUR = {"SamplesPerPixel": 3, "PlanarConfiguration": 0, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}


@pytest.mark.parametrize("subsampling", [0, 2])
def test_grey_in_the_colour_of_a_jpeg(subsampling: int) -> None:
    stream = jpeg(np.stack([GREY] * 3, axis=2), subsampling=subsampling)
    file = compressed(GREY, stream, EIGHT_BIT, **COLOUR | {"PhotometricInterpretation": "YBR_FULL_422"})
    expected = decode(dicom(GREY), longest_side=300).pixels
    found = decode(file, longest_side=300)
    assert found.photometric_interpretation == "YBR_FULL_422"
    assert apart(GREY, found.pixels) < 2
    assert expected.shape == found.pixels.shape
    red = jpeg(np.stack([GREY, GREY // 2, GREY // 2], axis=2))
    with pytest.raises(ImageColoured):
        decode(compressed(GREY, red, EIGHT_BIT, **COLOUR | {"PhotometricInterpretation": "YBR_FULL_422"}),
               longest_side=300)  # fmt: skip


@pytest.mark.parametrize("planar", [0, 1])
@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_both_planar_configurations(photometric: str, planar: int) -> None:
    still = np.full_like(GREY, 128)
    channels = np.stack([GREY] * 3 if photometric == "RGB" else [GREY, still, still], axis=2)
    stored = np.ascontiguousarray(channels.transpose(2, 0, 1) if planar else channels)
    attributes = COLOUR | {"PlanarConfiguration": planar, "PhotometricInterpretation": photometric}
    data = dicom(stored, **attributes, Rows=GREY.shape[0], Columns=GREY.shape[1])
    assert (decode(data, longest_side=300).pixels == GREY).all()
    with pytest.raises(ImageColoured):  # read the other way round, the channels disagree
        decode(dicom(stored, **attributes | {"PlanarConfiguration": 1 - planar}, Rows=GREY.shape[0],
                     Columns=GREY.shape[1]), longest_side=300)  # fmt: skip


def test_uncompressed_subsampled_colour_is_refused() -> None:
    attributes = COLOUR | {"PhotometricInterpretation": "YBR_FULL_422", "Rows": 200, "Columns": 300}
    with pytest.raises(NotApplicable):
        decode(dicom(np.stack([GREY] * 3, axis=2), **attributes), longest_side=64)


def test_what_is_transparent_is_black() -> None:
    for mode in ("LA", "RGBA"):
        picture = Image.fromarray(GREY).convert(mode)
        alpha = np.full(GREY.shape, 255, np.uint8)
        alpha[:50] = 0
        picture.putalpha(Image.fromarray(alpha))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        found = decode(buffer.getvalue(), longest_side=300).pixels
        assert (found[:50] == 0).all()
        assert (found[50:] == GREY[50:]).all()


def test_palettes_of_grey_and_of_colour() -> None:
    for palette, fine in ((np.repeat(np.arange(256)[::-1], 3), True), (np.arange(768) * 5 % 256, False)):
        picture = Image.fromarray(GREY).copy()
        picture = Image.frombytes("P", picture.size, picture.tobytes())
        picture.putpalette(bytes(palette.astype(np.uint8)))
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        if fine:
            assert (decode(buffer.getvalue(), longest_side=300).pixels == 255 - GREY).all()
        else:
            with pytest.raises(ImageColoured):
                decode(buffer.getvalue(), longest_side=300)


def test_one_bit_png() -> None:
    found = decode(png(2, 8, bits=1, body=b"\0\xf0\0\x0f"), longest_side=8)
    assert found.pixels.tolist() == [[255] * 4 + [0] * 4, [0] * 4 + [255] * 4]
    assert found.bits_stored == 1


def test_interlaced_16_bit_png() -> None:
    values = ramp(16, 24, top=65535).astype(">u2")
    body = b""
    for y, x, down, right in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
                              (1, 0, 2, 1)):  # fmt: skip
        body += b"".join(b"\0" + line.tobytes() for line in values[y::down, x::right])
    found = decode(png(16, 24, bits=16, interlace=1, body=body), longest_side=24)
    plain = decode(png(16, 24, bits=16, body=b"".join(b"\0" + line.tobytes() for line in values)), longest_side=24)
    assert (found.pixels == plain.pixels).all()
    assert found.pixels[0, [0, -1]].tolist() == [0, 255]


def test_progressive_jpeg_and_cmyk() -> None:
    found = decode(jpeg(GREY, progressive=True), longest_side=300).pixels
    assert apart(GREY, found) < 2
    buffer = io.BytesIO()
    Image.new("CMYK", (64, 64)).save(buffer, "JPEG")
    with pytest.raises(ImageColoured):
        decode(buffer.getvalue(), longest_side=64)


# For each orientation, how the stored picture is made from the upright one (Exif 2.32, 4.6.4 A).
STORED = {
    1: lambda p: p, 2: np.fliplr, 3: lambda p: np.rot90(p, 2), 4: np.flipud, 5: lambda p: p.T,
    6: lambda p: np.rot90(p, 1), 7: lambda p: np.rot90(p, 2).T, 8: lambda p: np.rot90(p, -1),
}  # fmt: skip


@pytest.mark.parametrize("value", STORED)
@pytest.mark.parametrize("side", [300, 75])
def test_all_orientations(value: int, side: int) -> None:
    stored = np.ascontiguousarray(STORED[value](GREY))
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([value]) + b"\0\0\0\0\0\0"
    found = decode(jpeg(stored, exif=exif), longest_side=side)
    assert (found.rows, found.columns) == GREY.shape
    assert (upright(stored, value) == GREY).all()
    expected = cv2.resize(GREY, found.pixels.shape[::-1], interpolation=cv2.INTER_AREA)
    assert apart(expected, found.pixels) < 3


def test_truncated_compressed_dicom() -> None:
    for syntax in (EIGHT_BIT, START + ".4.70", START + ".4.80", START + ".4.90"):
        pixels = GREY if syntax == EIGHT_BIT else GREY.astype(np.uint16) * 16
        stream = CODESTREAMS[syntax](pixels)
        with pytest.raises(DicomTruncated):
            decode(written(pixels, syntax)[:-3000], longest_side=300)
        with pytest.raises(DicomTruncated):
            decode(compressed(pixels, stream[: len(stream) // 2], syntax), longest_side=300)


def test_scans_cut_short_behind_an_end_marker() -> None:
    """JPEG-LS and JPEG 2000 codecs tell. libjpeg only warns, and none of its bindings passes that on: the rest of the
    picture is one flat grey, as every viewer shows it.
    """
    wide = GREY.astype(np.uint16) * 16
    stream = CODESTREAMS[START + ".4.80"](wide)
    with pytest.raises(DecodeFailed):
        decode(compressed(wide, stream[: len(stream) // 2] + b"\xff\xd9", START + ".4.80"), longest_side=300)
    whole = jpeg(GREY)
    found = decode(whole[: len(whole) // 2] + b"\xff\xd9", longest_side=300).pixels
    assert found[-20:].std() == 0
    assert apart(GREY[:60], found[:60]) < 2
