"""The transfer syntaxes that Lucency decodes (PS3.6 table A-1), in the groups that their decoders form.

The gateway offers them to its peers, intake takes them, DICOMweb gives them: no other file lists them, but for dcmtk's
(deploy/storescu.cfg, which a test holds to this list).
"""

from __future__ import annotations

IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
# Retired from the standard, yet old archives are full of it.
BIG_ENDIAN = "1.2.840.10008.1.2.2"
RLE = "1.2.840.10008.1.2.5"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = frozenset({"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"})
JPEG_LS = frozenset({"1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"})
# High-throughput JPEG 2000: lossless, lossless RPCL, lossy.
HTJ2K = frozenset({"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.202", "1.2.840.10008.1.2.4.203"})
JPEG_2000 = frozenset({"1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"}) | HTJ2K
NATIVE = frozenset({IMPLICIT, EXPLICIT, DEFLATED, BIG_ENDIAN})
# PS3.18 table 8.7.3-5: what a frame's codestream is called, and its names of old.
CODESTREAMS: dict[str, tuple[str, ...]] = {
    RLE: ("image/dicom-rle", "image/x-dicom-rle"),
    JPEG_BASELINE: ("image/jpeg",),
    JPEG_EXTENDED: ("image/jpeg",),
    **dict.fromkeys(JPEG_LOSSLESS, ("image/jpeg",)),
    **dict.fromkeys(JPEG_LS, ("image/jls", "image/x-jls")),
    **dict.fromkeys(JPEG_2000, ("image/jp2",)),
    **dict.fromkeys(HTJ2K, ("image/jphc",)),
}
ENCAPSULATED = frozenset(CODESTREAMS)
SUPPORTED = NATIVE | ENCAPSULATED
