"""DICOM: what its header says of a radiograph, and whether it is one that can be judged. Reads no pixel."""

from __future__ import annotations

import io
import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

from core import transfer_syntaxes as syntaxes
from core.dicom_start import HEAD_BYTES, start_of, syntax_of_data_set
from core.errors import (
    DicomInvalid,
    DicomTruncated,
    NotApplicable,
    PixelsInconsistent,
    PixelsTooLarge,
    Polyglot,
    TransferSyntaxUnsupported,
)
from core.vocabulary import MediaKind
from imaging.aspect import ASPECT_TAGS, aspect_of
from imaging.codestream import Frame, jpeg2000_frame, jpeg_frame, syntax_of_codestream
from imaging.header import Header, Limits
from imaging.walk import DeflatedSource, Elements, Encoding, FileSource, Source, Value, Walk

TRANSFER_SYNTAX_UID = 0x00020010
SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID = 0x00080016, 0x00080018, 0x0020000D
SERIES_INSTANCE_UID = 0x0020000E
MODALITY, BODY_PART_EXAMINED = 0x00080060, 0x00180015
SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, PLANAR_CONFIGURATION = 0x00280002, 0x00280004, 0x00280006
NUMBER_OF_FRAMES, ROWS, COLUMNS = 0x00280008, 0x00280010, 0x00280011
BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION = 0x00280100, 0x00280101, 0x00280102, 0x00280103
PIXEL_PADDING_VALUE, PIXEL_PADDING_LIMIT, BURNED_IN_ANNOTATION = 0x00280120, 0x00280121, 0x00280301
WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION = 0x00281050, 0x00281051, 0x00281056
RESCALE_INTERCEPT, RESCALE_SLOPE = 0x00281052, 0x00281053

WANTED = frozenset(
    {
        SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, MODALITY, BODY_PART_EXAMINED,
        SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, PLANAR_CONFIGURATION, NUMBER_OF_FRAMES, ROWS, COLUMNS,
        BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION, PIXEL_PADDING_VALUE, PIXEL_PADDING_LIMIT,
        BURNED_IN_ANNOTATION, WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION, RESCALE_INTERCEPT, RESCALE_SLOPE,
    },
) | ASPECT_TAGS  # fmt: skip

# Projection radiographs of bone. RG is digitised film. OT and SC say nothing about what is pictured; MG, IO, PX,
# RF and XA
# are projections too, of what no Bundle was trained on.
MODALITIES = frozenset({"CR", "DX", "RG"})
# PS3.4 annex B.5: the storage classes that stand for themselves where Modality is missing.
RADIOGRAPH_CLASSES = frozenset(
    {"1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.1.1.1"},
)
GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
# Colour whose channels may yet agree; only the decoder sees that.
COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
PROGRAMS = (
    b"MZ",
    b"\x7fELF",
    b"#!",
    b"PK",
    b"%PDF",
    b"\xca\xfe\xba\xbe",
    b"\xcf\xfa\xed\xfe",
    b"\xce\xfa\xed\xfe",
    b"<",
)
UID = re.compile(r"[0-9.]{1,64}")
WORD = re.compile(r"[A-Z0-9 _]{1,16}")
CODESTREAM_BYTES = 64 * 1024
FRAGMENTS = 20_000
END_MARKER = b"\xff\xd9"


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the one frame lies: (start, length) pieces, in what transfer syntax, and what its codestream says.

    `ended` is false of a codestream without its end marker: only its decoder can tell whether every line is there.
    """

    ranges: tuple[tuple[int, int], ...]
    transfer_syntax: str
    frame: Frame | None = None
    ended: bool = True


@dataclass(frozen=True, slots=True)
class DicomImage:
    """A checked DICOM radiograph: geometry, how its pixels are stored, and where they lie.

    `pixel_ranges` are the (start, length) pieces of the one frame: in the file, or in the inflated data set where
    `transfer_syntax` is deflated. `ended`: see `PixelData`. `aspect`: how many times a pixel is higher than wide.
    """

    header: Header
    transfer_syntax: str
    elements: Elements
    rows: int
    columns: int
    samples: int
    photometric: str
    bits_allocated: int
    bits_stored: int
    high_bit: int
    signed: bool
    planar: bool
    pixel_ranges: tuple[tuple[int, int], ...]
    frame: Frame | None
    data_set_start: int
    ended: bool
    aspect: float

    def numbers(self, tag: int) -> list[float]:
        return decimals(self.elements.values.get(tag))


def text(value: Value | None) -> str | None:
    """The first of the values of a CS, UI, IS or DS element; None where it is absent or empty."""
    if value is None:
        return None
    return value.data.decode("latin-1").split("\\")[0].strip(" \x00") or None


def decimals(value: Value | None) -> list[float]:
    """All values of a DS element; those that are no numbers are left out."""
    found = []
    for part in value.data.decode("latin-1").split("\\") if value is not None else []:
        try:
            found.append(float(part.strip(" \x00")))
        except ValueError:
            continue
    return found


def unsigned(elements: Elements, tag: int) -> int | None:
    """A US element's first value."""
    value = elements.values.get(tag)
    if value is None or len(value.data) < 2:
        return None
    return int(struct.unpack_from(elements.encoding.order + "H", value.data)[0])


