"""What an upload is, told by its first bytes and never by its name."""

from __future__ import annotations

from core.dicom_start import HEAD_BYTES, PREAMBLE_BYTES, PREFIX, start_of
from core.errors import TypeUnsupported, UploadEmpty
from core.vocabulary import MediaKind

__all__ = ["HEAD_BYTES", "JPEG_START", "PNG_SIGNATURE", "identify"]

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"

# Only for the message: what people most often send instead.
KNOWN_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "a GIF file"),
    (b"BM", "a BMP file"),
    (b"II*\x00", "a TIFF file"),
    (b"MM\x00*", "a TIFF file"),
    (b"%PDF", "a PDF file"),
    (b"%!PS", "a PostScript file"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"RIFF", "a WebP file"),
    (b"\xff\x4f\xff\x51", "a bare JPEG 2000 codestream"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 file"),
    (b"<", "an SVG, XML or HTML file"),
)


def identify(head: bytes) -> MediaKind:
    """The kind of the file that starts with `head` (its first 132 bytes, or all of a shorter file).

    DICOM is told by its prefix at byte 128 (PS3.10 section 7.1), whatever the preamble imitates; without preamble by
    its first elements (`core.dicom_start`).
    Raises UploadEmpty without a byte and TypeUnsupported for every other content.
    """
    if not head:
        raise UploadEmpty
    if head[PREAMBLE_BYTES:HEAD_BYTES] == PREFIX:
        return MediaKind.DICOM
    if head.startswith(PNG_SIGNATURE):
        return MediaKind.PNG
    if head.startswith(JPEG_START):
        return MediaKind.JPEG
    if start_of(head) is not None:
        return MediaKind.DICOM
    for magic, name in KNOWN_OTHERS:
        if head.startswith(magic):
            raise TypeUnsupported(f"This looks like {name}; DICOM, PNG and JPEG are supported")
    raise TypeUnsupported(
        "Not a DICOM, PNG or JPEG file: the preamble of 128 bytes and the prefix DICM are missing, and it does not "
        "begin as a data set without them does"
    )
