"""Every fault of the field gives the control's picture: to the network, to the viewer, to DICOMweb, and as stored."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from core.dicom_start import HEAD_BYTES
from core.errors import DicomInvalid, DicomTruncated, ImageTruncated, InputRejected, TypeUnsupported
from core.sealing import SiteKey
from core.transfer_syntaxes import JPEG_2000
from core.vocabulary import MediaKind
from imaging.aspect import square_size
from imaging.decode import decode
from imaging.decode_requests import PictureFormat, PictureRequest
from imaging.file_meta import media_storage
from imaging.frames import answer
from imaging.header import Limits
from imaging.identify import identify
from imaging.ingest import scan, to_store
from imaging.prescan import prescan
from imaging.resize import fitted
from networks.preprocessing import Preprocessing
from networks.regions import regions_of_interest
from tests.data import shared
from tests.imaging.encodings import START
from tests.imaging.field_cases import (
    ALLOWED,
    BIG,
    COLUMNS,
    CONTROL,
    ENDED,
    ENDS,
    EXPLICIT,
    IMPLICIT,
    LOOK_UPS,
    OPENINGS,
    RASTERS,
    ROWS,
    SCENE,
    SHAPES,
    SQUARE,
    TWELVE,
    WINDOW,
    LookUp,
    Table,
    apart,
    codestream,
    data_set,
    in_syntax,
    raster,
    shortened,
    unopened,
    with_frame,
)
from tests.imaging.reference import dicom
from tests.imaging.test_depth import depth, viewed

LIMITS = Limits()
KEY = SiteKey(b"k" * 32)
# A picture in JPEG, and the half level that tables of 8 bits and straight lines cost.
NEAR = 0.01


def network(data: bytes) -> np.ndarray:
    return decode(data, longest_side=512).pixels


def stored(data: bytes) -> bytes:
    """What the intake puts into the store."""
    file = io.BytesIO(data)
    scanned = scan(file, identify(data[:HEAD_BYTES]), limits=LIMITS)
    made = to_store(file, scanned, key=KEY, limits=LIMITS)
    try:
        return made.reading(file).read()
    finally:
        made.close()


def seen(data: bytes) -> np.ndarray:
    """What a viewer shows: the stored values through its window, in the shape that `aspect` gives them."""
    picture, fields = viewed(data), depth(data)[1]
    assert picture.shape == (fields["rows"], fields["columns"])
    return fitted(picture, square_size(*picture.shape, fields["aspect"]))


def rendered(data: bytes, request: PictureRequest | None = None) -> np.ndarray:
    request = request or PictureRequest(PictureFormat.PNG)
    return np.asarray(Image.open(io.BytesIO(answer(data, request, limits=LIMITS)[1])))


def test_the_control_is_what_it_should_be() -> None:
    assert CONTROL.shape == (ROWS, COLUMNS)
    assert CONTROL[0, 0] < 5
    assert CONTROL[ROWS // 2, COLUMNS // 2] > 230
    assert CONTROL[0, -1] > 185
    assert CONTROL.std() > 50


# --- Lookup tables


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("name", LOOK_UPS)
def test_a_table_goes_from_black_to_white_whatever_it_says_of_itself(name: str, syntax: str) -> None:
    data = LOOK_UPS[name].file(syntax)
    assert apart(network(data)) < NEAR
    assert apart(rendered(data)) < NEAR
    kept = stored(data)
    assert apart(network(kept)) < NEAR
    assert apart(seen(kept)) < ALLOWED


def test_a_table_keeps_its_curve() -> None:
    """Only its ends are taken from its entries: what lies between is the device's own."""
    curve = np.rint(4095 * (np.arange(4096) / 4095) ** 2)
    found = network(LookUp(Table(curve, 16)).file())
    expected = 255 * (SCENE / 4095) ** 2
    assert np.abs(found - expected).mean() < 1


def test_a_table_without_entries_is_refused() -> None:
    with pytest.raises(DicomInvalid):
        network(LookUp(Table(np.zeros(0), 12)).file())


# --- No preamble, no meta information


