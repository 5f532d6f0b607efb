"""A stored radiograph as the small grey picture that overlays and reports are drawn on."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from imaging.sandbox.pool import DecoderPool

LONGEST_SIDE = 512


def preview_maker(decoders: DecoderPool) -> Callable[[BinaryIO, int], bytes]:
    """What gives the preview of a file of so many bytes. It raises what `DecoderPool.decode` raises."""

    def preview(file: BinaryIO, size: int) -> bytes:
        # With the first: a process that draws nothing loads no OpenCV.
        from reports.heatmap import encode_preview  # noqa: PLC0415

        return encode_preview(decoders.decode_file(file, size=size, longest_side=LONGEST_SIDE).pixels)

    return preview
