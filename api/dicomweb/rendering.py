"""The query of a rendered resource (PS3.18 section 8.3.5) → what picture is wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from core.errors import RequestInvalid
from imaging.decode_requests import MAX_SIDE, PictureFormat, PictureRequest

FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
THUMBNAIL_SIDE = 256
# What the standard knows and we do not do: it may be asked for, and changes nothing.
IGNORED = frozenset({"accept", "annotation", "charset", "iccprofile"})


def read_picture_request(form: PictureFormat, query: Mapping[str, str], *, thumbnail: bool) -> PictureRequest:
    """`window=center,width[,function]`, `viewport=width,height[,left,top,width,height]`, `quality=1..100`.

    Raises RequestInvalid.
    """
    request = PictureRequest(form)
    for name, value in query.items():
        if name == "window":
            request = replace(request, window=_window(value))
        elif name == "viewport":
            request = _viewport(request, value)
        elif name == "quality":
            if not (value.isascii() and value.isdecimal() and 1 <= int(value[:9]) <= 100):
                raise RequestInvalid("quality must be a whole number from 1 to 100.")
            request = replace(request, quality=int(value))
        elif name not in IGNORED:
            raise RequestInvalid("A rendered picture takes window, viewport and quality.")
    if thumbnail and request.viewport is None:
        request = replace(request, viewport=(THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    return request


def _window(value: str) -> tuple[float, float, str]:
    parts = value.split(",")
    function = FUNCTIONS.get(parts[2].strip().lower()) if len(parts) == 3 else "LINEAR"
    numbers = [_number(part) for part in parts[:2]]
    if len(numbers) != 2 or function is None or numbers[1] < (1 if function == "LINEAR" else 1e-9):
        raise RequestInvalid("window must be center,width and may name linear, linear-exact or sigmoid.")
    return numbers[0], numbers[1], function


def _viewport(request: PictureRequest, value: str) -> PictureRequest:
    parts = [part.strip() for part in value.split(",")]
    if len(parts) not in (2, 6):
        raise RequestInvalid("viewport must be width,height and may go on left,top,width,height.")
    width, height = (_number(part) for part in parts[:2])
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise RequestInvalid(f"A viewport's sides must be 1 to {MAX_SIDE} pixels.")
    request = replace(request, viewport=(int(width), int(height)))
    if len(parts) == 2:
        return request
    left, top = (_number(part or "0") for part in parts[2:4])
    across, down = (_number(part or str(MAX_SIDE * 8)) for part in parts[4:])
    if left < 0 or top < 0 or not across or not down:
        raise RequestInvalid("The part of the image to show must begin inside of it.")
    return replace(request, source=(int(left), int(top), int(across), int(down)))


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found) or abs(found) > 1e9:
        raise RequestInvalid("window and viewport are of numbers.")
    return found
