"""The published layouts are told apart and read: labels, regions, patients, studies, splits, licences."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from core.errors import DataInvalid
from networks.preprocessing import Preprocessing
from tests.data import shared
from tests.trainer.datasets import trees
from trainer.datasets import DataSet, Record, read
from trainer.datasets.layouts import fracatlas as fracatlas_layout
from trainer.datasets.layouts.nih import LABELS
from trainer.input_pipeline.arrays import load_images


def by_name(data_set: DataSet) -> dict[str, Record]:
    return {record.name: record for record in data_set.records}


def splits(data_set: DataSet) -> Counter[str | None]:
    return Counter(record.split for record in data_set.records)


def assert_disjoint(data_set: DataSet) -> None:
    """No group in two splits, and no split without an image."""
    sides: dict[str | None, set[str | None]] = {}
    for record in data_set.records:
        assert record.group is not None
        sides.setdefault(record.group, set()).add(record.split)
    assert all(len(found) == 1 for found in sides.values())
    assert set(splits(data_set)) == {"train", "val", "test"}


@pytest.mark.parametrize("top", ["", "MURA-v1.1"])
def test_mura(images, tmp_path, top):
    trees.mura(images, tmp_path)
    trees.litter(tmp_path / "MURA-v1.1" / "train" / "XR_HAND" / "patient00000" / "study1_negative")
    trees.litter(tmp_path)
    data_set = read(tmp_path / top)
    assert (data_set.name, data_set.layout, data_set.folder) == ("mura", "mura", tmp_path / "MURA-v1.1")
    assert len(data_set.records) == 36
    record = by_name(data_set)["train/XR_SHOULDER/patient00001/study2_positive/image2.dcm"]
    assert dict(record.columns) == {"abnormal": "1", "region": "shoulder", "class": "shoulder.abnormal"}
    assert (record.patient, record.group) == ("patient00001", "patient00001")
    assert record.study == "shoulder/patient00001/study2"
    assert "research use" in (record.licence or "")
    assert not any("fractured" in found.columns for found in data_set.records)
    assert {found.split for found in data_set.records if found.name.startswith("valid/")} == {"test"}
    assert_disjoint(data_set)
    loaded = load_images(data_set.records, Preprocessing(size=32), cache=tmp_path / "cache")
    assert loaded.unreadable == []
    assert read(tmp_path).records == data_set.records


def test_mura_lists_what_is_not_there(images, tmp_path):
    trees.mura(images, tmp_path)
    gone = tmp_path / "MURA-v1.1" / "valid" / "XR_HAND" / "patient00010" / "study1_negative" / "image2.png"
    gone.unlink()
    (tmp_path / "MURA-v1.1" / "train" / "notes.txt").write_text("x")
    data_set = read(tmp_path)
    assert len(data_set.records) == 35
    assert [record.file for record in data_set.missing] == [gone]
    assert any("1 of 36 listed images are not there: valid/XR_HAND" in note for note in data_set.notes)
    assert "1 files are no images" in data_set.notes


@pytest.mark.parametrize(
    "name",
    [
        "train/XR_HAND/patient00001/study1_unclear/image1.png",
        "train/XR_KNEE/patient00001/study1_positive/image1.png",
        "train/XR_HAND/patient00001/image1.png",
        "train/XR_HAND/someone/study1_positive/image1.png",
    ],
)
def test_mura_strange_folders(images, tmp_path, name):
    images.put(tmp_path / "train" / "XR_HAND" / "patient00002" / "study1_positive" / "image1.png")
    images.put(tmp_path / name)
    with pytest.raises(DataInvalid, match=r"is not <split>/XR_<REGION>/patient<n>"):
        read(tmp_path)


@pytest.mark.parametrize("twelve", [True, False])
def test_nih(images, tmp_path, twelve):
    trees.nih(images, tmp_path, twelve=twelve)
    trees.litter(tmp_path)
    data_set = read(tmp_path)
    assert (data_set.name, data_set.layout) == ("nih_chestxray14", "nih")
    assert len(data_set.records) == 30
    record = by_name(data_set)["00000001_001.png"]
    assert {label for label in LABELS if record.columns[label] == "1"} == {"cardiomegaly", "effusion"}
    wanted = {"abnormal": "1", "no_finding": "0", "hernia": "0", "view": "ap", "region": "chest"}
    assert wanted.items() <= record.columns.items()
    assert (record.patient, record.study) == ("1", "1/1")
    assert by_name(data_set)["00000005_000.png"].columns["abnormal"] == "0"
    assert len(LABELS) == 14
    assert_disjoint(data_set)
    assert {found.patient for found in data_set.records if found.split == "test"} == {"12", "13", "14", "15"}
    assert load_images(data_set.records[:4], Preprocessing(size=32), cache=tmp_path / "c").unreadable == []


def test_nih_in_part(images, tmp_path):
    trees.nih(images, tmp_path, twelve=False)
    for name in ("00000001_000.png", "00000002_000.png"):
        (tmp_path / "images" / name).unlink()
    images.put(tmp_path / "images" / "other.png")
    (tmp_path / "test_list.txt").unlink()
    data_set = read(tmp_path)
    assert {record.name for record in data_set.missing} == {"00000001_000.png", "00000002_000.png"}
    assert "1 images that Data_Entry_2017.csv does not list are left out" in data_set.notes
    assert any("test_list.txt is not there" in note for note in data_set.notes)
    assert_disjoint(data_set)
    (tmp_path / "train_val_list.txt").unlink()
    without = read(tmp_path)
    assert any("split by patient" in note for note in without.notes)
    assert_disjoint(without)


def test_nih_refused(images, tmp_path):
    trees.nih(images, tmp_path, twelve=False)
    table = tmp_path / "Data_Entry_2017.csv"
    rows = table.read_text()
    table.write_text(rows.replace("Hernia", "Fracture"))
    with pytest.raises(DataInvalid, match="'Fracture' is not a list of the 14 labels"):
        read(tmp_path)
    table.write_text(rows.replace("Hernia", "Hernia|No Finding"))
    with pytest.raises(DataInvalid, match="No Finding"):
        read(tmp_path)
    table.write_text(rows.replace("Patient ID", "Person"))
    with pytest.raises(DataInvalid, match="lacks the columns Patient ID"):
        read(tmp_path)
    table.write_text(rows)
    images.put(tmp_path / "images_002" / "00000001_000.png")
    with pytest.raises(DataInvalid, match="is there twice"):
        read(tmp_path)
    (tmp_path / "images_002" / "00000001_000.png").unlink()
    with (tmp_path / "test_list.txt").open("a") as stream:
        stream.write("00000001_000.png\n")
    with pytest.raises(DataInvalid, match="in both lists"):
        read(tmp_path)


def test_fracatlas(images, tmp_path):
    trees.fracatlas(images, tmp_path / "FracAtlas")
    data_set = read(tmp_path)
    assert (data_set.name, data_set.layout, data_set.licence) == ("fracatlas", "fracatlas", "CC BY 4.0")
    assert "10.1038/s41597-023-02432-4" in data_set.attribution[0]
    record = by_name(data_set)["images/Non_fractured/IMG0000007.jpg"]
    assert (record.columns["region"], record.columns["view"]) == ("mixed", "frontal+lateral")
    assert by_name(data_set)["images/Fractured/IMG0000010.jpg"].columns["region"] == "hand"
    assert record.group == by_name(data_set)["images/Fractured/IMG0000000.jpg"].group
    assert_disjoint(data_set)
    counts = splits(data_set)
    assert 16 <= counts["val"] <= 32
    assert 24 <= counts["test"] <= 40
    assert any("no split of its own" in note for note in data_set.notes)


def test_fracatlas_contradictions(images, tmp_path):
    trees.fracatlas(images, tmp_path, count=32)
    (tmp_path / "images" / "Fractured" / "IMG0000000.jpg").unlink()
    moved = tmp_path / "images" / "Non_fractured" / "IMG0000001.jpg"
    moved.rename(tmp_path / "images" / "Fractured" / "IMG0000001.jpg")
    images.put(tmp_path / "images" / "Fractured" / "IMG0009999.jpg")
    table = tmp_path / "dataset.csv"
    wrong, right = "IMG0000005.jpg,1,0,0,0,0,0,0,0,1,", "IMG0000005.jpg,1,0,0,0,0,0,0,1,1,"
    assert right in table.read_text()
    table.write_text(table.read_text().replace(right, wrong))
    data_set = read(tmp_path)
    assert by_name(data_set)["images/Fractured/IMG0000005.jpg"].columns["fractured"] == "1"
    assert any(note.startswith("1 flags `fractured` are wrong") for note in data_set.notes)
    assert [record.name for record in data_set.missing] == ["images/Fractured/IMG0000000.jpg"]
    assert "1 images that dataset.csv does not list are left out" in data_set.notes
    assert any(note.startswith("1 images lie in a folder that contradicts") for note in data_set.notes)
    assert by_name(data_set)["images/Fractured/IMG0000001.jpg"].columns["fractured"] == "0"
    images.put(tmp_path / "images" / "Non_fractured" / "IMG0000002.jpg".lower())
    (tmp_path / "images" / "again").mkdir()
    images.put(tmp_path / "images" / "again" / "IMG0000003.jpg")
    with pytest.raises(DataInvalid, match=r"IMG0000003\.jpg is there 2 times"):
        read(tmp_path)


def test_our_fracatlas(tmp_path):
    """The split.csv form in the shared data: the published numbers."""
    folder = shared("fracatlas512")
    data_set = read(folder)
    assert (data_set.name, data_set.layout, data_set.licence) == ("fracatlas", "split_csv", "CC BY 4.0")
    assert splits(data_set) == {"train": 2602, "val": 413, "test": 533}
    assert Counter(r.split for r in data_set.records if r.columns["fractured"] == "1") == {
        "train": 450,
        "val": 73,
        "test": 98,
    }
    assert (data_set.missing, data_set.notes) == ([], ())
    assert_disjoint(data_set)
    assert all(fracatlas_layout.region_of(r.columns) == r.columns["region"] for r in data_set.records)


def test_our_split_over_the_published_tree(tmp_path):
    """split.csv's rows, cut to path, split and group, lie over the published tree of the same images."""
    folder = shared("fracatlas512")
    ours = read(folder)
    rows = ["image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured"]
    names = rows[0].split(",")
    rows += [",".join(record.columns[name] for name in names) for record in ours.records]
    trees.write(tmp_path / "dataset.csv", *rows)
    (tmp_path / "images").symlink_to(folder / "images")
    lines = [f"{record.name},{record.split},{record.group}" for record in ours.records[:-1]]
    split = trees.write(tmp_path / "ours.csv", "path,split,group", *lines, "images/Fractured/gone.jpg,train,1")
    laid = read(tmp_path, split_csv=split)
    assert laid.layout == "fracatlas"
    expected = {record.name: (record.split, record.group, record.columns["region"]) for record in ours.records[:-1]}
    assert {record.name: (record.split, record.group, record.columns["region"]) for record in laid.records} == expected
    assert "1 images that ours.csv does not list are left out" in laid.notes
    assert "1 images that ours.csv lists are not in the data set" in laid.notes


