"""A hospital's folder, made: thousands of radiographs, some broken, some twice, and what must become of each.

Good files are real ones with other pixels and other UIDs each time (`dicom_cr` and `fracatlas512` below LUCENCY_DATA;
generated radiographs and the `pydicom-data` wheel where these are absent). Nothing is random but by the seed.
"""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian

from tests.data import encoded, generated_radiograph, pydicom_file
from tests.imaging.encodings import CODESTREAMS

BROKEN_SHARE, COPY_SHARE, DICOM_SHARE = 0.02, 0.05, 0.15
LONGEST_SIDE = 900
# Syntaxes whose encoder here takes any 16-bit value; sources in others are written uncompressed.
WRITTEN = ("1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90")


@dataclass(frozen=True, slots=True)
class Expected:
    """What must become of one file: `job` (with the code that it fails with, or succeeded), `rejected` (with its code),
    `duplicate` (of the path), `lost` (a rejection by the client, with its code) or `skipped`.
    """

    path: str
    sha256: str | None
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True)
class Source:
    """A real radiograph, decoded: pixels, and for DICOM the header that they came with."""

    pixels: NDArray[np.generic]
    header: pydicom.Dataset | None = None

    def variant(self, number: int) -> tuple[bytes, str]:
        """Content that no other number has, and its suffix. A patch of pixels differs, and every UID."""
        random = np.random.default_rng(number)
        pixels = self.pixels.copy()
        y, x = (int(random.integers(0, side - 24)) for side in pixels.shape)
        pixels[y : y + 24, x : x + 24] ^= random.integers(0, 4, (24, 24)).astype(pixels.dtype)
        if self.header is not None:
            return _dicom(self.header, pixels, number), ".dcm"
        kind, suffix = (("JPEG", ".jpg"), ("PNG", ".png"))[number % 8 == 0]
        marked = pixels.astype(np.uint8)
        marked[:2, :32] = np.unpackbits(np.frombuffer(number.to_bytes(8, "big"), np.uint8)).reshape(2, 32) * 200
        return encoded(marked, kind, **({"quality": 95} if kind == "JPEG" else {})), suffix


