"""Sanity fitted on generated bones: what is none of them is told apart, and they are let through."""

from __future__ import annotations

import io

import numpy as np
import pytest

from core.vocabulary import SanityFlag
from networks.bundle import Bundle
from networks.engines import Engine
from networks.preprocessing import Preprocessing
from networks.sanity import SanityModel
from tests.data import generated_radiograph
from tests.trainer.trust.conftest import Seeing, bones
from trainer.trust.alterations import altered, blurred, inverted, varied
from trainer.trust.outliers import NOT_RADIOGRAPHS, OTHER_RADIOGRAPHS, make_outliers
from trainer.trust.sanity import fit_limits, fit_sanity, fit_subspace, measure_sanity, sanity_fields

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.fixture(scope="module")
def fitted(bundle: Bundle, engine: Engine, see: Seeing) -> SanityModel:
    return fit_sanity(bundle, engine, see(bones(60, seed=11)), see(bones(50, seed=12)))


def test_strangers_are_told_from_bones_that_were_not_seen(
    bundle: Bundle, engine: Engine, see: Seeing, fitted: SanityModel
) -> None:
    random = np.random.default_rng(5)
    speckle = [random.integers(0, 256, (90, 120), dtype=np.uint8) for _ in range(6)]
    figures = measure_sanity(bundle, engine, fitted, see(bones(40, seed=13)), {"speckle": see(speckle)})
    strangers = figures["strangers"]
    assert figures["clean"]["flagged"] <= 0.15
    assert strangers["inverted"]["auroc"] >= 0.95
    assert strangers["blurred"]["auroc"] >= 0.9
    assert strangers["speckle"]["auroc_any"] >= 0.95
    generated = [part["auroc"] for name, part in strangers.items() if name.startswith("generated")]
    assert len(generated) == len(NOT_RADIOGRAPHS)
    assert float(np.mean(generated)) >= 0.95


def test_clean_validation_images_are_let_through(see: Seeing, fitted: SanityModel) -> None:
    seen = see(bones(50, seed=12))
    verdicts = [
        fitted.judge(features, tensor, window=window, rows=120, columns=90)
        for features, tensor, window in zip(seen.features, seen.tensors, seen.windows, strict=True)
    ]
    assert sum(not verdict.accepted for verdict in verdicts) <= 1
    fields = sanity_fields(fitted, count=50)
    assert set(fields.limits) == set(SanityFlag)
    assert "50 clean images" in fields.rule


def test_the_same_images_give_the_same_small_file(
    bundle: Bundle, engine: Engine, see: Seeing, fitted: SanityModel
) -> None:
    again = fit_sanity(bundle, engine, see(bones(60, seed=11)), see(bones(50, seed=12)))
    assert again.limits == fitted.limits
    for name, values in fitted.arrays().items():
        assert np.array_equal(values, again.arrays()[name]), name
    file = io.BytesIO()
    np.savez_compressed(file, **fitted.arrays())
    assert file.tell() < 500_000


def test_too_few_images_are_refused(bundle: Bundle, engine: Engine, see: Seeing) -> None:
    with pytest.raises(ValueError, match="four"):
        fit_sanity(bundle, engine, see(bones(3, seed=1)), see(bones(9, seed=1)))


def test_limits_flag_no_more_clean_images_than_stated() -> None:
    random = np.random.default_rng(0)
    for count in (20, 300, 2000):
        scores = {flag: random.normal(size=count).astype(np.float32) for flag in SanityFlag}
        scores[SanityFlag.TOO_SMALL] = np.full(count, 1.5, np.float32)
        limits = fit_limits(scores, flagged=0.05)
        flagged = np.any([scores[flag] > limits[flag] for flag in SanityFlag], axis=0).mean()
        assert flagged <= 0.05
        assert limits[SanityFlag.TOO_SMALL] == 2.0
    assert flagged >= 0.03  # of 2,000: no stricter than asked


def test_a_subspace_tells_inside_from_outside() -> None:
    random = np.random.default_rng(1)
    plane = random.normal(size=(400, 3)) @ random.normal(size=(3, 40))
    values = (plane + random.normal(0, 0.1, (400, 40))).astype(np.float32)
    found = fit_subspace(values, at_most=12)
    outside = values[:50] + random.normal(0, 3, (50, 40)).astype(np.float32)
    assert found.residual(outside).min() > found.residual(values).max()
    whitened = found.whitened(values)
    assert whitened.std(axis=0) == pytest.approx(np.ones(whitened.shape[1]), abs=0.05)
    assert len(fit_subspace(values[:9], at_most=12).axes) == 1


def test_a_dead_channel_stays_silent() -> None:
    random = np.random.default_rng(2)
    values = random.normal(size=(200, 20)).astype(np.float32)
    values[:, 7] = 0
    found = fit_subspace(values, at_most=5)
    assert np.isfinite(found.residual(values)).all()


def test_outliers_are_varied_and_repeatable() -> None:
    makers = {**NOT_RADIOGRAPHS, **OTHER_RADIOGRAPHS}
    images, kinds = make_outliers(makers, 3 * len(makers), seed=4)
    again, _ = make_outliers(makers, 3 * len(makers), seed=4)
    for first, second, kind in zip(images, again, kinds, strict=True):
        assert first.dtype == np.uint8, kind
        assert first.ndim == 2, kind
        assert min(first.shape) >= 40, kind
        assert np.array_equal(first, second), kind
    assert set(kinds) == set(makers)
    assert len({image.tobytes() for image in images}) > 2.5 * len(makers)


def test_alterations_stay_in_the_window() -> None:
    tensor, window = Preprocessing(size=96, pad=5).apply(generated_radiograph(96, 48))
    for alteration in (inverted, blurred, varied):
        copy = altered(tensor[None], [window], alteration, seed=1)[0]
        assert (copy[:, :24] == 5).all()
        assert (copy[:, 72:] == 5).all()
        assert not (copy == tensor).all()
    twice = altered(altered(tensor[None], [window], inverted, seed=1), [window], inverted, seed=1)
    assert (twice[0] == tensor).all()
