"""`lucency data …` as a user calls it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.trainer.audit.pictures import radiograph, rotated, saved
from trainer.commands.data import data

runner = CliRunner()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A train/val/test tree with one rotated copy of a training picture in test."""
    for split, start in (("train", 0), ("val", 20), ("test", 30)):
        for seed in range(start, start + 6):
            kind = "fractured" if seed % 2 else "unfractured"
            saved(radiograph(seed, 160, 160), tmp_path / "set" / split / kind / f"{seed}.png")
    saved(rotated(radiograph(1, 160, 160), 20), tmp_path / "set" / "test" / "fractured" / "copy.png")
    return tmp_path / "set"


def test_audit_finds_the_leak_writes_its_files_and_the_clean_split_passes(tree, tmp_path):
    out, cache = tmp_path / "out", str(tmp_path / "cache")
    result = runner.invoke(data, ["audit", str(tree), "--out", str(out), "--cache", cache, "--json"])
    assert result.exit_code == 3, result.output
    report = json.loads(result.stdout)
    assert report == json.loads((out / "audit.json").read_text())
    assert [leak["files"] for leak in report["leaks"]] == [["test/fractured/copy.png", "train/fractured/1.png"]]
    assert report["duplicates"]["rotated_files"] == 1
    assert (out / "twins.png").stat().st_size > 1000
    (split,) = out.glob("split-*.csv")
    again = runner.invoke(data, ["audit", str(tree), "--split", str(split), "--cache", cache])
    assert again.exit_code == 0, again.output
    assert "No leak" in again.output


def test_audit_reads_as_a_table(tree, tmp_path):
    result = runner.invoke(data, ["audit", str(tree), "--cache", str(tmp_path / "cache")])
    assert result.exit_code == 3
    for said in ("The split leaks", "copy.png", "Proposed split", "Always saying fractured"):
        assert said in result.output


@pytest.mark.parametrize("shares", ["70/30", "a/b/c", "0/0/0", "-1/1/1"])
def test_shares_that_are_none_are_refused(tree, shares):
    result = runner.invoke(data, ["audit", str(tree), "--shares", shares])
    assert result.exit_code == 1
    assert "70/15/15" in str(result.exception)


def test_eda_draws_every_chart(tree, tmp_path):
    out = tmp_path / "eda"
    result = runner.invoke(data, ["eda", str(tree), "--out", str(out), "--cache", str(tmp_path / "cache")])
    assert result.exit_code == 0, result.output
    page = (out / "index.html").read_text()
    for name in ("counts", "sizes", "grey_levels", "examples", "averages"):
        chart = (out / f"{name}.png").read_bytes()
        assert chart[:4] == b"\x89PNG"
        assert len(chart) > 4000
    assert page.count("data:image/png;base64,") == 5
    assert 'src="http' not in page
    assert "<td>train</td><td>6</td><td>3</td><td>3</td>" in page
