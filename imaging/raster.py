"""PNG and JPEG files → grey levels."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import ImageColoured, ImageInvalid, ImageTruncated
from core.vocabulary import MediaKind
from imaging.codecs import CODEC_FAULTS, scaled_jpeg
from imaging.endings import closed_jpeg
from imaging.exif import upright
from imaging.greyscale import robust_window
from imaging.raster_scan import RasterImage
from imaging.resize import shrink, target_size

# Lossy colour of a grey picture strays by a few levels; scanners tint whole pictures by less than this.
CHANNEL_TOLERANCE = 12.0
COLOURED_SHARE = 0.01


def grey(channels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(h, w, 3) RGB whose channels agree → (h, w). Raises ImageColoured where over 1 % of the pixels do not."""
    spread = np.max(channels, axis=2).astype(np.int16) - np.min(channels, axis=2)
    if float(np.mean(spread > CHANNEL_TOLERANCE)) > COLOURED_SHARE:
        raise ImageColoured
    return channels[:, :, 1]


def decode_raster(image: RasterImage, data: bytes, *, longest_side: int) -> NDArray[np.uint8]:
    """The upright pixels of a PNG or JPEG file. 16-bit PNG, which has no window, is shown as DICOM without one is.

    Raises ImageTruncated of a JPEG without its end marker where a line is missing.
    """
    header = image.header
    size = target_size(header.rows, header.columns, longest_side)
    if header.media_kind is MediaKind.JPEG:
        if image.frame is None:
            raise ImageInvalid
        if not image.ended:
            data = closed_jpeg(data, ImageTruncated("The JPEG ends before its last line"), faults=CODEC_FAULTS)
        stored = size if image.orientation < 5 else size[::-1]
        pixels = scaled_jpeg(data, image.frame, size=stored)
    else:
        pixels = _png(data)
    if pixels.ndim == 3:
        pixels = grey(pixels)
    return shrink(upright(pixels, image.orientation), size).astype(np.uint8)


def full_raster(image: RasterImage, data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The upright pixels (h, w) at full size; 16-bit grey PNG in 16 bits, without a window. Raises as decoding does."""
    if image.header.media_kind is MediaKind.PNG:
        values = _png_values(data)
        if values.dtype == np.uint16:
            return upright(values, image.orientation).astype(np.uint16)
    return decode_raster(image, data, longest_side=max(image.header.rows, image.header.columns))


def _png(data: bytes) -> NDArray[np.uint8]:
    values = _png_values(data)
    if values.dtype == np.uint8:
        return values.astype(np.uint8, copy=False)
    levels = values.astype(np.float32)
    return np.rint(robust_window(levels)(levels) * 255).astype(np.uint8)


def _png_values(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Grey (h, w) in 8 or 16 bits, or RGB (h, w, 3)."""
    with Image.open(io.BytesIO(data), formats=["PNG"]) as picture:
        picture.load()
        if picture.mode.startswith("I"):
            return np.asarray(picture).astype(np.uint16)
        if picture.mode in ("LA", "PA", "RGBA") or "transparency" in picture.info:
            # What is transparent is no picture: black, as outside the collimation.
            rgba = picture.convert("RGBA")
            ground = Image.new("RGBA", rgba.size, (0, 0, 0, 255))
            return np.asarray(Image.alpha_composite(ground, rgba).convert("RGB"))
        if picture.mode in ("1", "L"):
            return np.asarray(picture.convert("L"))
        if picture.mode in ("P", "RGB"):
            return np.asarray(picture.convert("RGB"))
    raise ImageInvalid("The PNG has an unknown kind of pixels")
