"""A recipe's data: which records are kept, how they are balanced, several sources at once."""

from __future__ import annotations

from collections import Counter

import pytest

from core.errors import DataInvalid
from tests.trainer import tiny_sets
from tests.trainer.conftest import RECIPE
from trainer.input_pipeline.sources import read_records
from trainer.recipes.recipe import Recipe


def _recipe(data: object) -> Recipe:
    return Recipe.model_validate(RECIPE | {"data": data})


def _source(**changes) -> dict:
    return {"folder": "set", "name": "Set", "licence": "CC0"} | changes


def test_where_and_at_most(tmp_path):
    folder = tiny_sets.mura(tmp_path / "set")
    every, _ = read_records(_recipe(_source()), folder)
    assert len(every) == 7 * 6
    kept, notes = read_records(_recipe(_source(where={"region": ["hand", "wrist"], "abnormal": ["1"]})), folder)
    assert {(r.columns["region"], r.columns["abnormal"]) for r in kept} == {("hand", "1"), ("wrist", "1")}
    assert any("6 of 42 images" in note for note in notes)
    few, _ = read_records(_recipe(_source(at_most=3)), folder)
    assert Counter(record.split for record in few) == {"train": 3, "val": 3, "test": 3}
    assert {record.columns["region"] for record in few if record.split == "test"} == {"elbow", "forearm", "humerus"}
    with pytest.raises(DataInvalid, match="no image has region foot"):
        read_records(_recipe(_source(where={"region": ["foot"]})), folder)


def test_balance(tmp_path):
    folder = tmp_path / "set"
    folder.mkdir()
    rows = ["path,abnormal,split"]
    for index in range(30):
        tiny_sets.image(folder / f"{index}.png", seed=index, positive=False)
        rows.append(f"{index}.png,{int(index % 5 == 0)},{'test' if index >= 20 else 'train'}")
    (folder / "split.csv").write_text("\n".join(rows) + "\n")
    kept, notes = read_records(_recipe(_source(balance="abnormal")), folder)
    counts = Counter((record.split, record.columns["abnormal"]) for record in kept)
    assert counts == {("train", "0"): 4, ("train", "1"): 4, ("test", "0"): 2, ("test", "1"): 2}
    assert kept == read_records(_recipe(_source(balance="abnormal")), folder)[0]
    assert any("12 of 30" in note for note in notes)
    (folder / "split.csv").write_text("\n".join(row.replace(",1,", ",0,") for row in rows) + "\n")
    with pytest.raises(DataInvalid, match="one kind of abnormal"):
        read_records(_recipe(_source(balance="abnormal")), folder)


def test_several_sources(tmp_path):
    tiny_sets.fracatlas(tmp_path / "one")
    tiny_sets.multiregion(tmp_path / "two")
    recipe = _recipe([_source(folder="one", name="One"), _source(folder="two", name="Two", licence="ODC-By 1.0")])
    records, _ = read_records(recipe, tmp_path)
    assert Counter(record.source for record in records) == {"fracatlas": 40, "multiregion": 24}
    assert (recipe.data.name, recipe.data.licence) == ("One + Two", "CC0 + ODC-By 1.0")
    assert {record.split for record in records} == {"train", "val", "test"}
    # What one source does not know is unknown there, not wrong.
    assert {record.columns.get("region", "") for record in records if "two" in record.file.parts} == {""}


def test_a_split_of_its_own(tmp_path):
    folder = tiny_sets.multiregion(tmp_path / "set")
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.png"))
    (tmp_path / "clean.csv").write_text("path,split\n" + "".join(f"{name},test\n" for name in names[:5]))
    recipe = _recipe(_source()).with_source(layout="multiregion", split=str(tmp_path / "clean.csv"))
    records, _ = read_records(recipe, folder)
    assert [record.split for record in records] == ["test"] * 5
    assert {record.columns["fractured"] for record in records} <= {"0", "1"}