def _dicom(header: pydicom.Dataset, pixels: NDArray[np.generic], number: int) -> bytes:
    syntax = str(header.file_meta.TransferSyntaxUID)
    data = pydicom.Dataset(header)
    data.file_meta = pydicom.dataset.FileMetaDataset(header.file_meta)
    data.Rows, data.Columns = pixels.shape
    data.PatientID, data.PatientName = f"P{number:06d}", f"Batch^{number:06d}"
    for keyword, arc in (("StudyInstanceUID", 1), ("SeriesInstanceUID", 2), ("SOPInstanceUID", 3)):
        setattr(data, keyword, UID(f"2.25.{arc}{number:030d}"))
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    if syntax in WRITTEN:
        data.PixelData = encapsulate([CODESTREAMS[syntax](pixels)])
        data["PixelData"].VR = "OB"
    else:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.PixelData = np.ascontiguousarray(pixels).tobytes()
        data["PixelData"].VR = "OW"
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def dicom_source(path: Path) -> Source | None:
    """None where pydicom's own decoders do not take it, or it is no 16-bit radiograph."""
    header = pydicom.dcmread(path)
    if header.BitsAllocated != 16 or header.get("PixelRepresentation") != 0:
        return None
    try:
        pixels = header.pixel_array
    except (RuntimeError, NotImplementedError, AttributeError, ValueError):
        return None
    del header.PixelData
    step = -(-max(pixels.shape) // LONGEST_SIDE)
    return Source(np.ascontiguousarray(pixels[::step, ::step]), header)


def sources(data: Path, *, few: bool) -> tuple[list[Source], list[Source]]:
    """The DICOM ones and the pictures; `few` reads only some of each."""
    real = sorted((data / "dicom_cr").glob("*.dcm"), reverse=True)[: 6 if few else None]
    found = [source for path in real if (source := dicom_source(path)) is not None]
    found = found or [source for name in ("RG3_UNCR.dcm",) if (source := dicom_source(pydicom_file(name))) is not None]
    atlas = sorted((data / "fracatlas512" / "images").rglob("*.jpg"))[: 20 if few else None]
    pictures = [Source(np.asarray(Image.open(path).convert("L"))) for path in atlas]
    return found, pictures or [Source(generated_radiograph(320, 240, seed=seed)) for seed in range(8)]


# --- Broken files: the way each is broken, and what must be said of it -----------------------------------------------


def damaged_pixels(number: int) -> bytes:
    """A PNG of noise under true checksums: the header is fine, so that only the worker can tell."""
    header = struct.pack(">IIBBBBB", 160, 120, 8, 0, 0, 0, 0)
    noise = np.random.default_rng(number).integers(0, 255, 4000).astype(np.uint8).tobytes()
    chunks = [(b"IHDR", header), (b"IDAT", noise), (b"IEND", b"")]
    body = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(body)


def _coloured(number: int) -> bytes:
    grey = generated_radiograph(160, 120, seed=number)
    buffer = io.BytesIO()
    Image.fromarray(np.stack([grey, 255 - grey, grey], axis=-1)).save(buffer, "PNG")
    return buffer.getvalue()


def _with_modality(good: bytes, number: int) -> bytes:
    data = pydicom.dcmread(io.BytesIO(good))
    data.SOPClassUID = data.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.2")
    data.Modality = "CT"
    data.SOPInstanceUID = data.file_meta.MediaStorageSOPInstanceUID = UID(f"2.25.4{number:030d}")
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Break:
    """A way to break a file: (good DICOM, good PNG, number) → content."""

    suffix: str
    outcome: str
    detail: str
    make: Callable[[bytes, bytes, int], bytes]


BREAKS = (
    Break(".dcm", "rejected", "dicom_truncated", lambda dicom, _, number: dicom[: len(dicom) * 2 // 3 + 2 * number]),
    Break(".dcm", "rejected", "type_unsupported", lambda _d, _p, number: b"not an image, but a note %d" % number),
    Break(".png", "rejected", "image_truncated", lambda _, png, number: png[: len(png) // 2 + number % 32]),
    Break(".png", "job", "decode_failed", lambda _d, _p, number: damaged_pixels(number)),
    Break(".dcm", "rejected", "not_applicable", lambda dicom, _, number: _with_modality(dicom, number)),
    Break(".png", "job", "image_coloured", lambda _d, _p, number: _coloured(number)),
    Break(".dcm", "rejected", "upload_empty", lambda *_: b""),
)


def make(folder: Path, *, count: int, data: Path, few: bool = False, seed: int = 1) -> list[Expected]:
    """Write `count` files below `folder` and tell what must become of each; what is skipped comes on top."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what pydicom thinks of real headers
        return _make(folder, count, sources(data, few=few), seed)


def _make(folder: Path, count: int, pools: tuple[list[Source], list[Source]], seed: int) -> list[Expected]:
    dicoms, pictures = pools
    broken, copies = max(len(BREAKS), round(count * BROKEN_SHARE)), max(1, round(count * COPY_SHARE))
    expected: list[Expected] = []
    contents: list[bytes] = []
    good = count - broken - copies
    for number, (content, suffix) in enumerate(_good(dicoms, pictures, good, first=seed * 1_000_000)):
        if number < copies * 2:
            contents.append(content)
        expected.append(_write(folder, number, content, suffix, ("job", "succeeded")))
    expected += _broken(folder, dicoms[0], broken, first=good)
    for number in range(copies):
        original = expected[number * 2 % good]
        content = contents[number * 2 % len(contents)]
        suffix = Path(original.path).suffix
        expected.append(_write(folder, good + broken + number, content, suffix, ("duplicate", original.path)))
    return expected + _beside(folder)


def _good(dicoms: list[Source], pictures: list[Source], count: int, *, first: int) -> Iterator[tuple[bytes, str]]:
    every = max(1, round(1 / DICOM_SHARE))
    for number in range(count):
        pool, at = (dicoms, number // every) if number % every == 0 else (pictures, number)
        yield pool[at % len(pool)].variant(first + number)


def _broken(folder: Path, dicom: Source, count: int, *, first: int) -> list[Expected]:
    expected: list[Expected] = []
    for number in range(count):
        how = BREAKS[number % len(BREAKS)]
        good = dicom.variant(900_000_000 + number)[0]
        content = how.make(good, encoded(generated_radiograph(160, 120, seed=5_000_000 + number), "PNG"), number)
        expected.append(_write(folder, first + number, content, how.suffix, (how.outcome, how.detail)))
    return expected


def _beside(folder: Path) -> list[Expected]:
    """What lies in real folders and is no radiograph, and a link to a file that is gone."""
    (folder / ".thumbnails").mkdir(exist_ok=True)
    (folder / ".thumbnails" / "a.png").write_bytes(b"hidden")
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM")
    (folder / "notes.txt").write_text("from the last shift")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    (folder / "gone.dcm").symlink_to(folder / "nowhere.dcm")
    skipped = [".thumbnails", "DICOMDIR", "again", "notes.txt"]
    return [Expected(name, None, "skipped", "") for name in skipped] + [
        Expected("gone.dcm", None, "lost", "file_unreadable")
    ]


def _write(folder: Path, number: int, content: bytes, suffix: str, outcome: tuple[str, str]) -> Expected:
    """Into folders of 250, in an order that mixes good, broken and copies (a fixed permutation of the numbers)."""
    place = number * 7919 % 1_000_003
    path = f"study {place % 20:02d}/{place:07d} {number}{suffix}"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(content)
    return Expected(path, hashlib.sha256(content).hexdigest(), *outcome)
