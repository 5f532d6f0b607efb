"""CSV files as people write them, and several data sets as one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.errors import DataInvalid
from tests.data import pydicom_file
from tests.trainer.datasets import trees
from trainer.datasets import UNKNOWN, combine, of_split, read, truth
from trainer.datasets.grouping import divided
from trainer.datasets.records import Record


@pytest.fixture
def folder(images, tmp_path):
    return images.put_all(tmp_path / "set", ["a/one.png", "a/two.JPG", "b/three", "b/four.dcm"])


def test_split_csv(folder):
    trees.write(
        folder / "split.csv",
        "path,fractured,region,split,patient,study,licence",
        "a/one.png,1,hand,train,p1,s1,CC0",
        "a/two.JPG,0,leg,validation,p2,,",
        "b/three,,hip,test,p3,,",
        bom=True,
        crlf=True,
    )
    data_set = read(folder)
    assert (data_set.layout, data_set.name, data_set.licence) == ("split_csv", "set", None)
    first = data_set.records[0]
    assert (first.patient, first.study, first.group, first.licence) == ("p1", "s1", "p1", "CC0")
    assert [record.split for record in data_set.records] == ["train", "val", "test"]
    assert truth(data_set.records, kind="sigmoid", labels=("f",), columns=("fractured",)).tolist() == [
        [1], [0], [UNKNOWN],
    ]  # fmt: skip
    assert of_split(data_set.records, "val")[0].file == folder / "a" / "two.JPG"
    assert read(folder / "split.csv").records == data_set.records


def test_missing_and_repeated_rows(folder):
    rows = ["a/one.png,1", "a/one.png,1", "a/gone.png,0", "./a/two.JPG,0"]
    trees.write(folder / "split.csv", "path,fractured", *rows)
    data_set = read(folder)
    assert [record.name for record in data_set.records] == ["a/one.png", "./a/two.JPG"]
    assert [record.name for record in data_set.missing] == ["a/gone.png"]
    assert "1 of 3 listed images are not there: a/gone.png" in data_set.notes
    assert "1 rows stand in the table more than once, and are counted once" in data_set.notes
    trees.write(folder / "split.csv", "path,fractured", "a/one.png,1", "a/one.png,0")
    with pytest.raises(DataInvalid, match=r"a/one\.png stands in two rows that say different things"):
        read(folder)
    trees.write(folder / "split.csv", "path,fractured", "x/one.png,1")
    with pytest.raises(DataInvalid, match="none of the 1 listed images is there"):
        read(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "lacks the columns path"),
        (b"path,fractured\n", "has no rows"),
        (b"path,fractured\n,1\n", "empty path"),
        (b"file,fractured\na/one.png,1\n", "lacks the columns path"),
        (b"\xff\xfep\x00", "no CSV file that can be read"),
    ],
)
def test_broken_split_csv(folder, content, said):
    (folder / "split.csv").write_bytes(content)
    with pytest.raises(DataInvalid, match=said):
        read(folder)


def test_any_csv(folder):
    trees.write(
        folder / "labels.csv",
        " Image_ID ,Fracture,Body Part,Patient ID,Set,note",
        "one,1,Hand,7,Train,first",
        "two.JPG,0,LEG,8,Validation,x",
        "b/four.dcm,,Hip,8,Testing,",
        bom=True,
        crlf=True,
    )
    data_set = read(folder)
    assert (data_set.layout, data_set.name) == ("csv", "set")
    one, two, four = data_set.records
    assert (one.file, two.file, four.file) == (folder / "a/one.png", folder / "a/two.JPG", folder / "b/four.dcm")
    assert (one.columns["fractured"], one.columns["region"], one.columns["note"]) == ("1", "hand", "first")
    assert [record.split for record in data_set.records] == ["train", "val", "test"]
    assert [record.group for record in data_set.records] == ["7", "8", "8"]
    assert data_set.notes == ()


@pytest.mark.parametrize("parted_by", [";", "\t"])
def test_other_delimiters_and_paths(folder, parted_by):
    rows = ("path,abnormal,split", "a\\one.png,1,train", "b/three,0,test")
    trees.write(folder / "t.csv", *(row.replace(",", parted_by) for row in rows), crlf=True)
    data_set = read(folder)
    assert [record.file for record in data_set.records] == [folder / "a" / "one.png", folder / "b" / "three"]
    assert [record.columns["abnormal"] for record in data_set.records] == ["1", "0"]


def test_a_csv_beside_its_images(images, tmp_path, folder):
    table = trees.write(tmp_path / "t.csv", "file,label", "one.png,Fractured", "three,Normal", "absent.png,normal")
    data_set = read(table, images=folder)
    assert {record.name: record.columns["fractured"] for record in data_set.records} == {"one.png": "1", "three": "0"}
    assert [record.name for record in data_set.missing] == ["absent.png"]
    assert read(tmp_path, split_csv=table, images=folder).records == data_set.records
    (tmp_path / "tables").mkdir()
    moved = table.rename(tmp_path / "tables" / "t.csv")
    assert [r.file for r in read(moved.parent, images=folder).records] == [r.file for r in data_set.records]
    trees.write(moved.parent / "split.csv", "path,fractured", "a/one.png,1")
    assert [record.file for record in read(moved.parent, images=folder).records] == [folder / "a" / "one.png"]
    assert "t.csv has no column `split`: every image is in none" in data_set.notes
    with pytest.raises(DataInvalid, match="there are: none"):
        of_split(data_set.records, "train")


def test_a_csv_that_cannot_be_meant(images, tmp_path, folder, monkeypatch):
    images.put(folder / "c" / "one.png")
    table = trees.write(tmp_path / "t.csv", "file,label", "one.png,x")
    with pytest.raises(DataInvalid, match=r"one\.png may be any of 2 files"):
        read(table, images=folder)
    table = trees.write(tmp_path / "t.csv", "where,label", "one.png,x")
    with pytest.raises(DataInvalid, match="no column of paths; looked for: path, file"):
        read(table, images=folder)
    with pytest.raises(DataInvalid, match="no known layout"):
        read(folder)
    trees.write(folder / "1.csv", "path,fractured", "a/one.png,1")
    trees.write(folder / "2.csv", "path,fractured", "a/one.png,1")
    with pytest.raises(DataInvalid, match="no known layout"):
        read(folder)
    assert len(read(folder, split_csv=folder / "1.csv").records) == 1
    monkeypatch.chdir(tmp_path)
    trees.write(tmp_path / "1.csv", "path,fractured", "b/three,1", "b/four.dcm,1")
    assert len(read(folder, split_csv=Path("1.csv")).records) == 1


def test_a_split_laid_over(images, tmp_path):
    trees.mura(images, tmp_path)
    whole = read(tmp_path)
    lines = [f"{record.name},{'test' if index % 2 else 'train'}" for index, record in enumerate(whole.records)]
    data_set = read(tmp_path, split_csv=trees.write(tmp_path / "s.csv", "path,split", *lines))
    assert data_set.layout == "mura"
    assert [record.split for record in data_set.records[:4]] == ["train", "test", "train", "test"]
    assert data_set.records[0].group == whole.records[0].group
    assert data_set.records[0].columns == whole.records[0].columns
    trees.write(tmp_path / "MURA-v1.1" / "split.csv", "path,split", *lines[:5])
    assert [record.split for record in read(tmp_path).records] == ["train", "test", "train", "test", "train"]
    with pytest.raises(DataInvalid, match="is for CSV files"):
        read(tmp_path, images=tmp_path / "MURA-v1.1")
    assert read(tmp_path, images=tmp_path).records == read(tmp_path).records
    with pytest.raises(DataInvalid, match="not there"):
        read(tmp_path, images=tmp_path / "absent")
    with pytest.raises(DataInvalid, match="lists none of the images"):
        read(tmp_path, split_csv=trees.write(tmp_path / "s.csv", "path,split", "x.png,train"))


def test_combined(images, tmp_path, folder):
    trees.write(folder / "split.csv", "path,fractured,split,patient", "a/one.png,1,train,patient00001")
    one, two = read(folder), read(trees.mura(images, tmp_path / "mura"))
    records = combine([one, two])
    assert len(records) == 37
    assert {record.source for record in records} == {"set", "mura"}
    assert {record.licence for record in records} == {None, two.licence}
    groups = {source: {r.group for r in records if r.source == source} for source in ("set", "mura")}
    assert groups["set"] == {"set:patient00001"}
    assert not groups["set"] & groups["mura"]
    assert not {r.patient for r in records[:1]} & {r.patient for r in records[1:]}
    fractured = truth(records, kind="sigmoid", labels=("fracture",), columns=("fractured",))
    assert fractured[0, 0] == 1
    assert (fractured[1:] == UNKNOWN).all()
    assert combine([one]) == one.records
    with pytest.raises(DataInvalid, match="two data sets are called set"):
        combine([one, one])
    with pytest.raises(DataInvalid, match="no data set"):
        combine([])


def _records(folder, count, *, per_group):
    return [
        Record(folder / f"{i}", f"{i}", {"f": str(int(i % 10 == 0))}, group=f"g{i // per_group}") for i in range(count)
    ]


def test_divided(tmp_path):
    records = _records(tmp_path, 1000, per_group=5)
    made = divided(records, shares={"val": 0.1, "test": 0.2}, seed=1, stratum=lambda record: record.columns["f"])
    counts = {split: sum(record.split == split for record in made) for split in ("train", "val", "test")}
    assert counts == {"train": 700, "val": 100, "test": 200}
    rare = {split: sum(r.split == split and r.columns["f"] == "1" for r in made) for split in counts}
    assert rare == {"train": 70, "val": 10, "test": 20}
    sides = {record.group: record.split for record in made}
    assert all(sides[record.group] == record.split for record in made)
    assert made == divided(records, shares={"val": 0.1, "test": 0.2}, seed=1, stratum=lambda r: r.columns["f"])
    assert made != divided(records, shares={"val": 0.1, "test": 0.2}, seed=2, stratum=lambda r: r.columns["f"])
    single = divided(records[:5], shares={"val": 0.5}, seed=1)
    assert {record.split for record in single} == {"train"}


def test_dicom_without_suffix_in_a_table(tmp_path):
    shutil.copy(pydicom_file(trees.DICOM), tmp_path / "1.2.840.1")
    trees.write(tmp_path / "t.csv", "dicom,abnormal", "1.2.840.1,1")
    assert read(tmp_path).records[0].file == tmp_path / "1.2.840.1"
