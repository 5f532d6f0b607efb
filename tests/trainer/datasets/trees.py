"""Folders of images as their publishers lay them out, made of links to real radiographs or of generated ones."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from core.settings import load_settings
from tests.data import encoded, generated_radiograph, pydicom_file

HEADER_2017 = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
DICOM = "RG3_J2KI.dcm"
JUNK = (".DS_Store", "Thumbs.db", "._image1.png", "__MACOSX/._1.png", "desktop.ini")


class Images:
    """Puts images into a tree: real ones by links where the shared data is there, else generated ones."""

    def __init__(self) -> None:
        folder = load_settings().data.resolve() / "fracatlas512" / "images" / "Fractured"
        real = sorted(folder.iterdir())[:64] if folder.is_dir() else []
        self._real: Iterator[Path] = itertools.cycle(real)
        self.real = bool(real)
        self._seeds = itertools.count()

    def put(self, file: Path) -> Path:
        """An image at `file`: DICOM for `.dcm` and no suffix, JPEG for `.jpg`, PNG for `.png`, whatever its case."""
        file.parent.mkdir(parents=True, exist_ok=True)
        suffix = file.suffix.lower()
        if suffix in {"", ".dcm"}:
            file.symlink_to(pydicom_file(DICOM))
        elif suffix in {".jpg", ".jpeg"} and self.real:
            file.symlink_to(next(self._real))
        else:
            kind = "PNG" if suffix == ".png" else "JPEG"
            file.write_bytes(encoded(generated_radiograph(60, 48, seed=next(self._seeds)), kind))
        return file

    def put_all(self, folder: Path, names: Iterable[str]) -> Path:
        for name in names:
            self.put(folder / name)
        return folder


def litter(folder: Path) -> None:
    """What desktops and archivers leave in `folder`."""
    for name in JUNK:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"\x00\x05\x16\x07")


def write(file: Path, *lines: str, bom: bool = False, crlf: bool = False) -> Path:
    """A text file of these lines."""
    end = "\r\n" if crlf else "\n"
    file.write_bytes((b"\xef\xbb\xbf" if bom else b"") + end.join([*lines, ""]).encode())
    return file


def mura(images: Images, folder: Path, *, patients: int = 12) -> Path:
    """MURA-v1.1 with its image lists: two regions, two studies of some patients, one DICOM image."""
    top = folder / "MURA-v1.1"
    lists: dict[str, list[str]] = {"train": [], "valid": []}
    for number in range(patients):
        split = "valid" if number >= patients - 3 else "train"
        region = "XR_SHOULDER" if number % 2 else "XR_HAND"
        for study in range(1, 2 + number % 2):
            label = "positive" if (number + study) % 3 == 0 else "negative"
            place = f"{split}/{region}/patient{number:05d}/study{study}_{label}"
            for image in (1, 2):
                name = f"{place}/image{image}.{'dcm' if number == 1 and image == 2 else 'png'}"
                images.put(top / name)
                lists[split].append(f"MURA-v1.1/{name}")
    for split, names in lists.items():
        write(top / f"{split}_image_paths.csv", *names)
        write(top / f"{split}_labeled_studies.csv", "MURA-v1.1/x/,1")
    return folder


def nih(images: Images, folder: Path, *, patients: int = 15, twelve: bool = True) -> Path:
    """ChestX-ray14 with two images a patient; the last four patients are the test list."""
    findings = ("No Finding", "Cardiomegaly|Effusion", "Hernia", "Pleural_Thickening", "No Finding")
    rows, lists = [HEADER_2017], {"train_val_list.txt": [], "test_list.txt": []}
    for patient in range(1, patients + 1):
        for follow_up in (0, 1):
            name = f"{patient:08d}_{follow_up:03d}.png"
            inside = f"images_{1 + patient % 12:03d}/images" if twelve else "images"
            images.put(folder / inside / name)
            rows.append(
                f"{name},{findings[patient % 5]},{follow_up},{patient},058Y,M,{'AP' if follow_up else 'PA'},"
                "2682,2749,0.143,0.143,"
            )
            lists["test_list.txt" if patient > patients - 4 else "train_val_list.txt"].append(name)
    write(folder / "Data_Entry_2017.csv", *rows)
    for name, lines in lists.items():
        write(folder / name, *lines)
    return folder


FRACATLAS_HEADER = (
    "image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured,fracture_count,frontal,lateral,oblique"
)


def fracatlas(images: Images, folder: Path, *, count: int = 160) -> Path:
    """The published tree: ten blocks of ids and more, a fracture in one image of five, annotations beside."""
    rows = [FRACATLAS_HEADER]
    for number in range(count):
        fractured = number % 5 == 0
        name = f"IMG{number:07d}.jpg"
        images.put(folder / "images" / ("Fractured" if fractured else "Non_fractured") / name)
        hip = int(number % 7 == 0)
        rows.append(f"{name},1,0,{hip},0,{hip},0,0,{int(fractured)},{int(fractured)},1,{number % 2},0")
    write(folder / "dataset.csv", *rows)
    yolo = folder / "Annotations" / "YOLO"
    yolo.mkdir(parents=True)
    write(yolo / "IMG0000000.txt", "0 0.5 0.5 0.1 0.1")
    write(folder / "Annotations" / "other.csv", "a,b", "1,2")
    return folder
