"""What a decoder is asked for beside a Radiograph: a frame's stored values, an image's depth, a picture for the eye."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MAX_SIDE = 8192


class PictureFormat(StrEnum):
    """The encodings of a picture."""

    JPEG = "jpeg"
    PNG = "png"

    @property
    def media_type(self) -> str:
        return f"image/{self.value}"


@dataclass(frozen=True, slots=True)
class FrameRequest:
    """The frame's stored values, uncompressed, little endian, in Bits Allocated; colour by pixel."""


@dataclass(frozen=True, slots=True)
class FullDepthRequest:
    """The image at full size and full depth, one channel, for a viewer that windows it itself (`imaging.depth`)."""


@dataclass(frozen=True, slots=True)
class PictureRequest:
    """The frame as it is to be seen, 8 bits grey (PS3.18 section 8.3.5).

    `window`: (center, width, function) in place of the image's own, function of PS3.3 C.11.2.1.3. `source`: (left, top,
    width, height) of the part to show, in stored pixels; a negative width or height mirrors it. `viewport`: (width,
    height) that the picture is scaled to fit into, its proportions kept. `quality` of JPEG is 1 to 100.
    """

    format: PictureFormat = PictureFormat.JPEG
    window: tuple[float, float, str] | None = None
    source: tuple[int, int, int, int] | None = None
    viewport: tuple[int, int] | None = None
    quality: int = 90


DecodeRequest = FrameRequest | FullDepthRequest | PictureRequest


def written(request: DecodeRequest | None) -> bytes:
    """`request` for the way to the decoder; None is the Radiograph."""
    if request is None:
        return b""
    return json.dumps({"kind": type(request).__name__, **asdict(request)}).encode()


def read(data: bytes) -> DecodeRequest | None:
    """What `written` wrote."""
    if not data:
        return None
    fields: dict[str, Any] = json.loads(data)
    kind = fields.pop("kind")
    for bare in (FrameRequest, FullDepthRequest):
        if kind == bare.__name__:
            return bare()
    for name in ("window", "source", "viewport"):
        fields[name] = tuple(fields[name]) if fields[name] is not None else None
    return PictureRequest(**fields | {"format": PictureFormat(fields["format"])})
