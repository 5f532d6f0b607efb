"""Sanity as a worker applies it: read from a Bundle, damaged files refused, without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BundleInvalid
from core.vocabulary import SanityFlag
from networks.bundle import SANITY, Bundle, write_manifest
from networks.image_statistics import STATISTICS
from networks.manifest import Sanity
from networks.preprocessing import Preprocessing
from networks.sanity import PROBES, Component, SanityModel, Subspace, enlargement
from tests.bundles import tiny_bundle
from tests.data import generated_radiograph

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
CHANNELS = 16


def subspace(width: int, axes: int) -> Subspace:
    random = np.random.default_rng(width)
    directions = np.linalg.qr(random.normal(size=(width, axes)))[0].T
    arrays = (np.zeros(width), np.ones(width), np.zeros(width), directions, np.ones(axes))
    return Subspace(*(np.asarray(array, dtype=np.float32) for array in arrays))


def model(**limits: float) -> SanityModel:
    """Made up, but for the shapes; the limits are far away unless given."""
    random = np.random.default_rng(0)
    zeros = np.zeros(len(Component), np.float32)
    return SanityModel(
        features=subspace(CHANNELS, 4),
        picture=subspace(STATISTICS, 6),
        probes=random.normal(size=(len(PROBES), 4 + STATISTICS)).astype(np.float32),
        bias=np.zeros(len(PROBES), np.float32),
        origin=zeros,
        unit=zeros + 1,
        size=64,
        limits={flag: limits.get(flag.value, 1e6) for flag in SanityFlag},
    )


def judged(fitted: SanityModel, *, rows: int = 128, columns: int = 96) -> object:
    tensor, window = Preprocessing(size=64).apply(generated_radiograph(128, 96))
    return fitted.judge(np.ones(CHANNELS, np.float32), tensor, window=window, rows=rows, columns=columns)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("sanity") / "tiny")


@pytest.fixture
def sound(plain: Bundle, tmp_path: Path) -> Bundle:
    """The plain Bundle with a sanity model."""
    for name in plain.manifest.files:
        (tmp_path / name).write_bytes(plain.file(name).read_bytes())
    fitted = model(blurred=-100.0)
    np.savez_compressed(tmp_path / SANITY, **fitted.arrays())
    fields = plain.manifest.model_dump(exclude={"files", "format"})
    return write_manifest(tmp_path, {**fields, "sanity": Sanity(limits=dict(fitted.limits))})


def test_a_bundle_without_limits_has_none(plain: Bundle) -> None:
    assert SanityModel.load(plain) is None


def test_what_was_shipped_is_what_judges(sound: Bundle) -> None:
    loaded = SanityModel.load(sound)
    assert loaded is not None
    here, there = judged(loaded), judged(replace(model(), limits=loaded.limits))
    assert [flag.flag for flag in here.flags] == list(SanityFlag)
    assert [flag.score for flag in here.flags] == pytest.approx([flag.score for flag in there.flags], abs=0.01)
    assert [flag.flag for flag in here.raised] == [SanityFlag.BLURRED]
    assert not here.accepted
    assert judged(model()).accepted


def test_small_images_and_strips_are_too_small() -> None:
    fitted = model(too_small=2.0)
    assert judged(fitted, rows=32, columns=30).accepted
    for rows, columns in ((31, 20), (7, 2000), (2000, 7)):
        verdict = judged(fitted, rows=rows, columns=columns)
        assert ([flag.flag for flag in verdict.raised], verdict.accepted) == ([SanityFlag.TOO_SMALL], False)
    assert enlargement(np.array([[128, 64], [32, 16]]), 64).tolist() == [0.5, 2.0]


@pytest.mark.parametrize("damage", ["no file", "cut", "an array lacks", "wrong shape", "not finite", "no unit"])
def test_a_damaged_file_is_refused(sound: Bundle, damage: str) -> None:
    file = sound.path / SANITY
    arrays = dict(np.load(file))
    if damage == "no file":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[:200])
    else:
        changes = {
            "an array lacks": lambda: arrays.pop("probes"),
            "wrong shape": lambda: arrays.update(features_mean=np.zeros(3, np.float32)),
            "not finite": lambda: arrays.update(bias=np.full(len(PROBES), np.nan, np.float32)),
            "no unit": lambda: arrays.update(unit=np.zeros(len(Component), np.float32)),
        }
        changes[damage]()
        np.savez_compressed(file, **arrays)
    with pytest.raises(BundleInvalid, match="sanity"):
        SanityModel.load(sound)


def test_the_worker_needs_no_tensorflow_for_it() -> None:
    code = (
        "import sys, networks.sanity, networks.stability, networks.image_statistics;"
        "assert not {'tensorflow', 'keras', 'sklearn', 'scipy'} & set(sys.modules), 'loaded'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