@pytest.mark.parametrize(("opening", "syntax"), [*unopened()])
def test_files_without_preamble_become_proper_ones(opening: str, syntax: str) -> None:
    data = OPENINGS[opening](in_syntax(syntax))
    assert identify(data[:HEAD_BYTES]) is MediaKind.DICOM
    assert prescan(io.BytesIO(data), MediaKind.DICOM, limits=LIMITS).rows == ROWS
    assert apart(network(data)) < NEAR
    kept = stored(data)
    assert kept[:132] == bytes(128) + b"DICM"
    read = pydicom.dcmread(io.BytesIO(kept))
    # High-throughput JPEG 2000 says neither RPCL nor whether what is lossy might be lossless.
    told = {START + ".4.202": ".4.201", START + ".4.203": ".4.201", START + ".4.91": ".4.90", START + ".4.57": ".4.70"}
    said = {syntax, START + told[syntax] if syntax in told else syntax}
    assert read.file_meta.TransferSyntaxUID in said
    assert read.file_meta.MediaStorageSOPInstanceUID == read.SOPInstanceUID
    assert apart(network(kept)) < NEAR


def test_compressed_pixels_under_the_name_of_uncompressed_ones() -> None:
    for syntax in (START + ".4.70", START + ".4.90", START + ".5"):
        data = in_syntax(syntax)
        mistaken = OPENINGS["no meta information"](data)
        assert identify(mistaken[:HEAD_BYTES]) is MediaKind.DICOM
        assert pydicom.dcmread(io.BytesIO(stored(mistaken))).file_meta.TransferSyntaxUID == syntax
    named = bytearray(in_syntax(EXPLICIT))
    with pytest.raises(InputRejected):  # nor are uncompressed ones taken for compressed
        network(bytes(named.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0", 1)))


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT, BIG])
@pytest.mark.parametrize("opening", OPENINGS)
def test_the_stored_file_is_the_proper_ones(opening: str, syntax: str) -> None:
    """Content addressing: however a file begins, the same instance is stored as the same bytes."""
    proper = in_syntax(syntax, PatientID="7", SpecificCharacterSet="ISO_IR 100")
    assert stored(OPENINGS[opening](proper)) == stored(proper)


@pytest.mark.parametrize("opening", OPENINGS)
def test_what_it_is_is_told_of_a_file_that_cannot_be_taken(opening: str) -> None:
    for syntax in (EXPLICIT, IMPLICIT, BIG):
        said = media_storage(io.BytesIO(OPENINGS[opening](in_syntax(syntax))))
        assert said == ("1.2.840.10008.5.1.4.1.1.1", "1.2.3")


def test_first_elements_that_other_writers_have() -> None:
    for attributes in (
        {"SpecificCharacterSet": "ISO_IR 100"},
        {"ImageType": ["ORIGINAL", "PRIMARY"], "SpecificCharacterSet": ["ISO 2022 IR 6", "ISO 2022 IR 87"]},
        {"InstanceCreationDate": "20250101", "InstanceCreationTime": "101500"},
        {"SOPClassUID": None, "SOPInstanceUID": None, "StudyDate": "20250101", "StudyTime": "101500"},
    ):
        for syntax in (EXPLICIT, IMPLICIT, BIG):
            data = data_set(in_syntax(syntax, **attributes))
            assert identify(data[:HEAD_BYTES]) is MediaKind.DICOM
            assert apart(network(data)) < NEAR
    implicit = data_set(in_syntax(IMPLICIT))
    grouped = b"\x08\0\0\0\x04\0\0\0\x10\x27\0\0" + implicit  # Group Length, of older tools
    assert apart(network(grouped)) < NEAR


NO_DICOM = {
    "deflated without meta information": data_set(in_syntax(START + ".1.99")),
    "text": b"Patient: none. This is a letter about a radiograph, and no radiograph." * 4,
    "zeros": bytes(400),
    "numbers": bytes(range(256)) * 2,
    "one element": b"\x08\0\x16\0\x1a\0\0\0" + b"1.2.840.10008.5.1.4.1.1.1\0",
    "elements in no order": b"\x08\0\x18\0\x04\0\0\x001.2\0" + b"\x08\0\x16\0\x04\0\0\x001.2\0" * 20,
    "values without end": b"\x08\0\x16\0\xff\xff\xff\x7f" + bytes(200),
    "prefix and nothing": b"DICM" + bytes(300),
}  # fmt: skip


