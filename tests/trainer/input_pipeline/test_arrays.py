"""Images are decoded once: whichever set, run or process asks for them, and never served stale."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataInvalid
from networks.preprocessing import Preprocessing
from tests.conftest import ROOT
from tests.data import encoded, generated_radiograph, pydicom_file
from trainer.datasets import Record
from trainer.input_pipeline import arrays
from trainer.input_pipeline.arrays import load_image, load_images
from trainer.input_pipeline.content_hashes import REMEMBERED, content_hashes

SMALL = Preprocessing(size=32)
READABLE = ["one.png", "two.jpg", "three"]
BAD = {"cut.jpg": "image_truncated", "text.png": "type_unsupported", "absent.png": "file_missing"}


@pytest.fixture
def folder(tmp_path):
    """PNG, JPEG, DICOM without suffix; a cut file, one of text."""
    made = tmp_path / "images"
    made.mkdir()
    (made / "one.png").write_bytes(encoded(generated_radiograph(60, 50)))
    jpeg = encoded(generated_radiograph(64, 64, seed=1), "JPEG")
    (made / "two.jpg").write_bytes(jpeg)
    shutil.copy(pydicom_file("RG3_J2KI.dcm"), made / "three")
    (made / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    (made / "text.png").write_text("no picture")
    return made


@pytest.fixture
def decoded(monkeypatch):
    """How many files were decoded since, in the list's length."""
    calls = []
    real = arrays.image_of
    monkeypatch.setattr(arrays, "image_of", lambda data, given: calls.append(len(data)) or real(data, given))
    return calls


def records(folder, names):
    return [Record(folder / name, name, {}) for name in names]


def test_the_pixels(folder, tmp_path):
    chosen = records(folder, [*READABLE, *BAD])
    found = load_images(chosen, SMALL, cache=tmp_path / "cache")
    assert found.pixels.shape == (3, 32, 32, 1)
    assert isinstance(found.pixels, np.memmap)
    assert not found.pixels.flags.writeable
    assert [record.name for record in found.records] == READABLE
    assert {entry.name: entry.code for entry in found.unreadable} == BAD
    for record, pixels in zip(found.records, found.pixels, strict=True):
        np.testing.assert_array_equal(load_image(record, SMALL), pixels)
    assert {load_image(record, SMALL).code for record in chosen[3:]} == set(BAD.values())


def test_decoded_once(folder, tmp_path, decoded):
    chosen = records(folder, [*READABLE, *BAD])
    first = load_images(chosen, SMALL, cache=tmp_path / "cache")
    assert len(decoded) == 5
    again = load_images(chosen, SMALL, cache=tmp_path / "cache")
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert again.unreadable == first.unreadable
    assert len(decoded) == 5
    other = load_images(chosen, Preprocessing(size=48), cache=tmp_path / "cache")
    assert other.pixels.shape == (3, 48, 48, 1)
    assert len(decoded) == 10


def test_sets_share_what_they_have_in_common(folder, tmp_path, decoded):
    first = load_images(records(folder, ["one.png", "cut.jpg", "two.jpg"]), SMALL, cache=tmp_path / "cache")
    assert len(decoded) == 3
    shutil.copy(folder / "two.jpg", folder / "copy.jpg")
    names = ["three", "copy.jpg", "cut.jpg", "one.png", "two.jpg", "three"]
    mixed = load_images(records(folder, names), SMALL, cache=tmp_path / "cache")
    assert len(decoded) == 4
    assert [record.name for record in mixed.records] == ["three", "copy.jpg", "one.png", "two.jpg", "three"]
    np.testing.assert_array_equal(mixed.pixels[[2, 1]], first.pixels)
    np.testing.assert_array_equal(mixed.pixels[0], mixed.pixels[4])
    np.testing.assert_array_equal(mixed.pixels[1], mixed.pixels[3])
    assert [(entry.name, entry.code) for entry in mixed.unreadable] == [("cut.jpg", "image_truncated")]


def test_an_edited_file_is_noticed(folder, tmp_path, decoded):
    chosen = records(folder, READABLE)
    load_images(chosen, SMALL, cache=tmp_path / "cache")
    status = (folder / "two.jpg").stat()
    (folder / "two.jpg").write_bytes(encoded(np.full((64, 64), 9, np.uint8)))
    os.utime(folder / "two.jpg", ns=(status.st_atime_ns, status.st_mtime_ns))
    changed = load_images(chosen, SMALL, cache=tmp_path / "cache")
    assert (changed.pixels[1] == 9).all()
    assert len(decoded) == 4


