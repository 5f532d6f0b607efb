"""Planted leaks, contradictions, damage and shortcuts are found; the proposed split has none of them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import DataInvalid
from tests.trainer.audit.pictures import radiograph, rotated, saved
from trainer.audit import Audit, audit, audit_split, summarised
from trainer.audit.document import document
from trainer.audit.proposal import write_split
from trainer.audit.sheet import write_sheet
from trainer.datasets import Record, read


def record(file: Path, split: str | None, fractured: int, **values: str) -> Record:
    told = {"patient": None, "group": None, "study": None} | {
        k: values.pop(k) for k in ("patient", "group") if k in values
    }
    columns = {"fractured": str(fractured), **values}
    return Record(file=file, name=file.name, columns=columns, split=split, source="made_up", **told)


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> list[Record]:
    """36 pictures in three splits, hardware only in fractured ones, larger files for those; and the planted faults."""
    folder = tmp_path_factory.mktemp("planted")
    records = []
    for seed in range(36):
        fractured = int(seed % 3 == 0)
        shape = (200, 260) if fractured else (260, 200)
        file = saved(radiograph(seed, *shape), folder / f"{seed}.png")
        split = ("train", "train", "val", "test")[seed // 3 % 4]
        records.append(record(file, split, fractured, hardware=str(int(seed % 6 == 0)), region="hand"))
    of_train = saved(radiograph(50, 240, 240), folder / "first.png")
    in_test = saved(rotated(radiograph(50, 240, 240), 17), folder / "first-rotated1.jpg", quality=90)
    records += [record(of_train, "train", 0), record(in_test, "test", 0)]
    yes = saved(radiograph(51), folder / "yes.png")
    no = saved(radiograph(51), folder / "no.jpg", quality=90)
    records += [record(yes, "train", 1), record(no, "train", 0)]
    one, other = (saved(radiograph(seed), folder / f"{seed}.png") for seed in (60, 61))
    records += [record(one, "train", 0, patient="p1"), record(other, "val", 0, patient="p1")]
    third, fourth = (saved(radiograph(seed), folder / f"{seed}.png") for seed in (62, 63))
    records += [record(third, "val", 1, group="g1"), record(fourth, "test", 1, group="g1")]
    short = saved(radiograph(70), folder / "short.jpg", quality=90)
    short.write_bytes(short.read_bytes()[:3000])
    broken = folder / "broken.png"
    broken.write_bytes(b"no image")
    return [*records, record(short, "train", 0), record(broken, "train", 0)]


@pytest.fixture(scope="module")
def found(planted: list[Record]) -> Audit:
    return audit(planted)


def test_each_planted_leak_is_found_and_no_other(found):
    leaks = {(leak.kind, leak.splits, tuple(found.records[p].name for p in leak.members)) for leak in found.leaks}
    assert leaks == {
        ("twins", ("train", "test"), ("first.png", "first-rotated1.jpg")),
        ("patient", ("train", "val"), ("60.png", "61.png")),
        ("group", ("val", "test"), ("62.png", "63.png")),
    }
    summary = summarised(found)
    assert summary.leaking
    assert summary.leaks == {"identical": 0, "twins": 1, "patient": 1, "study": 0, "group": 1}
    assert summary.reasons[0] == "1 picture with copies in more than one of train and val and test"


def test_contradicting_twins_and_unreadable_files_are_named(found):
    (conflict,) = found.conflicts
    named = {value: [found.records[p].name for p in held] for value, held in conflict.values.items()}
    assert (conflict.label, named) == ("fractured", {"1": ["yes.png"], "0": ["no.jpg"]})
    codes = {found.records[p].name: found.prints[p].code for p in found.unreadable}
    assert codes == {"short.jpg": "image_truncated", "broken.png": "type_unsupported"}


def test_shortcuts_are_flagged_and_chance_is_not(found):
    flagged = {one.fact for one in found.shortcuts if one.flagged}
    assert {"landscape", "aspect_ratio", "hardware"} <= flagged
    assert not flagged & {"brightness", "bits"}
    (hardware,) = (one for one in found.shortcuts if one.fact == "hardware")
    assert hardware.table["1"] == (6, 6)


def test_the_proposed_split_has_no_leak_and_keeps_what_it_can(found, tmp_path):
    proposal, records = found.proposal, found.records
    kept = {records[p].name: split for p, split in proposal.splits.items()}
    assert not {"yes.png", "no.jpg", "short.jpg", "broken.png", "first-rotated1.jpg"} & set(kept)
    assert kept["60.png"] == kept["61.png"]
    assert kept["62.png"] == kept["63.png"]
    assert all(kept[f"{seed}.png"] == ("train", "train", "val", "test")[seed // 3 % 4] for seed in range(36))
    assert proposal.left_out == {"copies": 1, "contradicting_labels": 2, "unreadable": 2}
    assert write_split(proposal, records, "made_up", tmp_path / "split.csv") == len(kept)
    folder = records[0].file.parent
    again = read(folder, split_csv=tmp_path / "split.csv", images=folder)
    assert {r.name: r.split for r in again.records} == kept
    assert not audit_split(again.records).leaking
    with (tmp_path / "split.csv").open() as stream:
        assert {row["path"]: row["copies"] for row in csv.DictReader(stream)}["first.png"] == "2"


def test_whole_units_are_dealt_by_label_where_there_is_no_split(tmp_path):
    records = []
    for seed in range(60):
        file = saved(radiograph(seed, 64, 64), tmp_path / f"{seed}.png")
        records.append(record(file, None, int(seed % 4 == 0), patient=f"p{seed // 2}"))
    split = {records[p].name: name for p, name in audit(records).proposal.splits.items()}
    assert all(split[f"{seed}.png"] == split[f"{seed + 1}.png"] for seed in range(0, 60, 2))
    counted = {
        name: (sum(split[r.name] == name for r in records), sum(split[r.name] == name for r in records[::4]))
        for name in ("train", "val", "test")
    }
    assert counted["train"][0] == pytest.approx(42, abs=3)
    assert counted["val"][0] == pytest.approx(9, abs=3)
    assert 1 <= counted["val"][1] <= 4
    assert 1 <= counted["test"][1] <= 4


def test_twins_of_several_data_sets_go_where_the_first_has_them(tmp_path):
    first = saved(radiograph(1), tmp_path / "one.png")
    second = saved(radiograph(1), tmp_path / "other.jpg", quality=80)
    others = [saved(radiograph(seed), tmp_path / f"{seed}.png") for seed in (2, 3)]
    records = [
        Record(first, "one.png", {"fractured": "1"}, split="test", source="a"),
        Record(second, "other.jpg", {"fractured": "1"}, split="train", source="b"),
        *(Record(file, file.name, {"fractured": "0"}, split="train", source="b") for file in others),
    ]
    found = audit(records)
    assert document(found)["duplicates"]["pictures_across_data_sets"] == 1
    assert found.leaking
    assert {records[p].name: split for p, split in found.proposal.splits.items()} == {
        "one.png": "test",
        "2.png": "train",
        "3.png": "train",
    }


def test_the_digest_is_of_the_split_and_its_files(tmp_path):
    files = [saved(radiograph(seed, 64, 64), tmp_path / f"{seed}.png") for seed in (1, 2)]
    records = [record(file, split, 0) for file, split in zip(files, ("train", "test"), strict=True)]
    summary = audit_split(records)
    assert not summary.leaking
    assert summary.reasons == []
    assert audit_split(records[::-1]).digest == summary.digest
    swapped = [record(file, split, 0) for file, split in zip(files, ("test", "train"), strict=True)]
    assert audit_split(swapped).digest != summary.digest
    saved(radiograph(3, 64, 64), files[0])
    assert audit_split(records).digest != summary.digest
    with pytest.raises(DataInvalid, match="nothing to audit"):
        audit_split([record(files[0], "elsewhere", 0)])


def test_the_sheet_shows_pairs(found, tmp_path):
    # The contradiction, and one pair each of the two kinds of twins.
    assert write_sheet(found, tmp_path / "twins.png") == 3
    with Image.open(tmp_path / "twins.png") as sheet:
        assert np.asarray(sheet.convert("L")).std() > 20