def test_our_multiregion():
    """10,548 files, in the published folders."""
    data_set = read(shared("fracture_multiregion224"))
    assert (data_set.name, data_set.layout, data_set.licence) == ("multiregion", "multiregion", "ODC-By 1.0")
    assert len(data_set.records) == 10_548
    counts = Counter((record.split, record.columns["fractured"]) for record in data_set.records)
    assert counts[("train", "1")] == 4593
    assert counts[("test", "0")] == 267


def test_a_clean_split_keeps_the_licence(images, tmp_path):
    """A CSV with labels for the images of a known tree, as `lucency data audit` writes it."""
    names = [f"{s}/{c}/{i}.jpg" for s in ("train", "val", "test") for c in ("fractured", "unfractured") for i in "12"]
    images.put_all(tmp_path / "Kaggle" / "inner", names)
    rows = [f"{name},{int('/f' in name)},g{name[-5]},train" for name in names[:-1]]
    clean = trees.write(tmp_path / "clean.csv", "path,fractured,group,split", *rows)
    for data_set in (read(tmp_path, split_csv=clean), read(tmp_path / "Kaggle", split_csv=clean), read(clean)):
        assert (data_set.name, data_set.licence, data_set.layout) == ("multiregion", "ODC-By 1.0", "csv")
        assert data_set.attribution
        assert [record.name for record in data_set.records] == names[:-1]
        assert {record.split for record in data_set.records} == {"train"}
        assert {record.licence for record in data_set.records} == {"ODC-By 1.0"}
    elsewhere = trees.write(tmp_path / "tables.csv", "path,fractured,group,split", *rows)
    assert read(elsewhere, images=tmp_path / "Kaggle").name == "multiregion"


def test_a_clean_split_of_our_fracatlas(tmp_path):
    folder = shared("fracatlas512")
    rows = [f"{record.name},{record.columns['fractured']},train" for record in read(folder).records[:5]]
    data_set = read(folder, split_csv=trees.write(tmp_path / "clean.csv", "path,fractured,split", *rows))
    assert (data_set.name, data_set.licence, len(data_set.records)) == ("fracatlas", "CC BY 4.0", 5)


def test_the_order_is_the_same_everywhere(images, tmp_path):
    """A seed's split depends on names, not on the order a disk lists them in."""
    first = read(trees.mura(images, Path(tmp_path / "a"), patients=20))
    second = read(trees.mura(images, Path(tmp_path / "b"), patients=20))
    assert [(r.name, r.split) for r in first.records] == [(r.name, r.split) for r in second.records]
