"""Trees of splits and classes: what their names say, whatever lies between the images."""

from __future__ import annotations

import pytest

from core.errors import DataInvalid
from networks.preprocessing import Preprocessing
from tests.trainer.datasets import trees
from trainer.datasets import read
from trainer.input_pipeline.arrays import load_images

KAGGLE = [
    f"{split}/{name}/{index}.jpg"
    for split in ("train", "val", "test")
    for name in ("fractured", "not fractured")
    for index in range(2)
]


@pytest.mark.parametrize(
    ("splits", "negative"),
    [
        (("train", "val", "test"), "not fractured"),
        (("training", "validation", "testing"), "unfractured"),
        (("Train", "Valid", "Test"), "Not_Fractured"),
    ],
)
def test_multiregion(images, tmp_path, splits, negative):
    names = [f"{split}/{word}/{i}.jpg" for split in splits for word in ("fractured", negative) for i in range(2)]
    images.put_all(tmp_path / "Bone_Fracture", names)
    trees.litter(tmp_path / "Bone_Fracture" / splits[0] / "fractured")
    trees.litter(tmp_path)
    data_set = read(tmp_path)
    assert (data_set.name, data_set.layout, data_set.licence) == ("multiregion", "multiregion", "ODC-By 1.0")
    found = {(record.split, record.columns["fractured"]) for record in data_set.records}
    assert found == {(split, truth) for split in ("train", "val", "test") for truth in "01"}
    assert len(data_set.records) == 12
    assert not any("no images" in note for note in data_set.notes)


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("fractured", "normal"), {"fractured": {"fractured": "1"}, "normal": {"fractured": "0"}}),
        (("positive", "negative"), {"positive": {"abnormal": "1"}, "negative": {"abnormal": "0"}}),
        (("Abnormal", "Normal", "other"), {"abnormal": {"abnormal": "1"}, "normal": {"abnormal": "0"}, "other": {}}),
        (("Class A", "Class B"), {"class_a": {}, "class_b": {}}),
        (("elbow_positive", "hand_negative"), {"elbow.positive": {"abnormal": "1"},
                                               "hand.negative": {"abnormal": "0"}}),
        (("XR_ELBOW/fractured", "XR_HAND/normal"), {"elbow.fractured": {"fractured": "1"},
                                                    "hand.normal": {"fractured": "0"}}),
        (("fractured/Shoulder", "normal/Hip"), {"shoulder.fractured": {"fractured": "1"},
                                                "hip.normal": {"fractured": "0"}}),
        (("hand", "foot"), {"hand": {}, "foot": {}}),
    ],
)  # fmt: skip
def test_classes(images, tmp_path, classes, expected):
    images.put_all(tmp_path, [f"{s}/{c}/a.PNG" for s in ("train", "validation", "test") for c in classes])
    data_set = read(tmp_path)
    assert data_set.layout == "folder_tree"
    assert data_set.licence is None
    truths = {
        r.columns["class"]: {k: v for k, v in r.columns.items() if k in {"fractured", "abnormal"}}
        for r in data_set.records
    }
    assert truths == expected
    regions = {r.columns["class"]: r.columns.get("region") for r in data_set.records}
    named = {"elbow", "hand", "shoulder", "hip", "foot"}
    assert regions == {name: name.split(".")[0] if name.split(".")[0] in named else None for name in expected}


def test_every_kind_of_file(images, tmp_path):
    names = ["a.PNG", "b.JPEG", "c.jpg", "d.dcm", "e", "1.2.840.113619.2", "p/patient7/f.png"]
    images.put_all(tmp_path / "train" / "fractured", names)
    images.put_all(tmp_path / "train" / "normal", names)
    images.put_all(tmp_path / "val" / "normal", ["x.png"])
    (tmp_path / "train" / "normal" / "README").write_text("no image")
    (tmp_path / "train" / "normal" / "list.csv").write_text("a,b\n")
    (tmp_path / "train" / "normal" / "empty").write_bytes(b"")
    # A DICOM file with digits for a suffix.
    data_set = read(tmp_path)
    assert len(data_set.records) == 15
    assert "3 files are no images: .csv, no suffix" in data_set.notes
    nested = [record for record in data_set.records if record.name.endswith("f.png")]
    assert {(record.patient, record.group, record.columns["class"]) for record in nested} == {
        ("patient7", "patient7", "fractured"),
        ("patient7", "patient7", "normal"),
    }
    loaded = load_images(data_set.records, Preprocessing(size=32), cache=tmp_path / "c")
    assert loaded.unreadable == []
    assert loaded.pixels.shape == (15, 32, 32, 1)


