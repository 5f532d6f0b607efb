"""The header of a file that lies elsewhere, from no more of its first bytes than it takes."""

from __future__ import annotations

import io
from collections.abc import Callable

from core.errors import DicomTruncated
from imaging.header import Limits
from imaging.stored_header import StoredHeader, read_header

FIRST_BYTES = 64 * 1024


def header_of(first: Callable[[int], bytes], *, size: int, limits: Limits) -> StoredHeader:
    """The header of the DICOM file of `size` bytes whose first n bytes are `first(n)`: 64 KiB, or eight times as many
    until it ends. Raises what `read_header` raises.
    """
    wanted = FIRST_BYTES
    while True:
        try:
            return read_header(io.BytesIO(first(wanted)), limits=limits)
        except DicomTruncated:
            if wanted >= size:
                raise
        wanted *= 8
