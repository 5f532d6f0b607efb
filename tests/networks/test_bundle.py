"""A Bundle is exactly the files that its manifest names, unaltered; anything else is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from core.errors import BundleInvalid
from core.vocabulary import Decision, StudyRule
from networks.bundle import MANIFEST_BYTES, Bundle, write_manifest
from networks.manifest import parse_manifest

FIELDS = {
    "name": "made-up",
    "version": "1",
    "created": "2026-01-01T00:00:00Z",
    "heads": [
        {"name": "fracture", "kind": "sigmoid", "labels": ["fracture"], "temperature": 2.0},
        {"name": "region", "kind": "softmax", "labels": ["hand", "leg"]},
    ],
    "thresholds": {"fracture": {"value": 0.3}},
    "preprocessing": {"size": 64},
    "explanation": {"layer": "features", "grid": [8, 8], "labels": ["fracture", "leg"], "default": ["fracture"]},
    "disclaimer": "none",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole Bundle whose model files are a few bytes."""
    made = tmp_path / "bundle"
    made.mkdir()
    (made / "model.onnx").write_bytes(b"graph")
    (made / "MODEL_CARD.md").write_text("# Card\n")
    write_manifest(made, FIELDS)
    return made


def _change(folder: Path, **changes: object) -> None:
    file = folder / "bundle.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_whole_bundle(folder):
    bundle = Bundle.load(folder)
    assert bundle.labels == ("fracture", "hand", "leg")
    assert bundle.finding_labels == ("fracture",)
    assert bundle.explainable == ("fracture", "leg")
    assert bundle.manifest.study is StudyRule.MEAN  # MURA's convention, also of Bundles that do not say
    assert bundle.region_head is not None
    assert bundle.region_head.labels == ("hand", "leg")
    assert bundle.file("model.onnx").read_bytes() == b"graph"
    assert [bundle.decide("fracture", p) for p in (0.2999, 0.3)] == [Decision.NEGATIVE, Decision.POSITIVE]
    with pytest.raises(KeyError):
        bundle.threshold("hand")
    with pytest.raises(BundleInvalid, match=r"no model.keras"):
        bundle.file("model.keras")


def test_the_digest_follows_every_file(folder):
    before = Bundle.load(folder).digest
    (folder / "model.onnx").write_bytes(b"other")
    assert write_manifest(folder, FIELDS).digest != before


def test_altered(folder):
    (folder / "model.onnx").write_bytes(b"grapH")
    with pytest.raises(BundleInvalid, match="altered"):
        Bundle.load(folder)
    assert Bundle.load(folder, verify=False).labels


def test_missing(folder):
    (folder / "model.onnx").unlink()
    with pytest.raises(BundleInvalid, match=r"missing files: \['model.onnx'\]"):
        Bundle.load(folder)


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_extra(folder, make):
    make(folder / "extra")
    with pytest.raises(BundleInvalid, match=r"does not name: .'extra'"):
        Bundle.load(folder)


def test_symlink(folder, tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"graph")
    (folder / "model.onnx").unlink()
    (folder / "model.onnx").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleInvalid, match="not a plain file"):
        Bundle.load(folder)


def test_symlinked_manifest(folder, tmp_path):
    shutil.move(folder / "bundle.json", tmp_path / "bundle.json")
    (folder / "bundle.json").symlink_to(tmp_path / "bundle.json")
    with pytest.raises(BundleInvalid, match=r"no bundle.json"):
        Bundle.load(folder)


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "a/b", "..", ".hidden", "", "bundle.json", "a\\b", "a\n"]
)
def test_a_name_outside(folder, name):
    files = json.loads((folder / "bundle.json").read_text())["files"]
    _change(folder, files={**files, name: "0" * 64})
    with pytest.raises(BundleInvalid, match="outside the Bundle"):
        Bundle.load(folder)


@pytest.mark.parametrize("number", [2, 0, None, "1", [1]])
def test_unknown_format(folder, number):
    _change(folder, format=number)
    with pytest.raises(BundleInvalid, match=r"format .* is unknown"):
        Bundle.load(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 200_000, b'"text"', b"[]", b"null"])
def test_not_a_manifest(folder, content):
    (folder / "bundle.json").write_bytes(content)
    with pytest.raises(BundleInvalid):
        Bundle.load(folder)


def test_too_large(folder):
    with (folder / "bundle.json").open("a") as stream:
        stream.write(" " * MANIFEST_BYTES)
    with pytest.raises(BundleInvalid, match="too large"):
        Bundle.load(folder)


def test_no_bundle(tmp_path):
    for path in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(BundleInvalid, match=r"no bundle.json"):
            Bundle.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": {}},
        {"thresholds": {"fracture": {"value": 1.5}}},
        {"thresholds": {"fracture": {"value": 0.3}, "hand": {"value": 0.3}}},
        {"heads": []},
        {"heads": [*FIELDS["heads"], {"name": "again", "kind": "softmax", "labels": ["hand"]}]},
        {"heads": [{"name": "fracture", "kind": "sigmoid", "labels": ["fracture"], "temperature": 0}]},
        {"explanation": {**FIELDS["explanation"], "labels": ["elbow"]}},
        {"explanation": {**FIELDS["explanation"], "default": ["hand"]}},
        {"preprocessing": {"size": 64, "fit": "stretch"}},
        {"study": "median"},
        {"surprise": 1},
        {"files": {"model.onnx": "ABC"}},
    ],
)
def test_fields_at_odds(folder, change):
    document = json.loads((folder / "bundle.json").read_text()) | change
    with pytest.raises(BundleInvalid, match=r"bundle\.json: "):
        parse_manifest(json.dumps(document).encode())