def test_unreadable_files_are_reported(images, tmp_path):
    images.put_all(tmp_path, ["train/a/1.png", "train/b/1.png", "val/a/1.png"])
    (tmp_path / "train" / "a" / "2.png").write_bytes(b"text")
    (tmp_path / "train" / "a" / "3.dcm").write_bytes(bytes(200))
    (tmp_path / "train" / "a" / "4.jpg").write_bytes(b"")
    data_set = read(tmp_path)
    assert len(data_set.records) == 6
    loaded = load_images(data_set.records, Preprocessing(size=32), cache=tmp_path / "c")
    assert {entry.name: entry.code for entry in loaded.unreadable} == {
        "train/a/2.png": "type_unsupported",
        "train/a/3.dcm": "type_unsupported",
        "train/a/4.jpg": "upload_empty",
    }


def test_no_validation_folder(images, tmp_path):
    images.put_all(tmp_path, [f"train/{word}/{i}.png" for word in ("a", "b") for i in range(20)])
    images.put_all(tmp_path, ["test/a/1.png", "test/b/1.png"])
    data_set = read(tmp_path)
    drawn = [record for record in data_set.records if record.split == "val"]
    assert sorted(record.columns["class"] for record in drawn) == ["a", "a", "b", "b"]
    assert any("no validation folder" in note for note in data_set.notes)
    assert [r.name for r in read(tmp_path).records if r.split == "val"] == [r.name for r in drawn]


def test_an_empty_split_is_noted(images, tmp_path):
    images.put_all(tmp_path, [name for name in KAGGLE if not name.startswith("test")])
    (tmp_path / "test" / "fractured").mkdir(parents=True)
    data_set = read(tmp_path)
    assert "the folder test has no images" in data_set.notes


def test_refused(images, tmp_path):
    with pytest.raises(DataInvalid, match="not there"):
        read(tmp_path / "absent")
    with pytest.raises(DataInvalid, match="is empty"):
        read(tmp_path)
    trees.litter(tmp_path)
    with pytest.raises(DataInvalid, match="is empty"):
        read(tmp_path)
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataInvalid, match=r"no known layout. Looked for: a split.csv .* NIH .* MURA.* FracAtlas"):
        read(tmp_path)
    with pytest.raises(DataInvalid, match="'coco' is unknown; there are: split_csv, nih, mura"):
        read(tmp_path, layout="coco")
    with pytest.raises(DataInvalid, match="Looked for: MURA"):
        read(tmp_path, layout="mura")
    for name in ("train/a", "train/b", "val/a"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(DataInvalid, match="has no images"):
        read(tmp_path)
    images.put(tmp_path / "train" / "1.png")
    with pytest.raises(DataInvalid, match=r"train/1\.png lies in no class folder"):
        read(tmp_path)
    (tmp_path / "validation").mkdir()
    with pytest.raises(DataInvalid, match="val and validation are both the split val"):
        read(tmp_path)


def test_several_data_sets(images, tmp_path):
    images.put_all(tmp_path / "one", KAGGLE)
    trees.mura(images, tmp_path / "two")
    with pytest.raises(DataInvalid, match=r"several data sets; name one: one, MURA-v1\.1"):
        read(tmp_path)
    assert read(tmp_path, layout="mura").name == "mura"
    assert read(tmp_path, layout="multiregion").layout == "multiregion"
