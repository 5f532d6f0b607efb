"""Full depth against pydicom's own pixels, and what a viewer makes of it against what the network is shown."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.pixels import apply_windowing
from pydicom.sequence import Sequence

from core.errors import DicomInvalid, ImageColoured
from imaging.decode import decode
from imaging.depth import full_depth
from imaging.display import PLAIN, DisplayAttributes, display_attributes
from imaging.header import Limits
from imaging.sandbox.pool import DecoderPool
from imaging.stored_header import read_header
from tests.data import encoded, generated_radiograph, shared
from tests.imaging.encodings import CODESTREAMS, NATIVE, START
from tests.imaging.encodings import written as written_as
from tests.imaging.reference import dicom, ramp

LIMITS = Limits()


@pytest.fixture(scope="module")
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(size=1, memory_bytes=1 << 30, timeout_s=10) as made:
        yield made


def depth(data: bytes) -> tuple[NDArray[Any], dict[str, Any]]:
    fields, raw = full_depth(data, limits=LIMITS)
    described: dict[str, Any] = dict(fields)
    kind = "i" if described["signed"] else "u"
    values = np.frombuffer(raw, f"<{kind}{described['bits'] // 8}")
    return values.reshape(described["rows"], described["columns"]), described


def display(data: bytes) -> DisplayAttributes:
    return display_attributes(read_header(io.BytesIO(data), limits=LIMITS).tree)


def viewed(data: bytes) -> NDArray[np.uint8]:
    """What a viewer shows first: the file's first window, or the percentiles; turned where small values are bright."""
    values, fields = depth(data)
    shown = display(data) if data[128:132] == b"DICM" else PLAIN
    window = shown.windows[0] if shown.windows else None
    lower, upper = (window.lower, window.upper) if window else (fields["low"], fields["high"])
    if window is not None and (upper <= fields["minimum"] or lower >= fields["maximum"]):
        lower, upper = fields["low"], fields["high"]
    levels = np.clip((values.astype(np.float64) - lower) / (upper - lower), 0, 1)
    return np.rint((1 - levels if shown.small_is_bright else levels) * 255).astype(np.uint8)


def lut(first: int, table: NDArray[Any], bits: int) -> Sequence:
    item = Dataset()
    item.LUTDescriptor, item.LUTData = [len(table), first, bits], table.astype(np.uint16).tobytes()
    item["LUTDescriptor"].VR, item["LUTData"].VR = "US", "OW"
    return Sequence([item])


@pytest.mark.parametrize("syntax", [*NATIVE, START + ".5", START + ".4.70", START + ".4.80", START + ".4.90"])
def test_values_are_the_stored_ones(syntax: str) -> None:
    assert START + ".4.70" in CODESTREAMS
    pixels = ramp()
    values, fields = depth(written_as(pixels, syntax))
    assert np.array_equal(values, pixels)
    assert (fields["bits"], fields["signed"]) == (16, False)
    assert (fields["minimum"], fields["maximum"]) == (int(pixels.min()), int(pixels.max()))
    assert [fields["low"], fields["high"]] == pytest.approx(list(np.percentile(pixels, (0.5, 99.5))))


def test_signed_and_eight_bit_values() -> None:
    pixels = ramp().astype(np.int16) - 1000
    values, fields = depth(dicom(pixels, PixelRepresentation=1))
    assert np.array_equal(values, pixels)
    assert fields["signed"]
    small = (ramp() // 16).astype(np.uint8)
    values, fields = depth(dicom(small, PhotometricInterpretation="MONOCHROME1"))
    assert np.array_equal(values, small)
    assert fields["bits"] == 8


@pytest.mark.parametrize(
    "attributes",
    [
        {"WindowCenter": 2000, "WindowWidth": 1000},
        {"WindowCenter": [1000, 2000], "WindowWidth": [400, 3000], "PhotometricInterpretation": "MONOCHROME1"},
        {"WindowCenter": 300.5, "WindowWidth": 777, "RescaleSlope": "0.5", "RescaleIntercept": "-100"},
        {"WindowCenter": -1500, "WindowWidth": 2000, "RescaleSlope": "-1", "RescaleIntercept": "0"},
        {"WindowCenter": 2000, "WindowWidth": 1000, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 2000, "WindowWidth": 3000, "PixelPaddingValue": 0},
        {"WindowCenter": 2000, "WindowWidth": 3000, "PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 3000,
         "PhotometricInterpretation": "MONOCHROME1"},
        {"WindowCenter": 90_000, "WindowWidth": 100},
        {},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"ModalityLUTSequence": lut(0, np.arange(4096)[::-1] * 2, 16), "WindowCenter": 4000, "WindowWidth": 6000},
    ],
    ids=lambda attributes: "-".join(f"{name}" for name in attributes) or "nothing",
)  # fmt: skip
def test_a_viewer_shows_what_the_network_is_shown(attributes: dict[str, Any]) -> None:
    data = dicom(ramp(), **attributes)
    network = decode(data, longest_side=4096).pixels
    assert np.abs(viewed(data).astype(int) - network).max() <= 1


