"""Folders of images as people have them: with hidden files, thumbnails, a top folder too many, DICOM without suffix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import DataInvalid, TypeUnsupported, UploadEmpty
from imaging.identify import HEAD_BYTES, identify

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".dcm", ".dicom"})
# What desktops and archivers leave behind; names that start with a dot (`.DS_Store`, `._image1.png`) go as well.
JUNK = frozenset({"__macosx", "thumbs.db", "desktop.ini", "@eadir", "ehthumbs.db"})
# Deeper than any published layout; also what ends a circle of links.
DEPTH = 8


@dataclass(frozen=True, slots=True)
class Listing:
    """The image files below a folder, sorted by path, and the names of other files (junk not counted)."""

    images: list[Path]
    others: list[Path] = field(default_factory=list)


def list_images(folder: Path) -> Listing:
    """Every image below `folder`. A file without one of our suffixes is one where its first bytes say so.

    Raises DataInvalid where the folder cannot be read.
    """
    listing = Listing([])
    for file in _walk(folder, DEPTH):
        (listing.images if is_image(file) else listing.others).append(file)
    return listing


def is_image(file: Path) -> bool:
    """Whether the name says PNG, JPEG or DICOM, or, for a name without a known suffix, the first bytes do."""
    suffix = file.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        return True
    if suffix and not suffix[1:].isdigit():  # 1.2.840.10008 is a DICOM UID, and has no suffix
        return False
    try:
        with file.open("rb") as stream:
            identify(stream.read(HEAD_BYTES))
    except (OSError, TypeUnsupported, UploadEmpty):
        return False
    return True


def entries(folder: Path) -> list[Path]:
    """The files and folders in `folder`, sorted by name, without junk. Raises DataInvalid where it cannot be read."""
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise DataInvalid(f"{folder} is not there, or no folder that can be read") from error
    return [folder / name for name in names if not name.startswith(".") and name.lower() not in JUNK]


def folders(folder: Path) -> list[Path]:
    """The folders in `folder`, sorted by name, without junk."""
    return [entry for entry in entries(folder) if entry.is_dir()]


def plain(name: str) -> str:
    """A folder's or column's name for comparison: lower case, words joined by one underscore."""
    letters = "".join(letter if letter.isalnum() else " " for letter in name.lower())
    return "_".join(letters.split())


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    for entry in entries(folder):
        if entry.is_dir():
            if depth > 0:
                yield from _walk(entry, depth - 1)
        elif entry.is_file():
            yield entry
