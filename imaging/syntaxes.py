"""The transfer syntaxes that are accepted (PS3.6 table A-1), in the groups that their decoders form.

The list itself is core's: the gateway offers it to its peers and knows no imaging.
"""

from __future__ import annotations

from core.transfer_syntaxes import (
    BIG_ENDIAN,
    DEFLATED,
    ENCAPSULATED,
    EXPLICIT,
    IMPLICIT,
    JPEG_2000,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LS,
    NATIVE,
    RLE,
    SUPPORTED,
)

__all__ = [
    "BIG_ENDIAN",
    "DEFLATED",
    "ENCAPSULATED",
    "EXPLICIT",
    "IMPLICIT",
    "JPEG_2000",
    "JPEG_BASELINE",
    "JPEG_EXTENDED",
    "JPEG_LOSSLESS",
    "JPEG_LS",
    "NATIVE",
    "RLE",
    "SUPPORTED",
]