@pytest.mark.parametrize("name", ["966_fixed", "JPEG2KLossless_1s_1f_u_16_16", "RG1_UNCR", "RG2_JPLL", "RG3_RLE"])
def test_real_files(name: str) -> None:
    path = shared(f"dicom_cr/{name}.dcm")
    data = path.read_bytes()
    if name not in ("JPEG2KLossless_1s_1f_u_16_16", "RG2_JPLL"):  # pydicom's plugins refuse these
        assert np.array_equal(depth(data)[0], pydicom.dcmread(path).pixel_array)
    network = decode(data, longest_side=4096).pixels
    assert np.abs(viewed(data).astype(int) - network).max() <= 1


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT"])
def test_windows_are_pydicoms(function: str) -> None:
    data = dicom(ramp(), WindowCenter=2000, WindowWidth=1001, VOILUTFunction=function, BitsStored=12, HighBit=11)
    window = display(data).windows[0]
    read = pydicom.dcmread(io.BytesIO(data))
    shown = apply_windowing(np.array([window.lower, window.upper]), read)
    assert shown == pytest.approx([0, 4095], abs=4095 / 1000)
    assert (window.source, window.center, window.width) == ("voi", 2000, 1001)


def test_a_table_is_offered_as_a_straight_line() -> None:
    table = np.concatenate([np.zeros(1000), np.arange(2000) * 2, np.full(1096, 4000)])
    data = dicom(ramp(), VOILUTSequence=lut(0, table, 12), WindowCenter=2000, WindowWidth=1000)
    line, window = display(data).windows
    assert (line.source, window.source) == ("lut", "voi")
    assert 1000 < line.lower < 1100
    assert 2900 < line.upper < 3000


def test_spacing() -> None:
    at_detector = display(dicom(ramp(), ImagerPixelSpacing=[0.2, 0.1])).spacing
    assert at_detector is not None
    assert (at_detector.rows, at_detector.columns, at_detector.calibrated) == (0.2, 0.1, False)
    in_patient = display(dicom(ramp(), ImagerPixelSpacing=[0.2, 0.2], PixelSpacing=[0.15, 0.15])).spacing
    assert in_patient is not None
    assert (in_patient.rows, in_patient.calibrated) == (0.15, True)
    assert display(dicom(ramp(), PixelSpacing=[0, 0])).spacing is None
    with pytest.raises(DicomInvalid):
        display(dicom(ramp(), RescaleSlope=0, RescaleIntercept=0))


def test_raster_files() -> None:
    pixels = generated_radiograph(90, 70)
    assert np.array_equal(depth(encoded(pixels))[0], pixels)
    deep = ramp(50, 60) * 13
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    values, fields = depth(buffer.getvalue())
    assert np.array_equal(values, deep)
    assert fields["bits"] == 16
    assert (
        np.abs(viewed(buffer.getvalue()).astype(int) - decode(buffer.getvalue(), longest_side=4096).pixels).max() <= 1
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    turned, _fields = depth(encoded(pixels, "JPEG", quality=100, exif=exif))
    assert turned.shape == (70, 90)
    assert np.abs(turned.astype(int) - np.rot90(pixels, -1)).mean() < 1
    with pytest.raises(ImageColoured):
        depth(encoded(np.dstack([pixels, pixels // 2, pixels // 3])))


def test_a_child_gives_the_same(pool: DecoderPool) -> None:
    data = dicom(ramp(), WindowCenter=2000, WindowWidth=1000)
    target = io.BytesIO()
    fields = pool.depth(io.BytesIO(data), size=len(data), target=target)
    assert (fields, target.getvalue()) == full_depth(data, limits=LIMITS)
