"""A stored radiograph as the small grey picture that overlays and reports are drawn on."""

from __future__ import annotations

from typing import BinaryIO

from imaging import reduced
from imaging.sandbox.pool import DecoderPool


class Previews:
    """Makes them, with the decoder processes of `decoders`."""

    def __init__(self, decoders: DecoderPool) -> None:
        self._decoders = decoders

    def of_file(self, file: BinaryIO, size: int) -> bytes:
        """Of a file of so many bytes. Raises what `DecoderPool.decode` raises."""
        # With the first: a process that draws nothing loads no OpenCV.
        from reports.heatmap import encode_preview  # noqa: PLC0415

        return encode_preview(self._decoders.decode_file(file, size=size, longest_side=reduced.LONGEST_SIDE).pixels)

    def of_copy(self, data: bytes) -> bytes:
        """Of a reduced copy. Raises ImageInvalid."""
        from reports.heatmap import encode_preview  # noqa: PLC0415

        return encode_preview(reduced.decode(data).pixels)