def scan_dicom(file: BinaryIO, *, limits: Limits) -> DicomImage:
    """Walk the header of the DICOM file and check all that can be checked without decoding.

    Raises DicomInvalid, DicomTruncated, DicomTooDeep, DecompressedTooLarge, Polyglot, TransferSyntaxUnsupported,
    NotApplicable, PixelsTooLarge, PixelsInconsistent.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    head = file.read(HEAD_BYTES)
    start = start_of(head)
    if start is None:
        raise DicomInvalid("The preamble and the prefix DICM are missing, and no data set begins the file")
    if head.startswith(PROGRAMS):
        raise Polyglot
    file.seek(start)
    syntax = transfer_syntax_of(file, size=size, limits=limits)
    start = file.tell()
    encoding = Encoding(implicit=syntax == syntaxes.IMPLICIT, big_endian=syntax == syntaxes.BIG_ENDIAN)
    source: Source = FileSource(file, size=size)
    if syntax == syntaxes.DEFLATED:
        source = DeflatedSource(file, limit=limits.inflated_bytes)
    elements = Walk(source, encoding, wanted=WANTED, limits=limits).run()
    return _checked(elements, syntax, source, limits=limits, start=start)


def transfer_syntax_of(file: BinaryIO, *, size: int, limits: Limits) -> str:
    """Transfer Syntax UID from the file meta information (PS3.10 section 7.1), or from how the data set is written
    where there is none; leaves `file` at the data set.
    """
    syntax = None
    for _ in range(limits.elements):
        start = file.tell()
        head = file.read(8)
        if head[:2] != b"\x02\x00" or len(head) < 8:
            file.seek(start)
            break
        if head[4:6] in (b"OB", b"UN", b"OW", b"UT"):
            (length,) = struct.unpack("<I", file.read(4).ljust(4, b"\xff"))
        else:
            (length,) = struct.unpack_from("<H", head, 6)
        if file.tell() + length > size:
            raise DicomTruncated
        if head[:4] == b"\x02\x00\x10\x00":
            syntax = text(Value(b"UI", file.read(min(length, 64))))
        else:
            file.seek(length, io.SEEK_CUR)
    if syntax is None:
        start = file.tell()
        syntax = syntax_of_data_set(file.read(HEAD_BYTES))
        file.seek(start)
    if syntax is None:
        raise DicomTruncated if file.tell() >= size else DicomInvalid("The file has no Transfer Syntax UID")
    if syntax not in syntaxes.SUPPORTED:
        # A UID names a public encoding; anything else is not repeated to anyone.
        shown = syntax if UID.fullmatch(syntax) else "of this file"
        raise TransferSyntaxUnsupported(f"The transfer syntax {shown} is not supported")
    return syntax


def _checked(elements: Elements, syntax: str, source: Source, *, limits: Limits, start: int) -> DicomImage:
    _check_applicable(elements)
    rows, columns = unsigned(elements, ROWS), unsigned(elements, COLUMNS)
    if not rows or not columns:
        raise DicomInvalid("Rows and Columns must be positive")
    _check_frames(elements, rows * columns, limits)
    samples = unsigned(elements, SAMPLES_PER_PIXEL) or 1
    photometric = (text(elements.values.get(PHOTOMETRIC_INTERPRETATION)) or "").upper()
    if not ((samples == 1 and photometric in GREY) or (samples == 3 and photometric in COLOUR)):
        raise NotApplicable("Only MONOCHROME1, MONOCHROME2 and grey RGB or YBR pixels are supported")
    allocated, stored, high = _bits(elements)
    pixels = _pixel_data(elements, syntax, source, rows * columns * samples * allocated // 8)
    syntax, frame = pixels.transfer_syntax, pixels.frame
    if frame is not None and (frame.rows, frame.columns, frame.components) != (rows, columns, samples):
        raise PixelsInconsistent("Rows, Columns or Samples per Pixel differ from the compressed pixel data's own")
    values = elements.values
    header = Header(
        media_kind=MediaKind.DICOM, rows=rows, columns=columns, bits_stored=stored, transfer_syntax=syntax,
        photometric_interpretation=photometric, modality=_word(values.get(MODALITY)),
        body_part=_word(values.get(BODY_PART_EXAMINED)), sop_instance_uid=_uid(values.get(SOP_INSTANCE_UID)),
        study_instance_uid=_uid(values.get(STUDY_INSTANCE_UID)), sop_class_uid=_uid(values.get(SOP_CLASS_UID)),
        burned_in=(text(values.get(BURNED_IN_ANNOTATION)) or "").upper() == "YES",
        series_instance_uid=_uid(values.get(SERIES_INSTANCE_UID)),
    )  # fmt: skip
    return DicomImage(
        header=header, transfer_syntax=syntax, elements=elements, rows=rows, columns=columns, samples=samples,
        photometric=photometric, bits_allocated=allocated, bits_stored=stored, high_bit=high,
        signed=bool(unsigned(elements, PIXEL_REPRESENTATION)), planar=bool(unsigned(elements, PLANAR_CONFIGURATION)),
        pixel_ranges=pixels.ranges, frame=frame, data_set_start=start, ended=pixels.ended,
        aspect=aspect_of(lambda tag: decimals(values.get(tag))),
    )  # fmt: skip


def _uid(value: Value | None) -> str | None:
    found = text(value)
    return found if found and UID.fullmatch(found) else None


def _word(value: Value | None) -> str | None:
    found = text(value)
    return found if found and WORD.fullmatch(found) else None


def _check_applicable(elements: Elements) -> None:
    if elements.pixel_position is None:
        if not elements.values:
            raise DicomTruncated("The file ends before its data set")
        raise NotApplicable("The file holds no pixel data")
    modality = text(elements.values.get(MODALITY))
    if modality is None and text(elements.values.get(SOP_CLASS_UID)) not in RADIOGRAPH_CLASSES:
        raise NotApplicable("The file does not say that it is a radiograph (Modality is missing)")
    if modality is not None and modality not in MODALITIES:
        raise NotApplicable("Modality is not one of CR, DX, RG")


def _check_frames(elements: Elements, pixels: int, limits: Limits) -> None:
    frames = text(elements.values.get(NUMBER_OF_FRAMES)) or "1"
    if not re.fullmatch(r"\+?[0-9]{1,12}", frames):
        raise DicomInvalid("Number of Frames is no number")
    if pixels * int(frames) > limits.pixels:
        raise PixelsTooLarge(f"Rows × Columns × Frames is beyond {limits.pixels} pixels")
    if int(frames) > 1:
        raise NotApplicable("Only single-frame radiographs are supported")


def _bits(elements: Elements) -> tuple[int, int, int]:
    allocated = unsigned(elements, BITS_ALLOCATED)
    if allocated not in (8, 16):
        raise NotApplicable("Only 8 and 16 bits allocated per pixel are supported")
    stored = unsigned(elements, BITS_STORED) or allocated
    high = unsigned(elements, HIGH_BIT)
    high = stored - 1 if high is None else high
    if not stored - 1 <= high < allocated:
        raise DicomInvalid("Bits Stored and High Bit do not fit Bits Allocated")
    return allocated, stored, high


def _pixel_data(elements: Elements, syntax: str, source: Source, expected: int) -> PixelData:
    """Raises DicomInvalid, DicomTruncated, PixelsInconsistent."""
    position, length = elements.pixel_position or 0, elements.pixel_length
    # What was written without its meta information, or with that of the uncompressed image that it once was.
    unsaid = syntax == syntaxes.EXPLICIT and length is None
    if syntax not in syntaxes.ENCAPSULATED and not unsaid:
        if length is None:
            raise DicomInvalid("Uncompressed pixel data has an undefined length")
        if length < expected:
            raise PixelsInconsistent("The pixel data is shorter than Rows × Columns asks for")
        source.skip(length)
        if length > expected + max(expected // 8, 1):
            raise PixelsInconsistent("The pixel data is longer than Rows × Columns asks for")
        return PixelData(((position, expected),), syntax)
    if length is not None:
        raise DicomInvalid("Compressed pixel data is not encapsulated")
    ranges, head, tail = _fragments(source)
    found = syntax_of_codestream(head) if unsaid else syntax
    if found is None:
        raise DicomInvalid("Uncompressed pixel data has an undefined length")
    if found == syntaxes.RLE:
        _check_rle(head, elements)
        return PixelData(ranges, found)
    frame = jpeg2000_frame(head) if found in syntaxes.JPEG_2000 else jpeg_frame(head)
    return PixelData(ranges, found, frame, ended=END_MARKER in tail[-16:])


def _fragments(source: Source) -> tuple[tuple[tuple[int, int], ...], bytes, bytes]:
    """The fragments of PS3.5 A.4, all of them of the only frame, with its first bytes and its last.

    The first item, the Basic Offset Table, says nothing about a single frame. The delimiter behind the last may be
    missing: where every fragment is whole, so may be the frame.
    """
    ranges: list[tuple[int, int]] = []
    head = tail = b""
    for index in range(FRAGMENTS):
        item = source.read(8)
        if not item and ranges:
            return tuple(ranges), head, tail
        if len(item) < 8:
            raise DicomTruncated
        tag, length = item[:4], struct.unpack_from("<I", item, 4)[0]
        if tag == b"\xfe\xff\xdd\xe0":
            if not ranges:
                raise DicomInvalid("The compressed pixel data is empty")
            return tuple(ranges), head, tail
        if tag != b"\xfe\xff\x00\xe0" or length == 0xFFFFFFFF:
            raise DicomInvalid("The compressed pixel data holds something other than fragments")
        if index == 0:
            source.skip(length)
            continue
        ranges.append((source.position, length))
        first = source.read(min(length, max(CODESTREAM_BYTES - len(head), 0)))
        head += first
        rest = length - len(first)
        source.skip(max(rest - 64, 0))
        last = source.read(min(rest, 64))
        if source.position < sum(ranges[-1]):
            raise DicomTruncated
        tail = (tail + first + last)[-64:]
    raise DicomInvalid("The compressed pixel data has too many fragments")


def _check_rle(head: bytes, elements: Elements) -> None:
    """PS3.5 G.5: one segment for each byte of each sample."""
    segments = struct.unpack_from("<I", head)[0] if len(head) >= 64 else 0
    samples, allocated = unsigned(elements, SAMPLES_PER_PIXEL) or 1, unsigned(elements, BITS_ALLOCATED) or 8
    if segments != samples * allocated // 8:
        raise PixelsInconsistent("The RLE header differs from Samples per Pixel and Bits Allocated")