@pytest.mark.parametrize("name", NO_DICOM)
def test_what_cannot_be_told_is_refused_by_naming_what_is_missing(name: str) -> None:
    with pytest.raises(TypeUnsupported) as caught:
        identify(NO_DICOM[name][:HEAD_BYTES])
    assert caught.value.code == "type_unsupported"
    assert "preamble" in caught.value.detail
    assert "DICM" in caught.value.detail


def test_a_data_set_that_is_none_behind_its_first_bytes_is_refused() -> None:
    whole = data_set(in_syntax(IMPLICIT))
    for damaged in (whole[:200], whole[:-100], whole[:150] + b"\xff" * 500, whole[:132]):
        with pytest.raises(InputRejected):
            network(damaged)


# --- No end marker


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("syntax", ENDED)
def test_a_frame_without_its_end_marker_is_whole_where_every_line_is_there(syntax: str, end: str) -> None:
    stream = codestream(syntax)
    expected = network(with_frame(stream, syntax))
    assert apart(expected) < NEAR
    for data in (with_frame(ENDS[end](stream), syntax), with_frame(ENDS[end](stream), syntax, fragments=3)):
        for side in (512, 60):
            found = decode(data, longest_side=side).pixels
            assert (found == decode(with_frame(stream, syntax), longest_side=side).pixels).all()
        assert (network(stored(data)) == expected).all()
        assert np.array_equal(depth(data)[0], depth(with_frame(stream, syntax))[0])


@pytest.mark.parametrize("syntax", [START + ".5", *ENDED])
def test_the_delimiter_behind_the_last_fragment_may_be_missing(syntax: str) -> None:
    whole = in_syntax(syntax)
    assert (network(whole[:-8]) == network(whole)).all()
    with pytest.raises(DicomTruncated):
        network(whole[:-9])


@pytest.mark.parametrize("padding", [0, 1, 3])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.97])
@pytest.mark.parametrize("syntax", ENDED)
def test_a_frame_that_lacks_lines_is_refused(syntax: str, share: float, padding: int) -> None:
    data = with_frame(shortened(codestream(syntax), share) + bytes(padding), syntax)
    for side in (512, 16):
        with pytest.raises(DicomTruncated):
            decode(data, longest_side=side)


@pytest.mark.parametrize("syntax", [syntax for syntax in ENDED if syntax not in JPEG_2000])
def test_zeros_are_no_lines(syntax: str) -> None:
    """A transfer that broke off, in a file that was made long enough before."""
    stream = codestream(syntax)
    cut = shortened(stream, 0.6)
    with pytest.raises(DicomTruncated):
        network(with_frame(cut + bytes(len(stream) - len(cut)), syntax))


@pytest.mark.parametrize("name", RASTERS)
def test_jpeg_files_without_end_marker(name: str) -> None:
    whole = raster(**RASTERS[name])
    expected = network(whole)
    for end in ENDS.values():
        assert (network(end(whole)) == expected).all()
        assert (network(stored(end(whole))) == expected).all()
    for share in (0.5, 0.9, 0.97):
        cut = whole[: round(len(whole) * share)]
        for short in (cut, cut + bytes(3)):
            with pytest.raises(ImageTruncated):
                network(short)


def test_a_progressive_jpeg_that_lacks_a_scan_is_refused() -> None:
    whole = raster(**RASTERS["progressive"])
    last = whole.rindex(b"\xff\xda")
    tables = whole.rindex(b"\xff\xc4", 0, last)
    with pytest.raises(ImageTruncated):
        network(whole[:tables])


# --- Pixels that are not square


@pytest.mark.parametrize("name", SHAPES)
def test_the_picture_has_the_shape_that_a_reader_sees(name: str) -> None:
    shape = SHAPES[name]
    for data in (shape.file(), stored(shape.file())):
        found = decode(data, longest_side=512)
        assert found.pixels.shape == CONTROL.shape
        assert (found.rows, found.columns) == shape.pixels.shape
        assert apart(found.pixels) < NEAR
        assert apart(seen(data)) < NEAR
        assert np.array_equal(depth(data)[0], shape.pixels)
        assert apart(rendered(data)) < NEAR


