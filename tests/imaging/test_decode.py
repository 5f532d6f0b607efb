from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels import apply_voi_lut

from core.errors import DecodeFailed, ImageColoured, InputRejected, PixelsInconsistent
from imaging.decode import decode
from tests.data import encoded, generated_radiograph, shared
from tests.imaging.reference import REFERENCES, Reference, cr, dicom, ramp


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda reference: reference.name)
def test_reference_file(reference: Reference) -> None:
    radiograph = decode(reference.find(reference.name).read_bytes(), longest_side=512)
    assert (radiograph.rows, radiograph.columns) == (reference.rows, reference.columns)
    assert radiograph.pixels.shape == reference.shape
    assert radiograph.pixels.dtype == np.uint8
    assert radiograph.pixels.mean() == pytest.approx(reference.mean, abs=0.5)
    if reference.like is not None:
        twin = next(other for other in REFERENCES if other.name == reference.like)
        other = decode(twin.find(twin.name).read_bytes(), longest_side=512).pixels.astype(int)
        assert np.abs(other - radiograph.pixels).mean() < 1


@pytest.mark.parametrize("name", ["RG2_JPLY.dcm", "RG3_JPLY.dcm"])
def test_broken_scan_headers_are_refused(name: str) -> None:
    with pytest.raises(PixelsInconsistent) as caught:
        decode(cr(name).read_bytes(), longest_side=512)
    assert caught.value.code == "pixels_inconsistent"
    assert "scan header leaves frequencies out" in caught.value.detail


def test_truncated_jpegs_have_a_clear_outcome() -> None:
    outcomes = []
    for path in sorted(shared("fracatlas_raw/truncated").glob("*.jpg")):
        try:
            outcomes.append(decode(path.read_bytes(), longest_side=512).pixels.shape)
        except (InputRejected, DecodeFailed) as error:
            outcomes.append(error.code)
    assert len(outcomes) == 57


def test_monochrome1_equals_its_inverted_twin() -> None:
    pixels = ramp(300, 400)
    window = {"WindowCenter": 2048, "WindowWidth": 4096, "BitsStored": 12, "HighBit": 11}
    one = decode(dicom(pixels, PhotometricInterpretation="MONOCHROME1", **window), longest_side=128)
    two = decode(dicom(4095 - pixels, **window), longest_side=128)
    assert np.abs(one.pixels.astype(int) - two.pixels).max() <= 1
    assert one.pixels[0, 0] > 250


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("rescale", [(1, 0), (2, -1000), (-1, 500)])
def test_windows_are_those_of_pydicom(function: str, rescale: tuple[int, int]) -> None:
    dataset = Dataset()
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.WindowCenter, dataset.WindowWidth, dataset.VOILUTFunction = 600, 1500, function
    dataset.BitsStored, dataset.PixelRepresentation = 16, 0
    expected = apply_voi_lut(ramp().astype(np.float64) * rescale[0] + rescale[1], dataset)
    attributes = {element.keyword: element.value for element in dataset}
    data = dicom(ramp(), RescaleSlope=rescale[0], RescaleIntercept=rescale[1], **attributes)
    found = decode(data, longest_side=256).pixels
    assert expected.std() > 1000
    assert np.abs(expected / 65535 * 255 - found).max() < 1


@pytest.mark.parametrize(("center", "width"), [(7, 4), (7.5, 5), (8, 1), (7.25, 2)])
def test_a_narrow_window_is_pydicoms(center: float, width: float) -> None:
    """LINEAR is shifted by half a value (PS3.3 C.11.2.1.2), which shows where a window holds few values."""
    pixels = np.arange(16, dtype=np.uint16)[None]
    dataset = Dataset()
    dataset.PhotometricInterpretation, dataset.BitsStored, dataset.PixelRepresentation = "MONOCHROME2", 8, 0
    dataset.WindowCenter, dataset.WindowWidth = center, width
    expected = apply_voi_lut(pixels.astype(np.float64), dataset)
    found = decode(dicom(pixels, WindowCenter=center, WindowWidth=width), longest_side=16).pixels
    assert np.abs(expected - found).max() < 1


def lut(values: list[int], *, first: int = 0, bits: int = 16) -> list[Dataset]:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(values), first, bits])
    item.add_new(0x00283006, "US", values)
    return [item]


