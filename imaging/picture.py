"""An 8-bit picture cut, scaled and encoded as a PictureRequest asks."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import DicomInvalid
from imaging.decode_requests import PictureFormat, PictureRequest


def encoded(pixels: NDArray[np.uint8], request: PictureRequest) -> bytes:
    """`pixels` (h, w) grey or (h, w, 3) RGB as JPEG or PNG. Raises DicomInvalid where the part lies outside."""
    made = Image.fromarray(pixels)
    if request.source is not None:
        made = _part(made, request.source)
    if request.viewport is not None:
        made = _fitted(made, request.viewport)
    buffer = io.BytesIO()
    if request.format is PictureFormat.PNG:
        made.save(buffer, "PNG", compress_level=4)
    else:
        made.save(buffer, "JPEG", quality=request.quality)
    return buffer.getvalue()


def fit(size: tuple[int, int], viewport: tuple[int, int]) -> tuple[int, int]:
    """(width, height) within `viewport` of the same proportions as `size`."""
    scale = min(viewport[0] / size[0], viewport[1] / size[1])
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _fitted(picture: Image.Image, viewport: tuple[int, int]) -> Image.Image:
    size = fit(picture.size, viewport)
    return picture if size == picture.size else picture.resize(size, Image.Resampling.BILINEAR)


def _part(picture: Image.Image, source: tuple[int, int, int, int]) -> Image.Image:
    left, top, width, height = source
    right, bottom = min(left + abs(width), picture.width), min(top + abs(height), picture.height)
    if not (0 <= left < right and 0 <= top < bottom):
        raise DicomInvalid("The part asked for lies outside of the image")
    part = picture.crop((left, top, right, bottom))
    if width < 0:
        part = part.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return part.transpose(Image.Transpose.FLIP_TOP_BOTTOM) if height < 0 else part
