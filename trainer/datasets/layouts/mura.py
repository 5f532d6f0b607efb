"""MURA v1.1: `train|valid/XR_<REGION>/patient<n>/study<n>_<positive|negative>/image<n>.png`, and its four CSV files.

Rajpurkar et al., MURA: Large Dataset for Abnormality Detection in Musculoskeletal Radiographs, arXiv 1712.06957. Its
`valid` folder is what results are published on: here it is `test`, and `val` is drawn out of `train` by patient.
"Abnormal" is any finding (fracture, hardware, degeneration …), decided for a study: it is never called fractured.
"""

from __future__ import annotations

import re
from pathlib import Path

from core.errors import DataInvalid
from trainer.datasets.files import folders, list_images
from trainer.datasets.grouping import divided
from trainer.datasets.layouts.layout import Content, Layout, Publication
from trainer.datasets.records import Record

PUBLICATION = Publication(
    name="mura",
    licence="Stanford University School of Medicine MURA research use agreement",
    attribution=("MURA: Rajpurkar, P., et al., arXiv 1712.06957, Stanford ML Group",),
)
REGIONS = ("elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist")
SPLITS = {"train": "train", "valid": "test"}
IMAGE_LISTS = {"train": "train_image_paths.csv", "valid": "valid_image_paths.csv"}
SEED = 20
VAL_SHARE = 0.1
STUDY = re.compile(r"(?P<study>study\d+)_(?P<label>positive|negative)", re.IGNORECASE)
PATIENT = re.compile(r"patient\d+", re.IGNORECASE)


def matches(folder: Path) -> bool:
    """Whether a split has a folder `XR_…` with a folder `patient…`."""
    splits = [folder / name for name in SPLITS if (folder / name).is_dir()]
    regions = [entry for split in splits for entry in folders(split) if entry.name.upper().startswith("XR_")]
    return any(PATIENT.fullmatch(entry.name) for region in regions for entry in folders(region))


def read(folder: Path) -> Content:
    """All studies' images. Raises DataInvalid for a folder that is no region, patient or study, or for no images."""
    records, others = [], 0
    for published, split in SPLITS.items():
        place = folder / published
        if not place.is_dir():
            continue
        listing = list_images(place)
        others += len(listing.others)
        records += [record_of(file.relative_to(folder), folder=folder, split=split) for file in listing.images]
        records += _listed_but_missing(folder, published, known={record.name for record in records})
    notes = [f"val is {VAL_SHARE:.0%} of the published train folder, drawn by patient with seed {SEED}"]
    notes += [f"there is no folder {name}" for name in SPLITS if not (folder / name).is_dir()]
    notes += [f"{others} files are no images"] if others else []
    train = [record for record in records if record.split == "train"]
    drawn = divided(train, shares={"val": VAL_SHARE}, seed=SEED, stratum=lambda record: record.columns["class"])
    shared = {r.patient for r in train} & {r.patient for r in records if r.split == "test"}
    notes += [f"{len(shared)} patients are in both published folders"] if shared else []
    return Content(
        [*drawn, *(record for record in records if record.split == "test")],
        publication=PUBLICATION,
        notes=tuple(notes),
    )


def record_of(relative: Path, *, folder: Path, split: str) -> Record:
    """The record of `<split>/XR_HAND/patient00001/study1_positive/image1.png`. Raises DataInvalid for other paths."""
    parts = relative.parts
    study = STUDY.fullmatch(parts[3]) if len(parts) == 5 else None
    region = parts[1].lower().removeprefix("xr_") if study else ""
    if study is None or region not in REGIONS or not PATIENT.fullmatch(parts[2]):
        raise DataInvalid(
            f"{relative.as_posix()} is not <split>/XR_<REGION>/patient<n>/study<n>_positive|negative/<image>; "
            f"regions are {', '.join(REGIONS)}"
        )
    abnormal = study["label"].lower() == "positive"
    return Record(
        file=folder / relative,
        name=relative.as_posix(),
        columns={
            "abnormal": str(int(abnormal)),
            "region": region,
            "class": f"{region}.{'abnormal' if abnormal else 'normal'}",
        },
        split=split,
        group=parts[2].lower(),
        patient=parts[2].lower(),
        study=f"{region}/{parts[2]}/{study['study']}".lower(),
    )


def _listed_but_missing(folder: Path, published: str, *, known: set[str]) -> list[Record]:
    """Records of the paths in the published list that are not there. Its lines start with `MURA-v1.1/`."""
    file = folder / IMAGE_LISTS[published]
    if not file.is_file():
        return []
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataInvalid(f"{file.name} cannot be read") from error
    paths = [Path(*Path(line.strip()).parts[-5:]) for line in lines if line.strip()]
    return [record_of(path, folder=folder, split=SPLITS[published]) for path in paths if path.as_posix() not in known]


LAYOUT = Layout(
    name="mura",
    looked_for="MURA: train and valid with folders XR_<REGION>/patient<n>/study<n>_positive|negative",
    matches=matches,
    read=read,
    publication=PUBLICATION,
)