def test_unchanged_files_are_not_read_again(folder, tmp_path, monkeypatch):
    files = [folder / name for name in [*READABLE, "absent.png"]]
    fresh = content_hashes(files, cache=tmp_path / "cache")
    assert fresh[3] is None
    assert all(len(digest) == 64 for digest in fresh[:3])
    # Files so young may change within a tick of the clock: nothing is remembered of them.
    assert not (tmp_path / "cache" / REMEMBERED).exists()
    monkeypatch.setattr("trainer.input_pipeline.content_hashes.SETTLED_NANOSECONDS", 0)
    assert content_hashes(files, cache=tmp_path / "cache") == fresh

    def unreadable(*arguments):
        raise AssertionError("a file was read again")

    monkeypatch.setattr("hashlib.file_digest", unreadable)
    assert content_hashes(files, cache=tmp_path / "cache") == fresh
    (folder / "one.png").write_bytes(b"x")
    with pytest.raises(AssertionError, match="read again"):
        content_hashes(files, cache=tmp_path / "cache")


@pytest.mark.parametrize("content", [b"", b"[1]", b'{"a": [1, 2]}', b"\xff", b'{"a": 1}'])
def test_a_damaged_memory_is_none(folder, tmp_path, content):
    (tmp_path / REMEMBERED).write_bytes(content)
    files = [folder / name for name in READABLE]
    assert content_hashes(files, cache=tmp_path) == content_hashes(files, cache=tmp_path / "other")


def test_a_file_that_changes_meanwhile(folder, tmp_path, monkeypatch):
    chosen = records(folder, READABLE)
    true = content_hashes([record.file for record in chosen], cache=tmp_path)
    monkeypatch.setattr(arrays, "content_hashes", lambda files, cache: ["0" * 64, *true[1:]])
    with pytest.raises(DataInvalid, match=r"one\.png changed while it was read"):
        load_images(chosen, SMALL, cache=tmp_path / "cache")
    (folder / "one.png").unlink()
    with pytest.raises(DataInvalid, match=r"one\.png went away"):
        load_images(chosen, SMALL, cache=tmp_path / "cache")


def test_a_cache_that_cannot_be_written(folder, tmp_path):
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(DataInvalid, match="cannot be written"):
        load_images(records(folder, READABLE), SMALL, cache=tmp_path / "cache")


def test_progress(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "CHUNK", 2)
    seen = []
    load_images(records(folder, READABLE), SMALL, cache=tmp_path, progress=lambda *pair: seen.append(pair))
    assert seen == [(2, 3), (3, 3)]


SLOW = """
import sys, time
from pathlib import Path
from networks.preprocessing import Preprocessing
from trainer.input_pipeline import arrays
from trainer.datasets import Record

folder, cache, delay = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
arrays.CHUNK = 4
real = arrays.image_of
calls = []
arrays.image_of = lambda data, given: (time.sleep(delay), calls.append(1), real(data, given))[2]
files = sorted(folder.iterdir())
records = [Record(file, file.name, {}) for file in files]
found = arrays.load_images(records, Preprocessing(size=32), cache=cache, progress=lambda *p: print(*p, flush=True))
print("sum", int(found.pixels.sum()), len(found.records), len(calls))
"""


def start(folder: Path, cache: Path, delay: float) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SLOW, str(folder), str(cache), str(delay)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def many(tmp_path):
    made = tmp_path / "many"
    made.mkdir()
    for index in range(40):
        (made / f"{index:02d}.png").write_bytes(encoded(generated_radiograph(40, 32, seed=index)))
    (made / "05.png").write_bytes(b"text")
    return made


def test_a_killed_run_is_gone_on_with(many, tmp_path):
    cache = tmp_path / "cache"
    first = start(many, cache, 0.1)
    assert first.stdout is not None
    assert first.stdout.readline() == "4 40\n"
    assert first.stdout.readline() == "8 40\n"
    first.send_signal(signal.SIGKILL)
    first.wait()
    first.stdout.close()
    assert not list(cache.rglob("*.npy"))
    # What a kill may leave: a line that was not written whole.
    partial = next(cache.rglob("*.rows.partial"))
    with partial.open("a") as stream:
        stream.write("0123 o")
    second, _ = start(many, cache, 0.0).communicate(timeout=60)
    _, total, readable, decoded_again = second.splitlines()[-1].split()
    whole = load_images(records(many, sorted(os.listdir(many))), SMALL, cache=tmp_path / "other")
    assert (int(total), int(readable)) == (int(whole.pixels.sum()), 39)
    assert int(decoded_again) <= 32
    assert not list(cache.rglob("*.partial"))


def test_two_runs_at_once(many, tmp_path):
    runs = [start(many, tmp_path / "cache", 0.02) for _ in range(2)]
    ends = [run.communicate(timeout=60)[0].splitlines()[-1].split() for run in runs]
    assert ends[0][:3] == ends[1][:3]
    assert sorted(int(end[3]) for end in ends) == [0, 40]
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 1
