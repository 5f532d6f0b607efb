"""Each published layout as a tree of a few generated images, and each shipped recipe trained on its own for a step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from unittest import mock

from tests.data import encoded, generated_radiograph

MURA_REGIONS = ("elbow", "finger", "forearm", "hand", "humerus", "shoulder", "wrist")
FRACATLAS_REGIONS = ("hand", "leg", "hip", "shoulder", "mixed")
NIH_FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
    "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening", "Hernia",
)  # fmt: skip
# What makes a recipe quick: small images, an epoch of one batch a phase, random weights. Nothing else is changed.
QUICK = ("preprocessing.size=64", "weights=random")
EPOCH = ("epochs=1", "batch_size=8", "copies=0")


def image(file: Path, *, seed: int, positive: bool) -> None:
    """A PNG of a generated radiograph, inverted where it is positive: easy to learn."""
    pixels = generated_radiograph(72, 60, seed=seed)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encoded(255 - pixels if positive else pixels))


def mura(folder: Path) -> Path:
    """MURA v1.1: four patients a region in train, two in valid, half of them abnormal."""
    seed = 0
    for split, patients in (("train", 4), ("valid", 2)):
        for region in MURA_REGIONS:
            for number in range(patients):
                label = "positive" if number % 2 else "negative"
                study = folder / split / f"XR_{region.upper()}" / f"patient{seed:05d}" / f"study1_{label}"
                image(study / "image1.png", seed=seed, positive=bool(number % 2))
                seed += 1
    return folder


def nih(folder: Path) -> Path:
    """ChestX-ray14: twenty patients with a normal and an abnormal image each; the last four are the test list."""
    rows = ["Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position"]
    lists: dict[str, list[str]] = {"train_val_list.txt": [], "test_list.txt": []}
    for patient in range(20):
        findings = f"{NIH_FINDINGS[patient % 14]}|{NIH_FINDINGS[(patient + 5) % 14]}"
        for visit, labels in enumerate(("No Finding", findings)):
            name = f"{patient:08d}_{visit:03d}.png"
            image(folder / "images" / name, seed=2 * patient + visit, positive=visit == 1)
            rows.append(f"{name},{labels},{visit},{patient},50,F,PA")
            lists["test_list.txt" if patient >= 16 else "train_val_list.txt"].append(name)
    (folder / "Data_Entry_2017.csv").write_text("\n".join(rows) + "\n")
    for name, names in lists.items():
        (folder / name).write_text("\n".join(names) + "\n")
    return folder


def multiregion(folder: Path) -> Path:
    """The Kaggle set: train, val and test with `fractured` and `not fractured`."""
    return _tree(folder, splits=("train", "val", "test"), classes=("fractured", "not fractured"))


def folder_tree(folder: Path) -> Path:
    """train, validation and test with `fractured` and `normal`."""
    return _tree(folder, splits=("train", "validation", "test"), classes=("fractured", "normal"))


def fracatlas(folder: Path) -> Path:
    """FracAtlas with its split.csv and boxes: of each region a fracture and none in train (twice), val and test."""
    rows = [
        "image_id,path,fractured,region,hand,leg,hip,shoulder,mixed,hardware,multiscan,fracture_count,"
        "frontal,lateral,oblique,group,split"
    ]
    for number in range(40):
        region, fractured = FRACATLAS_REGIONS[number // 2 % 5], number % 2
        split = ("train", "train", "val", "test")[number // 10]
        name = f"images/{'Fractured' if fractured else 'Non_fractured'}/IMG{number:07d}.png"
        image(folder / name, seed=number, positive=bool(fractured))
        if fractured:
            (folder / "labels_yolo").mkdir(exist_ok=True)
            (folder / "labels_yolo" / f"IMG{number:07d}.txt").write_text("0 0.5 0.5 0.4 0.3\n")
        flags = ",".join(str(int(region == other)) for other in FRACATLAS_REGIONS)
        rows.append(
            f"IMG{number:07d}.png,{name},{fractured},{region},{flags},0,0,{fractured},1,0,0,{number // 2},{split}"
        )
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    return folder


def _tree(folder: Path, *, splits: tuple[str, ...], classes: tuple[str, str]) -> Path:
    for number in range(24):
        split = splits[(0, 0, 1, 2)[number // 6]]
        image(folder / split / classes[number % 2] / f"{number}.png", seed=number, positive=number % 2 == 0)
    return folder


# The layout that each recipe is written for.
SETS: dict[str, Callable[[Path], Path]] = {
    "bonecnn": folder_tree,
    "bonesentinel": nih,
    "bonify": mura,
    "fractureai": mura,
    "fractureai_fracatlas": fracatlas,
    "lucency": fracatlas,
    "multiregion_mobilenetv2": multiregion,
    "multiregion_resnet50": multiregion,
    "nih_multilabel": nih,
}


# The network of most recipes takes half a minute to build and export: here a small one trains in its place, and two
# specialists show what three would. As published they are run by `make recipes`.
SMALL = "backbone=tiny"
CHANGES = {
    "bonesentinel": (SMALL,),
    "bonify": (SMALL,),
    "fractureai": (SMALL, "hierarchy.regions=[elbow, hand]"),
    "fractureai_fracatlas": (SMALL, "hierarchy.regions=[hand, leg]"),
    "multiregion_mobilenetv2": (SMALL,),
    "multiregion_resnet50": (SMALL,),
    "nih_multilabel": (SMALL,),
}


def train_recipe(name: str, folder: Path, *changes: str) -> Path:
    """Train the shipped recipe `name` for a step a phase on its layout, in `folder`; the path of its Bundle.

    `changes` are those of --set, after what makes it quick. Loads TensorFlow.
    """
    from trainer.commands.train import RECIPES
    from trainer.recipes.recipe import load_recipe
    from trainer.shipping.run import run_recipe
    from trainer.training import train
    from trainer.training.progress import Lines
    from trainer.trust import sanity

    file = RECIPES / f"{name}.yaml"
    shipped = load_recipe(file)
    quick = [*QUICK, *(f"phases.{index}.{change}" for index in range(len(shipped.phases)) for change in EPOCH)]
    data, sources = folder / "data", shipped.data.sources
    if len(sources) == 1:
        SETS[name](data)
    else:
        for index, source in enumerate(sources):
            # A split that is shipped names the published files, not these.
            quick += [] if "fracatlas" in source.folder else [f"data.{index}.split=null"]
            (fracatlas if "fracatlas" in source.folder else multiregion)(data / source.folder)
    # How fast images come is measured before each phase, and nobody reads it here; and about as many generated
    # strangers as the set has images are enough.
    with mock.patch.object(train, "MEASURED_SECONDS", 0.02), mock.patch.multiple(sanity, OUTLIERS=40, PHANTOMS=8):
        bundle = run_recipe(
            load_recipe(file, overrides=(*quick, *changes)),
            data=data,
            folder=folder / "run",
            weights="random",
            resume=False,
            max_minutes=None,
            display=Lines(lambda line: None),
        )
    assert bundle is not None
    return bundle.path
