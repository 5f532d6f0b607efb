"""The files that are measured: generated radiographs as JPEG and DICOM, each upload with bytes of its own."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ComputedRadiographyImageStorage

from core import transfer_syntaxes as syntaxes
from core.vocabulary import MediaKind

ROWS, COLUMNS = 2500, 2000
# Where the two instance UIDs of a generated DICOM file are, with room to spare.
HEADER_BYTES = 1024
# In a JPEG's segment of quantization tables: after its marker, length and number.
QUANTIZERS_AT = 5
VARIED = 16


def radiograph(rows: int = ROWS, columns: int = COLUMNS, *, seed: int = 0) -> NDArray[np.uint8]:
    """(rows, columns) uint8: a bright shaft with a dark gap on a dim gradient, with noise; `seed` decides all."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    centre = columns / 2 + columns / 20 * np.sin(y / rows * np.pi)
    shaft = np.exp(-(((x - centre) / (columns / 9)) ** 2))
    gap = 1 - 0.7 * np.exp(-(((y - rows * random.uniform(0.3, 0.7) - (x - centre) * 0.4) / (rows / 60)) ** 2))
    noise = random.standard_normal((rows, columns), dtype=np.float32)
    pixels: NDArray[np.uint8] = np.clip(35 + 30 * x / columns + 165 * shaft * gap + 3 * noise, 0, 255).astype(np.uint8)
    return pixels


@dataclass(frozen=True, slots=True)
class Source:
    """A file of which any number of variants can be made: the same picture, other bytes."""

    name: str
    kind: MediaKind
    content: bytes

    def variant(self, number: int) -> tuple[bytes, memoryview]:
        """The file in two pieces, the second of which is not copied.

        DICOM: another instance UID. JPEG: quantizers of the highest frequencies that are others by less than 4; a
        comment would be taken out, and all would be stored as one.
        """
        if self.kind is MediaKind.JPEG:
            head = bytearray(self.content[:HEADER_BYTES])
            table = head.index(b"\xff\xdb") + QUANTIZERS_AT
            for place in range(64 - VARIED, 64):
                number, digit = divmod(number, 4)
                head[table + place] += digit
            return bytes(head), memoryview(self.content)[HEADER_BYTES:]
        head = self.content[:HEADER_BYTES].replace(instance_uid(0).encode(), instance_uid(number).encode())
        return head, memoryview(self.content)[HEADER_BYTES:]


def instance_uid(number: int) -> str:
    """A UID of a fixed length."""
    return f"2.25.1{number:029d}"


def jpeg(seed: int) -> Source:
    buffer = io.BytesIO()
    Image.fromarray(radiograph(seed=seed)).save(buffer, "JPEG", quality=90)
    return Source("radiograph.jpg", MediaKind.JPEG, buffer.getvalue())


def raw_dicom(seed: int, *, rows: int = ROWS, columns: int = COLUMNS) -> Source:
    """An uncompressed 12-bit CR instance."""
    pixels = radiograph(rows, columns, seed=seed).astype(np.uint16) << 4
    return Source("radiograph.dcm", MediaKind.DICOM, instance(pixels, syntaxes.EXPLICIT))


def jpeg_2000(seed: int) -> Source:
    """A reversible JPEG 2000 CR instance of 12 bits."""
    pixels = _twelve_bits(seed)
    frame = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, bitspersample=12)
    return Source("radiograph.dcm", MediaKind.DICOM, instance(pixels, "1.2.840.10008.1.2.4.90", frame=frame))


def jpeg_lossless(seed: int) -> Source:
    """A lossless JPEG CR instance of 12 bits."""
    pixels = _twelve_bits(seed)
    frame = imagecodecs.jpeg_encode(pixels, bitspersample=12, lossless=True)
    return Source("radiograph.dcm", MediaKind.DICOM, instance(pixels, "1.2.840.10008.1.2.4.70", frame=frame))


def _twelve_bits(seed: int) -> NDArray[np.uint16]:
    """With noise in the last bits, as a detector's are: without it a lossless coder would have it easy."""
    noise = np.random.default_rng(seed).integers(0, 16, (ROWS, COLUMNS), dtype=np.uint16)
    return (radiograph(seed=seed).astype(np.uint16) << 4) | noise


# What is sent over HTTP, and by trees of before too; and what a worker is measured with.
KINDS: dict[str, Callable[[int], Source]] = {"jpeg": jpeg, "raw_dicom": raw_dicom}
WORKER_KINDS = KINDS | {"jpeg_2000": jpeg_2000, "jpeg_lossless": jpeg_lossless}


