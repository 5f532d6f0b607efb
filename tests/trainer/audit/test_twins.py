"""Copies are found however they were changed; different pictures are not taken for copies."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.audit.pictures import brighter, cut, radiograph, rotated, saved
from trainer.audit.appearance import SIDE, spectra, thumbnail, turns
from trainer.audit.cache import FingerprintCache
from trainer.audit.fingerprints import fingerprint
from trainer.audit.matching import SAME, lay, matches
from trainer.audit.twins import TwinKind, relations, twins
from trainer.datasets import Record

OTHERS = 12

CHANGES = {
    "reencoded": (lambda p: p, "jpg", TwinKind.NEAR),
    "half_size": (lambda p: np.ascontiguousarray(p[::2, ::2]), "jpg", TwinKind.NEAR),
    "brighter": (brighter, "jpg", TwinKind.NEAR),
    "cropped": (lambda p: cut(p, 0.03), "jpg", TwinKind.NEAR),
    "one_side_cut": (lambda p: np.ascontiguousarray(p[:, 12:]), "jpg", TwinKind.NEAR),
    "turned": (lambda p: np.rot90(p).copy(), "png", TwinKind.TURNED),
    "turned_jpeg": (lambda p: np.rot90(p, 3).copy(), "jpg", TwinKind.TURNED),
    "flipped": (lambda p: p[:, ::-1].copy(), "png", TwinKind.TURNED),
    "flipped_jpeg": (lambda p: p[:, ::-1].copy(), "jpg", TwinKind.TURNED),
    "flipped_and_turned": (lambda p: np.rot90(p[::-1]).copy(), "png", TwinKind.TURNED),
    "rotated_9": (lambda p: rotated(p, 9), "jpg", TwinKind.ROTATED),
    "rotated_-24": (lambda p: rotated(p, -24), "jpg", TwinKind.ROTATED),
}


def of(files: list[Path]) -> list[Record]:
    return [Record(file=file, name=file.name, columns={}) for file in files]


def written(tmp_path: Path, count: int, *, start: int = 0) -> list[Path]:
    return [saved(radiograph(seed), tmp_path / f"picture{seed}.png") for seed in range(start, start + count)]


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_among_others(change, tmp_path):
    alter, suffix, kind = CHANGES[change]
    # Square, as the sets with rotated copies are: turning squeezes other formats.
    square = radiograph(100, 280, 280)
    options = {"quality": 75} if suffix == "jpg" else {}
    files = [
        saved(square, tmp_path / "original.png"),
        saved(alter(square), tmp_path / f"copy.{suffix}", **options),
        *written(tmp_path, OTHERS),
    ]
    found = relations([fingerprint(file) for file in files])
    assert [(one.first, one.second) for one in found] in ([(0, 1)], [(1, 0)])
    assert found[0].kind is kind
    assert found[0].score >= SAME


def test_identical_files_are_told_from_identical_pixels(tmp_path):
    first = saved(radiograph(1), tmp_path / "a.png")
    shutil.copy(first, tmp_path / "b.png")
    saved(radiograph(1), tmp_path / "c.png", compress_level=1)
    found = relations([fingerprint(tmp_path / name) for name in ("a.png", "b.png", "c.png")])
    assert [(one.kind, one.second) for one in found] == [(TwinKind.IDENTICAL, 1), (TwinKind.SAME_PIXELS, 2)]


def test_different_pictures_are_no_twins():
    thumbs = np.stack([thumbnail(radiograph(seed)) for seed in range(120)])
    assert matches(thumbs, [str(seed) for seed in range(120)]) == []


def test_flat_pictures_are_no_twins_of_anything():
    thumbs = np.stack([np.full((SIDE, SIDE), level, np.uint8) for level in (0, 1, 128, 255)])
    assert matches(thumbs, list("abcd")) == []


@pytest.mark.parametrize("degrees", [-150.0, -40.0, 12.0, 90.0])
@pytest.mark.parametrize("flip", [False, True])
def test_the_angle_is_told(degrees, flip):
    pixels = radiograph(7, 280, 280)
    # `turns` says how to lay the second on the first: mirrored, then turned by the angle.
    base = thumbnail(pixels)
    second = thumbnail(np.ascontiguousarray(rotated(pixels, -degrees)[:, ::-1] if flip else rotated(pixels, -degrees)))
    polar, angle, mirrored = turns(spectra(base[None]), spectra(second[None]))
    assert (bool(mirrored[0]), polar[0] > 0.6) == (flip, True)
    assert angle[0] == pytest.approx(degrees, abs=2.0)
    score, refined = lay(base, second, angle=float(angle[0]), mirrored=flip)
    assert score >= SAME
    assert refined == pytest.approx(degrees, abs=1.5)


def test_a_cluster_keeps_the_upright_original_and_counts_its_rotated_copies(tmp_path):
    pixels = radiograph(5, 280, 280)
    files = [
        saved(rotated(pixels, 20), tmp_path / "a.png"),
        saved(pixels, tmp_path / "z-longer-name.png"),
        saved(rotated(pixels, -35), tmp_path / "b.png"),
        saved(rotated(rotated(pixels, 33), -33), tmp_path / "back.png"),
        *written(tmp_path, 3),
    ]
    prints = [fingerprint(file) for file in files]
    records = of(files)
    (cluster,) = twins(records, prints, relations(prints))
    assert (cluster.members, cluster.original) == ([0, 1, 2, 3], 1)
    assert cluster.rotated == {0, 2, 3}
    assert cluster.angles[0] == pytest.approx(-20, abs=1.5)


def test_a_second_audit_decodes_and_compares_nothing(tmp_path, monkeypatch):
    files = [saved(rotated(radiograph(3, 280, 280), turn), tmp_path / f"{turn}.png") for turn in (0, 15, 40)]
    files += written(tmp_path, 6)
    with FingerprintCache.open(tmp_path / "cache") as cache:
        prints = cache.fingerprints(files)
        first = relations(prints, cache=cache)
    assert len(first) == 2

    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("this was known")

    monkeypatch.setattr("trainer.audit.cache.fingerprint", never)
    monkeypatch.setattr("trainer.audit.matching.lay", never)
    with FingerprintCache.open(tmp_path / "cache") as cache:
        again = cache.fingerprints(files)
        assert relations(again, cache=cache) == first
    assert [print_.facts for print_ in again] == [print_.facts for print_ in prints]


def test_a_changed_file_is_read_again(tmp_path):
    file = saved(radiograph(1), tmp_path / "a.png")
    with FingerprintCache.open(tmp_path / "cache") as cache:
        (before,) = cache.fingerprints([file])
        saved(radiograph(2), file)
        (after,) = cache.fingerprints([file])
    assert before.pixels != after.pixels
    assert after.pixels == fingerprint(file).pixels
