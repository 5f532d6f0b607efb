"""The reference files: what each must decode to. Levels are those of 512 pixels' longest side."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset

from tests.data import pydicom_file, shared


@dataclass(frozen=True, slots=True)
class Reference:
    """A file, its full size, and the shape and mean of its radiograph; `like` is the file it must agree with."""

    name: str
    rows: int
    columns: int
    shape: tuple[int, int]
    mean: float
    like: str | None = None
    find: Callable[[str], Path] = pydicom_file


def cr(name: str) -> Path:
    return shared(f"dicom_cr/{name}")


REFERENCES = (
    Reference("RG1_UNCR.dcm", 1955, 1841, (512, 482), 192.2),
    Reference("RG3_UNCR.dcm", 1760, 1760, (512, 512), 177.5),
    Reference("966_fixed.dcm", 2128, 2000, (512, 481), 159.6, find=cr),
    Reference("JPEG2KLossless_1s_1f_u_16_16.dcm", 1416, 1420, (511, 512), 83.3, find=cr),
    Reference("NM_Kakadu44_SOTmarkerincons.dcm", 2500, 2048, (512, 419), 39.1, find=cr),
    Reference("RG1_JLSN.dcm", 1955, 1841, (512, 482), 192.2, "RG1_UNCR.dcm", cr),
    *(Reference(f"RG2_{kind}.dcm", 2140, 1760, (512, 421), 112.5, find=cr)
      for kind in ("J2KI", "J2KR", "JLSL", "JLSN", "JPLL", "JPLY_fixed", "RLE")),
    *(Reference(f"RG3_{kind}.dcm", 1760, 1760, (512, 512), 177.5, "RG3_UNCR.dcm", cr)
      for kind in ("J2KI", "J2KR", "JLSL", "JLSN", "JPLL", "RLE")),
)  # fmt: skip

CR_CLASS = "1.2.840.10008.5.1.4.1.1.1"


def dicom(
    pixels: NDArray[Any], *, syntax: str = "1.2.840.10008.1.2.1", raw: bytes | None = None, **attributes: Any
) -> bytes:
    """A CR file around `pixels` (h, w); attributes by keyword override the derived ones, None leaves one out."""
    data = Dataset()
    bits = pixels.dtype.itemsize * 8
    fields: dict[str, Any] = {
        "SOPClassUID": CR_CLASS, "SOPInstanceUID": "1.2.3", "StudyInstanceUID": "1.2", "Modality": "CR",
        "SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "Rows": pixels.shape[0],
        "Columns": pixels.shape[1], "BitsAllocated": bits, "BitsStored": bits, "HighBit": bits - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }  # fmt: skip
    for keyword, value in (fields | attributes).items():
        if value is not None:
            setattr(data, keyword, value)
    order = ">" if syntax == "1.2.840.10008.1.2.2" else "<"
    data.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes() if raw is None else raw
    data["PixelData"].VR = "OW" if bits == 16 else "OB"
    data["PixelData"].is_undefined_length = raw is not None
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CR_CLASS, "1.2.3"
    data.file_meta = meta
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, data, enforce_file_format=True)
    return buffer.getvalue()


def ramp(rows: int = 64, columns: int = 256, *, top: int = 4095) -> NDArray[np.uint16]:
    """(rows, columns) uint16 from 0 on the left to `top` on the right."""
    return np.tile(np.linspace(0, top, columns).round().astype(np.uint16), (rows, 1))
