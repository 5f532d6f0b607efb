"""What is known of an image before it is decoded, and the limits of finding out."""

from __future__ import annotations

from dataclasses import dataclass

from core.settings import MEBIBYTE, Settings
from core.vocabulary import MediaKind


@dataclass(frozen=True, slots=True)
class Limits:
    """What an input may ask for. Sizes are bytes.

    `pixels` bounds Rows × Columns × Frames, `inflated_bytes` what a deflated data set may grow to, `depth` the
    nesting of
    sequences; `elements`, `chunks` and `scans` bound the work of the walk itself.
    """

    pixels: int = 100_000_000
    inflated_bytes: int = 512 * MEBIBYTE
    depth: int = 16
    elements: int = 50_000
    chunks: int = 100_000
    scans: int = 100

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """The limits that the settings ask for."""
        return cls(pixels=settings.pixel_limit, inflated_bytes=settings.inflated_bytes)


@dataclass(frozen=True, slots=True)
class Header:
    """What is stored about an Image: geometry and technique, and the UIDs of the file that it was read from.

    `rows` and `columns` are those of the upright picture (after the EXIF orientation of a raster file). `burned_in`:
    the file says that patient data may be burned into its pixels (PS3.3 C.7.6.1, Burned In Annotation).
    """

    media_kind: MediaKind
    rows: int
    columns: int
    bits_stored: int
    transfer_syntax: str | None = None
    photometric_interpretation: str | None = None
    modality: str | None = None
    body_part: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    sop_class_uid: str | None = None
    series_instance_uid: str | None = None
    burned_in: bool = False
