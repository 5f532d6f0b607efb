"""Radiographs to try at once: the files of `LUCENCY_SAMPLES_FOLDER`, else real ones out of the pydicom-data wheel.

The wheel is there wherever the local stack is (the extra `embedded`); a production image has neither: it offers none.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from core.errors import NotFound
from core.settings import Settings
from core.vocabulary import MediaKind
from imaging.decode_requests import PictureFormat, PictureRequest
from imaging.picture import encoded
from imaging.sandbox.pool import DecoderPool

MAX_SAMPLES = 24
THUMBNAIL_SIDE = 224
# The PNG that is made of a DICOM file: about what a phone or a teaching file has.
PICTURE_SIDE = 1024
KINDS = {
    ".dcm": MediaKind.DICOM, ".dicom": MediaKind.DICOM,
    ".png": MediaKind.PNG, ".jpg": MediaKind.JPEG, ".jpeg": MediaKind.JPEG,
}  # fmt: skip
NOTE_BYTES = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    """One radiograph to try. `drawn`: what is given is a PNG, drawn from the DICOM file at `path`.

    Without `accepted` it is there to be rejected, and has no thumbnail.
    """

    name: str
    title: str
    description: str
    path: Path
    kind: MediaKind
    drawn: bool = False
    accepted: bool = True

    @property
    def file_name(self) -> str:
        """What the file calls itself when it is submitted."""
        return f"{self.name}.png" if self.drawn else self.path.name


# (name, file of the wheel, title, description, drawn, accepted)
SHIPPED = (
    (
        "lower-leg",
        "RG3_J2KR.dcm",
        "Lower leg (DICOM)",
        "A computed radiograph of a lower leg, compressed as JPEG 2000, as an archive would send it.",
        False,
        True,
    ),
    (
        "lower-leg-picture",
        "RG3_J2KR.dcm",
        "Lower leg (PNG)",
        "The same lower leg as a plain 8-bit picture, as it comes from a teaching file.",
        True,
        True,
    ),
    (
        "chest",
        "RG1_J2KR.dcm",
        "Chest (DICOM)",
        "No limb: the model was not trained for it. See how Lucency says that a human should look.",
        False,
        True,
    ),
    (
        "head-mr",
        "MR2_J2KR.dcm",
        "Head, magnetic resonance (DICOM)",
        "No radiograph at all: see how a rejection is told.",
        False,
        False,
    ),
)


def samples(settings: Settings) -> list[Sample]:
    """What there is, in the order it is to be shown; empty where neither folder nor wheel is there."""
    if settings.samples_folder is not None:
        return _of_folder(settings.samples_folder, limit=settings.upload_bytes)
    return [sample for sample in _shipped() if sample.path.is_file()]


def sample(settings: Settings, name: str) -> Sample:
    """Raises NotFound; names are looked up, and are never part of a path."""
    found = next((one for one in samples(settings) if one.name == name), None)
    if found is None:
        raise NotFound("There is no such sample.")
    return found


def picture(found: Sample, decoders: DecoderPool) -> bytes:
    """The PNG of a drawn sample. Blocks. Raises DecodeFailed, InputRejected."""
    return _drawn(decoders, found.path, found.path.stat().st_mtime_ns, PICTURE_SIDE, PictureFormat.PNG)


def thumbnail(found: Sample, decoders: DecoderPool) -> bytes:
    """A small JPEG of it. Blocks. Raises DecodeFailed, InputRejected."""
    return _drawn(decoders, found.path, found.path.stat().st_mtime_ns, THUMBNAIL_SIDE, PictureFormat.JPEG)


@lru_cache(maxsize=64)
def _drawn(decoders: DecoderPool, path: Path, _changed: int, side: int, form: PictureFormat) -> bytes:
    # A file in the folder is a stranger's as well as any upload: it is decoded in a child.
    radiograph = decoders.decode(path.read_bytes(), longest_side=side)
    return encoded(radiograph.pixels, PictureRequest(form))


def _shipped() -> Iterable[Sample]:
    spec = importlib.util.find_spec("data_store")
    for folder in spec.submodule_search_locations or () if spec is not None else ():
        for name, file, title, description, drawn, accepted in SHIPPED:
            kind = MediaKind.PNG if drawn else MediaKind.DICOM
            yield Sample(name, title, description, Path(folder) / "data" / file, kind, drawn, accepted)


def _of_folder(folder: Path, *, limit: int) -> list[Sample]:
    if not folder.is_dir():
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in KINDS and not path.name.startswith("."))
    some = [path for path in files if path.is_file() and path.stat().st_size <= limit][:MAX_SAMPLES]
    return [Sample(path.name, *_note(path), path, KINDS[path.suffix.lower()]) for path in some]


def _note(path: Path) -> tuple[str, str]:
    """Title and description: the first line and the rest of a text file beside it, `hip.dcm.txt` for `hip.dcm`."""
    note = path.with_name(f"{path.name}.txt")
    if not note.is_file():
        return path.stem.replace("_", " "), ""
    with note.open("rb") as file:
        title, _, description = file.read(NOTE_BYTES).decode("utf-8", "replace").strip().partition("\n")
    return title.strip() or path.stem, " ".join(description.split())