def test_lookup_tables_go_before_windows_and_ends_are_held() -> None:
    voi = lut([0, 255, 0, 255], first=1, bits=8)
    found = decode(dicom(np.array([[0, 1, 2, 3, 4, 9]], np.uint16), VOILUTSequence=voi), longest_side=9).pixels
    assert found.tolist() == [[0, 0, 255, 0, 255, 255]]
    both = dicom(
        np.array([[0, 1, 2]], np.uint16), ModalityLUTSequence=lut([0, 300, 100]), WindowCenter=150, WindowWidth=300,
        VOILUTFunction="LINEAR_EXACT",
    )  # fmt: skip
    assert decode(both, longest_side=9).pixels.tolist() == [[0, 255, 85]]


def test_a_voi_lut_goes_before_a_window() -> None:
    pixels = np.array([[0, 1, 2]], np.uint16)
    both = dicom(pixels, VOILUTSequence=lut([0, 255, 0], bits=8), WindowCenter=2, WindowWidth=2)
    assert decode(both, longest_side=9).pixels.tolist() == [[0, 255, 0]]


def test_a_tables_first_value_may_be_negative() -> None:
    """PS3.3 C.11.1.1.1: it is a signed number where what goes in is."""
    values = [0, 100, 200, 255]
    table = lut(values, first=65534, bits=8)
    window = {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
    signed = dicom(np.array([[-9, -2, -1, 0, 1, 9]], np.int16), ModalityLUTSequence=table, **window)
    assert decode(signed, longest_side=9).pixels.tolist() == [[0, 0, 100, 200, 255, 255]]
    table = lut(values, first=65000, bits=8)
    unsigned = dicom(np.array([[0, 65000, 65001, 65003, 65535]], np.uint16), ModalityLUTSequence=table, **window)
    assert decode(unsigned, longest_side=9).pixels.tolist() == [[0, 0, 100, 255, 255]]


@pytest.mark.parametrize("syntax", ["", ".1", ".1.99", ".2"])
def test_native_encodings_agree(syntax: str) -> None:
    pixels = ramp(300, 400)
    expected = decode(dicom(pixels), longest_side=100).pixels
    assert (decode(dicom(pixels, syntax="1.2.840.10008.1.2" + syntax), longest_side=100).pixels == expected).all()


def test_junk_high_bits_sign_and_padding() -> None:
    window = {"WindowCenter": 2048, "WindowWidth": 4096}
    twelve = {"BitsStored": 12, "HighBit": 11}
    expected = decode(dicom(ramp(), **twelve, **window), longest_side=256).pixels
    assert (decode(dicom(ramp() | 0xF000, **twelve, **window), longest_side=256).pixels == expected).all()
    signed = (ramp().astype(np.int16)) - 2048
    shifted = dicom(signed, **twelve, WindowCenter=0, WindowWidth=4096)
    assert (decode(shifted, longest_side=256).pixels == expected).all()
    padded = ramp()
    padded[:10] = 60000
    found = decode(dicom(padded, PixelPaddingValue=60000), longest_side=256).pixels
    assert (found[:10] == 0).all()
    assert found[20, -1] == 255


def test_dimensions_that_differ_are_refused() -> None:
    with pytest.raises(PixelsInconsistent):
        decode(dicom(ramp(), Rows=128), longest_side=256)


def test_raster_depths_colour_and_orientation() -> None:
    picture = generated_radiograph(320, 240)
    assert (decode(encoded(picture), longest_side=999).pixels == picture).all()
    colour = np.stack([picture] * 3, axis=2)
    assert (decode(encoded(colour), longest_side=999).pixels == picture).all()
    with pytest.raises(ImageColoured):
        decode(encoded(colour * np.array([1, 0, 0], np.uint8)), longest_side=999)
    assert decode(encoded(ramp()), longest_side=999).pixels[0, [0, -1]].tolist() == [0, 255]
    exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    turned = decode(encoded(picture, "JPEG", exif=exif, quality=95), longest_side=999)
    assert (turned.rows, turned.columns) == (240, 320)
    assert np.abs(turned.pixels.astype(int) - np.rot90(picture, -1)).mean() < 3
