"""Bytes → Radiograph, in this process. Input from outside goes through `imaging.sandbox.pool` instead."""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from core import transfer_syntaxes as syntaxes
from core.errors import DecodeFailed, LucencyError
from core.vocabulary import MediaKind
from imaging.aspect import square_size
from imaging.codecs import CODEC_FAULTS, decode_frame
from imaging.dicom import DicomImage, scan_dicom
from imaging.file_data import FileData
from imaging.greyscale import grey_levels, stored_values
from imaging.header import Limits
from imaging.identify import HEAD_BYTES, identify
from imaging.radiograph import Radiograph
from imaging.raster import decode_raster, grey
from imaging.raster_scan import scan_jpeg, scan_png
from imaging.resize import fitted, target_size


def decode(data: bytes | FileData, *, longest_side: int, limits: Limits | None = None) -> Radiograph:
    """The radiograph in the DICOM, PNG or JPEG file `data`, with a longest side of at most `longest_side` pixels.

    Raises subclasses of InputRejected for what the pre-scan refuses and for colour, and DecodeFailed for all else
    that a
    codec stumbles over; nothing else.
    """
    try:
        return _decode(FileData.of(data), longest_side, limits or Limits())
    except LucencyError:
        raise
    except CODEC_FAULTS as error:
        raise DecodeFailed from error


def _decode(data: FileData, longest_side: int, limits: Limits) -> Radiograph:
    kind = identify(data.head(HEAD_BYTES))
    file = data.reading()
    if kind is MediaKind.DICOM:
        image = scan_dicom(file, limits=limits)
        header, photometric = image.header, image.photometric
        pixels = _dicom_pixels(image, data, longest_side, limits)
    else:
        raster = (scan_png if kind is MediaKind.PNG else scan_jpeg)(file, limits=limits)
        header, photometric = raster.header, "MONOCHROME2"
        pixels = decode_raster(raster, data.whole(), longest_side=longest_side)
    return Radiograph(
        pixels=np.ascontiguousarray(pixels), rows=header.rows, columns=header.columns, bits_stored=header.bits_stored,
        photometric_interpretation=photometric, transfer_syntax=header.transfer_syntax, media_kind=kind,
    )  # fmt: skip


def _dicom_pixels(image: DicomImage, data: FileData, longest_side: int, limits: Limits) -> NDArray[np.uint8]:
    """As a reader sees them: square, however the stored ones are (PS3.3 C.7.6.3.1.7)."""
    size = target_size(*square_size(image.rows, image.columns, image.aspect), longest_side)
    decoded = decode_frame(image, frame_bytes(image, data, limits), size=asked_of(image, size))
    if image.samples == 3:
        return fitted(luminance(image, decoded.values), size)
    values = stored_values(image, decoded.values, overshoots=decoded.overshoots)
    return grey_levels(image, values, size)


def asked_of(image: DicomImage, size: tuple[int, int]) -> tuple[int, int]:
    """What to ask the codec for, where the picture is wanted in `size`: all of a frame whose pixels are not square, for
    its reduced resolutions shrink both sides alike.
    """
    return size if image.aspect == 1 else (image.rows, image.columns)


def luminance(image: DicomImage, values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey of three 8-bit channels that agree. Compressed colour comes as RGB, native YBR_FULL as it is stored."""
    if image.bits_allocated != 8:
        raise DecodeFailed("Colour with more than 8 bits is not supported")
    channels = values.astype(np.uint8, copy=False)
    if image.photometric == "YBR_FULL" and image.transfer_syntax in syntaxes.NATIVE | {syntaxes.RLE}:
        # Cb and Cr of grey are 128: as differences from it they must vanish like those of RGB.
        chroma = channels[:, :, 1:].astype(np.int16) - 128
        luma = channels[:, :, :1].astype(np.int16)
        channels = np.clip(np.concatenate([luma, luma + chroma], axis=2), 0, 255).astype(np.uint8)
        grey(channels)
        return np.asarray(channels[:, :, 0])
    return grey(channels)


def frame_bytes(image: DicomImage, data: FileData, limits: Limits) -> bytes | memoryview:
    """The one frame of `image` as it lies in the file `data`: a codestream, or native values."""
    if image.transfer_syntax == syntaxes.DEFLATED:
        start, length = image.pixel_ranges[0]
        return _inflated(image, data, limits)[start : start + length]
    parts = [data.part(start, length) for start, length in image.pixel_ranges]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _inflated(image: DicomImage, data: FileData, limits: Limits) -> bytes:
    start, length = image.pixel_ranges[0]
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    return inflater.decompress(
        memoryview(data.whole())[image.data_set_start :], min(start + length, limits.inflated_bytes)
    )
