"""Which files a batch takes, and that odd ones stop nothing."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from lucency.batch.files import (
    Aside,
    FileChanged,
    FileUnreadable,
    FileVanished,
    Found,
    Skipped,
    is_candidate,
    read_content,
    walk,
    wire_path,
)
from tests.data import encoded, generated_radiograph
from tests.imaging.field_cases import data_set
from tests.imaging.reference import dicom, ramp

PNG = encoded(generated_radiograph(40, 30))


def found(root: Path, *, recursive: bool = True, without: Path | None = None) -> list[str]:
    return [one.path for one in walk(root, recursive=recursive, without=without) if isinstance(one, Found)]


def aside(root: Path) -> dict[str, Skipped | None]:
    return {one.path: one.reason for one in walk(root, recursive=True) if isinstance(one, Aside)}


def test_what_is_taken_and_what_is_left_out_is_told_by_name(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("a.dcm", "b/1.2.840", ".hidden.png", ".git/x.png", "DICOMDIR", "b/dicomdir"):
        (tmp_path / name).write_bytes(PNG)
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "b" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "linked.png").symlink_to(tmp_path / "a.dcm")
    (tmp_path / "broken.png").symlink_to(tmp_path / "nowhere")
    assert found(tmp_path) == ["a.dcm", "linked.png", "b/1.2.840"]
    assert found(tmp_path, recursive=False) == ["a.dcm", "linked.png"]
    assert aside(tmp_path) == {
        ".git": Skipped.HIDDEN,
        ".hidden.png": Skipped.HIDDEN,
        "DICOMDIR": Skipped.DICOMDIR,
        "b/dicomdir": Skipped.DICOMDIR,
        "b/up": Skipped.SEEN,
        "broken.png": None,
        "pipe.png": Skipped.SPECIAL,
    }


def test_a_ring_of_links_ends_and_a_linked_folder_is_entered_once(tmp_path: Path) -> None:
    outside, root = tmp_path / "outside", tmp_path / "root"
    (outside / "deep").mkdir(parents=True)
    root.mkdir()
    (outside / "deep" / "x.dcm").write_bytes(PNG)
    (outside / "deep" / "back").symlink_to(root, target_is_directory=True)
    (root / "one").symlink_to(outside, target_is_directory=True)
    (root / "two").symlink_to(outside, target_is_directory=True)
    assert found(root) == ["one/deep/x.dcm"]


def test_the_folder_for_results_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "overlay.png").write_bytes(PNG)
    (tmp_path / "a.png").write_bytes(PNG)
    assert found(tmp_path, without=tmp_path / "out") == ["a.png"]


@pytest.mark.parametrize(
    ("name", "head", "taken"),
    [
        ("notes.txt", b"from the last shift", False),
        ("notes.txt", PNG[:132], True),
        ("scan.tif", b"II*\0", False),
        ("scan.tif", bytes(128) + b"DICM", True),
        ("scan.img", data_set(dicom(ramp(), syntax="1.2.840.10008.1.2"))[:132], True),
        ("scan.img", dicom(ramp())[132:264], True),
        ("scan.img", bytes(132), False),
        ("broken.dcm", b"", True),
        ("IM00001", b"anything", True),
        ("1.2.840.113619.2", b"anything", True),
        ("a.JPG", b"anything", True),
    ],
)
def test_candidates(name: str, head: bytes, taken: bool) -> None:
    assert is_candidate(name, head) is taken


def test_the_hash_is_of_the_whole_file(tmp_path: Path) -> None:
    content = PNG * 2000
    (tmp_path / "a.png").write_bytes(content)
    assert read_content(tmp_path, "a.png").sha256 == hashlib.sha256(content).hexdigest()
    (tmp_path / "a.txt").write_bytes(b"x" * 200)
    assert read_content(tmp_path, "a.txt").sha256 is None


def test_a_file_that_went_away_or_cannot_be_read_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileVanished):
        read_content(tmp_path, "a.png")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileUnreadable):
        read_content(tmp_path, "loop")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileChanged):  # it was a file when the folder was read; nobody waits for a writer
        read_content(tmp_path, "pipe")


def test_names_that_are_no_text_can_be_sent(tmp_path: Path) -> None:
    name = os.fsdecode(b"M\xfcller.png")
    (tmp_path / name).write_bytes(PNG)
    (path,) = found(tmp_path)
    assert read_content(tmp_path, path).sha256 == hashlib.sha256(PNG).hexdigest()
    assert wire_path(path) == "M\\xfcller.png"
    assert wire_path("Müller/ä.png") == "Müller/ä.png"