def instance(
    pixels: NDArray[np.generic], syntax: str, *, frame: bytes | bytearray | None = None, bits: int = 12
) -> bytes:
    """A CR instance of `pixels` (rows, columns), or of the compressed `frame`, as a file."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = ComputedRadiographyImageStorage, UID(instance_uid(0))
    data.StudyInstanceUID, data.SeriesInstanceUID = UID("2.25.1"), UID("2.25.2")
    data.Modality, data.PatientName, data.PatientID = "CR", "", ""
    data.Rows, data.Columns = pixels.shape
    data.BitsAllocated, data.BitsStored, data.HighBit = 8 * pixels.itemsize, bits, bits - 1
    data.PixelRepresentation, data.SamplesPerPixel, data.PhotometricInterpretation = 0, 1, "MONOCHROME2"
    swapped = pixels.byteswap() if syntax == syntaxes.BIG_ENDIAN else pixels
    data.PixelData = swapped.tobytes() if frame is None else encapsulate([bytes(frame)])
    data["PixelData"].VR = "OW" if pixels.itemsize == 2 and frame is None else "OB"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = UID(syntax)
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def syntax_files(rows: int = ROWS) -> dict[str, bytes]:
    """A generated radiograph in every transfer syntax that can be written here, and as JPEG and PNG."""
    eight = radiograph(rows, rows * COLUMNS // ROWS)
    twelve = (eight.astype(np.uint16) << 4 | 7).astype(np.uint16)
    plain = {
        "implicit": syntaxes.IMPLICIT,
        "explicit": syntaxes.EXPLICIT,
        "big_endian": syntaxes.BIG_ENDIAN,
        "deflated": syntaxes.DEFLATED,
    }
    files = {name: instance(twelve, syntax) for name, syntax in plain.items()}
    files["rle"] = _rle(twelve)
    encoded: dict[str, tuple[str, Callable[[], bytes | bytearray]]] = {
        "jpeg_extended_12": (
            syntaxes.JPEG_EXTENDED,
            lambda: imagecodecs.jpeg_encode(twelve, bitspersample=12, level=90),
        ),
        "jpeg_lossless": (
            "1.2.840.10008.1.2.4.70",
            lambda: imagecodecs.jpeg_encode(twelve, bitspersample=12, lossless=True),
        ),
        "jpeg_ls": ("1.2.840.10008.1.2.4.80", lambda: imagecodecs.jpegls_encode(twelve)),
        "jpeg_ls_near": ("1.2.840.10008.1.2.4.81", lambda: imagecodecs.jpegls_encode(twelve, level=2)),
        "jpeg_2000": (
            "1.2.840.10008.1.2.4.90",
            lambda: imagecodecs.jpeg2k_encode(twelve, codecformat="j2k", reversible=True, bitspersample=12),
        ),
        "jpeg_2000_lossy": (
            "1.2.840.10008.1.2.4.91",
            lambda: imagecodecs.jpeg2k_encode(twelve, level=45, codecformat="j2k", bitspersample=12),
        ),
    }
    for name, (syntax, encode) in encoded.items():
        files[name] = instance(twelve, syntax, frame=encode())
    files["jpeg_baseline"] = instance(
        eight, syntaxes.JPEG_BASELINE, frame=imagecodecs.jpeg_encode(eight, level=90), bits=8
    )
    for name, pixels, kind in (
        ("jpeg_file", eight, "JPEG"),
        ("png_8_file", eight, "PNG"),
        ("png_16_file", twelve << 4, "PNG"),
    ):
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, kind)
        files[name] = buffer.getvalue()
    return files


def _rle(pixels: NDArray[np.uint16]) -> bytes:
    """One frame of two segments, high byte first (PS3.5 annex G), packed by imagecodecs."""
    planes = [(pixels >> 8).astype(np.uint8), (pixels & 255).astype(np.uint8)]
    segments = [b"".join(imagecodecs.packbits_encode(row.tobytes()) for row in plane) for plane in planes]
    segments = [segment + b"\0" * (len(segment) % 2) for segment in segments]
    header = np.zeros(16, "<u4")
    header[:3] = 2, 64, 64 + len(segments[0])
    return instance(pixels, syntaxes.RLE, frame=header.tobytes() + b"".join(segments))


def real_files(data: Path) -> dict[str, bytes]:
    """Real radiographs: those of `pydicom-data`, and below `data` those of FracAtlas, where they are there."""
    found: dict[str, bytes] = {}
    spec = importlib.util.find_spec("data_store")
    if spec is not None and spec.submodule_search_locations:
        folder = Path(spec.submodule_search_locations[0]) / "data"
        found |= {path.name: path.read_bytes() for path in sorted(folder.glob("RG[13]_*.dcm"))}
    atlas = sorted((data / "fracatlas512" / "images").rglob("*.jpg"))
    return found | {path.name: path.read_bytes() for path in atlas[:: max(1, len(atlas) // 12)][:12]}


def reference_files(data: Path) -> dict[str, bytes]:
    """Every DICOM file of the reference set below `data`, where it is there."""
    return {path.name: path.read_bytes() for path in sorted((data / "dicom_cr").glob("*.dcm"))}
