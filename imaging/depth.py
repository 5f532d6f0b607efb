"""An image at full size and full depth, for a viewer that windows it itself. Runs in a decoder process.

The values are the stored ones (PS3.5 section 8.1.1), through the Modality LUT where that is a table (PS3.3 C.11.1.1): a
straight line, Rescale Slope and Intercept, is left to whoever shows numbers, for it changes no picture. MONOCHROME1 is
not turned here: `imaging.display` says that small values are bright, and the viewer turns them, once. Padding (PS3.3
C.7.5.1.1.2) takes the darkest value that there is room for. PNG and JPEG are upright. Pixels that are not square (PS3.3
C.7.6.3.1.7) stay so: the viewer gives the picture its shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.vocabulary import MediaKind
from imaging import dicom
from imaging.codecs import decode_frame
from imaging.decode import frame_bytes, luminance
from imaging.dicom import DicomImage, scan_dicom
from imaging.display import small_is_bright
from imaging.file_data import FileData
from imaging.greyscale import HIGH, LOW, modality_table, padding_mask, stored_values, voi_table
from imaging.header import Limits
from imaging.identify import HEAD_BYTES, identify
from imaging.raster import full_raster
from imaging.raster_scan import scan_jpeg, scan_png

# What the percentiles are taken of: every n-th pixel of every n-th row, at most about this many.
SAMPLED = 4_000_000

Values = NDArray[Any]


def full_depth(data: bytes | FileData, *, limits: Limits) -> tuple[dict[str, object], bytes]:
    """Fields and little-endian values (h, w) of the DICOM, PNG or JPEG file `data`.

    Fields: `rows`, `columns`; `bits`, 8 or 16, of a value; `signed`; `aspect`, how many times a pixel is higher than
    wide; `minimum` and `maximum` of the picture, without padding; `low` and `high`, its 0.5th and 99.5th percentile,
    between which it is shown where nothing else is asked.
    Raises what `imaging.decode.decode` raises, and what codecs do.
    """
    data = FileData.of(data)
    kind = identify(data.head(HEAD_BYTES))
    aspect = 1.0
    if kind is MediaKind.DICOM:
        image = scan_dicom(data.reading(), limits=limits)
        values, picture = _dicom(image, data, limits)
        aspect = image.aspect
    else:
        scan = scan_png if kind is MediaKind.PNG else scan_jpeg
        values = picture = full_raster(scan(data.reading(), limits=limits), data.whole())
    fields = {"rows": values.shape[0], "columns": values.shape[1], "bits": values.dtype.itemsize * 8}
    fields |= {"signed": values.dtype.kind == "i", "aspect": aspect}
    return fields | _spread(picture), values.astype(_little(values)).tobytes()


def _little(values: Values) -> np.dtype[Any]:
    return values.dtype.newbyteorder("<")


def _dicom(image: DicomImage, data: FileData, limits: Limits) -> tuple[Values, Values]:
    """The values, and those of them that are no padding."""
    decoded = decode_frame(image, frame_bytes(image, data, limits), size=(image.rows, image.columns))
    if image.samples == 3:
        values = np.ascontiguousarray(luminance(image, decoded.values))
        return values, values
    values = stored_values(image, decoded.values, overshoots=decoded.overshoots)
    mask = padding_mask(image, values)
    table = modality_table(image)
    if table is not None:
        values = np.clip(np.rint(table(values.astype(np.float32))), 0, 65535).astype(np.uint16)
    if mask is None:
        return values, values
    picture = values[~mask]
    slope = next(iter(image.numbers(dicom.RESCALE_SLOPE)), 1.0) if table is None else 1.0
    values = values.copy()
    ends = np.iinfo(values.dtype)
    values[mask] = ends.max if small_is_bright(image.photometric, slope, voi_table(image)) else ends.min
    return values, picture


def _spread(picture: Values) -> dict[str, object]:
    step = max(1, round((picture.size / SAMPLED) ** (1 / picture.ndim)))
    low, high = np.percentile(picture[(slice(None, None, step),) * picture.ndim], (LOW, HIGH))
    return {"minimum": int(picture.min()), "maximum": int(picture.max()), "low": float(low), "high": float(high)}