@pytest.mark.parametrize("syntax", [BIG, START + ".4.70", START + ".4.90", START + ".5"])
def test_the_shape_at_every_size_and_in_every_syntax(syntax: str) -> None:
    for name in ("ratio 2 to 1", "ratio 1 to 2"):
        for side in (400, 150, 40):
            square = decode(dicom(SCENE, **TWELVE, **WINDOW), longest_side=side).pixels
            found = decode(SHAPES[name].file(syntax), longest_side=side).pixels
            assert found.shape == square.shape
            assert np.abs(found.astype(int) - square).mean() < 255 * NEAR


@pytest.mark.parametrize("name", SQUARE)
def test_what_says_nothing_believable_is_square(name: str) -> None:
    data = dicom(SCENE, **TWELVE, **WINDOW, **SQUARE[name])
    assert (network(data) == CONTROL).all()
    assert depth(data)[1]["aspect"] == 1


def test_boxes_stay_in_stored_pixels() -> None:
    for name in ("ratio 2 to 1", "ratio 1 to 2", "ratio 30 to 25"):
        found = decode(SHAPES[name].file(), longest_side=512)
        _, window = Preprocessing(size=320).apply(found.pixels)
        _, plain = Preprocessing(size=320).apply(CONTROL)
        assert window == plain
        heat = np.zeros((40, 40), np.float32)
        heat[10:14, 18:22] = 1
        (box,) = regions_of_interest(heat, window=window, rows=found.rows, columns=found.columns)
        (whole,) = regions_of_interest(heat, window=window, rows=ROWS, columns=COLUMNS)
        scale = found.columns / COLUMNS, found.rows / ROWS
        wanted = whole.x * scale[0], whole.y * scale[1], whole.width * scale[0], whole.height * scale[1]
        assert np.abs(np.subtract((box.x, box.y, box.width, box.height), wanted)).max() <= 1.5


def test_a_rendered_part_is_asked_for_in_stored_pixels() -> None:
    data = SHAPES["ratio 2 to 1"].file()
    fitted = rendered(data, PictureRequest(PictureFormat.PNG, viewport=(80, 80)))
    assert fitted.shape == (80, 64)
    part = rendered(data, PictureRequest(PictureFormat.PNG, source=(40, 25, 80, 50), viewport=(400, 400)))
    assert part.shape == (400, 320)
    square = dicom(SCENE, **TWELVE, **WINDOW)
    same = rendered(square, PictureRequest(PictureFormat.PNG, source=(40, 50, 80, 100), viewport=(400, 400)))
    assert np.abs(part.astype(int) - same).mean() < 255 * NEAR


def test_padding_is_no_picture_between_either() -> None:
    shape = SHAPES["ratio 2 to 1"]
    pixels = shape.pixels
    pixels[:20] = 60_000
    data = dicom(pixels, **WINDOW, **shape.attributes, PixelPaddingValue=60_000)
    found = network(data)
    assert (found[:39] == 0).all()
    assert np.abs(found[42:].astype(int) - CONTROL[42:]).mean() < 255 * NEAR
    values, fields = depth(data)
    assert fields["maximum"] <= 4095
    assert values.max() <= 4095


# --- The shared files themselves


def shared_cases() -> Iterator[Path]:
    yield from sorted(shared("field_cases").glob("*.dcm"))


def test_the_shared_files() -> None:
    files = {path.name[:2]: path.read_bytes() for path in shared_cases()}
    assert set(files) == {"01", "02", "32", "47", "52"}
    control = network(files["01"])
    for name, data in files.items():
        for kept in (data, stored(data)):
            found = network(kept)
            assert found.shape == control.shape, name
            assert np.abs(found.astype(int) - control).mean() <= 255 * ALLOWED, name
            shown = seen(kept)
            assert shown.shape == control.shape, name
            assert np.abs(shown.astype(int) - control).mean() <= 255 * ALLOWED, name
    assert decode(files["52"], longest_side=512).rows == 100
