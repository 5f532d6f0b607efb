"""The drift alarm: silent where nothing has moved, however few the images, and loud where something has."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.drift import FALSE_ALARMS, FEWEST, PSI_LINE, DriftState, Quantity, ks, line, psi, read, reference_of

MANIFEST = Path(__file__).parents[2] / "bundles" / "default" / "bundle.json"
LOOKS = 4000
REFERENCE = 410


def test_by_hand() -> None:
    # (90.5 + 10.5) / 101 − (50.5, 50.5) / 101: shares 0.896 and 0.104 against one half each.
    high, low = 90.5 / 101, 10.5 / 101
    assert psi([50, 50], [90, 10]) == pytest.approx((high - 0.5) * np.log(high / 0.5) + (low - 0.5) * np.log(low / 0.5))
    assert psi([30, 70], [300, 700]) == pytest.approx(0, abs=1e-4)
    assert ks([50, 50], [90, 10]) == pytest.approx(0.4)
    assert ks([1, 1, 2], [0, 0, 5]) == pytest.approx(0.5)


def test_the_line_is_the_usual_one_for_many_and_higher_for_few() -> None:
    # χ² of 9 degrees exceeds 27.88 with probability 0.001 (tables).
    assert line(10, 50, 400, alarm=0.001) == pytest.approx((1 / 50 + 1 / 400) * 27.88, rel=0.01)
    assert line(10, 5000, 400, alarm=0.001) == PSI_LINE
    heights = [line(10, n, 400, alarm=0.001) for n in (50, 100, 200, 400)]
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("n", [FEWEST, 100, 400])
def test_false_alarms_are_rare(n: int) -> None:
    """Reference and live images drawn alike, each look with a reference of its own: as many alarms as were allowed."""
    alarm = 0.01
    rng = np.random.default_rng(n)
    shares = {"tenths": np.full(10, 0.1), "regions": np.array([0.31, 0.53, 0.04, 0.02, 0.10]), "two": [0.98, 0.02]}
    for name, share in shares.items():
        before, now = (rng.multinomial(size, share, size=LOOKS).tolist() for size in (REFERENCE, n))
        pairs = zip(before, now, strict=True)
        states = [read(Quantity(name, tuple(known)), live, alarm=alarm).state for known, live in pairs]
        # χ² is the limit of many; half a count more in each bin keeps rare ones below it.
        assert states.count(DriftState.SHIFTED) / LOOKS <= 1.5 * alarm, name


def test_real_quantities_alarm_less_than_once_in_a_hundred_looks() -> None:
    """The shipped reference, its quantities drawn anew from it: days of any size, all quantities of each."""
    reference = reference_of(json.loads(MANIFEST.read_text()))
    assert reference is not None
    rng = np.random.default_rng(5)
    alarms = 0
    for look in range(1000):
        n = (FEWEST, 80, 150, 400, 2000)[look % 5]
        readings = []
        for quantity in reference.quantities:
            share = (np.array(quantity.counts) + 0.5) / (sum(quantity.counts) + 0.5 * len(quantity.counts))
            readings.append(read(quantity, rng.multinomial(n, share).tolist(), alarm=reference.alarm))
        alarms += any(reading.state is DriftState.SHIFTED for reading in readings)
    assert alarms <= 10 * 1000 * FALSE_ALARMS


def test_few_images_are_not_judged() -> None:
    quantity = Quantity("region", (100, 100))
    found = read(quantity, [FEWEST - 1, 0], alarm=0.001)
    assert (found.state, found.psi, found.line, found.n) == (DriftState.FEW, None, None, FEWEST - 1)
    assert read(quantity, [FEWEST, 0], alarm=0.001).state is DriftState.SHIFTED


def test_a_word_that_the_reference_never_said() -> None:
    quantity = Quantity("region", (300, 100), words=("leg", "hand"))
    assert read(quantity, [75, 25, 0], alarm=0.001).state is DriftState.STEADY
    assert read(quantity, [40, 20, 40], alarm=0.001).state is DriftState.SHIFTED


def shifted(values: NDArray[np.float64], edges: tuple[float, ...]) -> list[int]:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1).tolist()


@pytest.mark.parametrize("by", [0.6, 1.0])
def test_a_shift_of_a_normal_quantity_is_found(by: float) -> None:
    """By 0.6 and 1 standard deviations, with 100 images of a day."""
    rng = np.random.default_rng(7)
    values = rng.normal(size=REFERENCE)
    edges = tuple(np.quantile(values, np.arange(1, 10) / 10).tolist())
    quantity = Quantity("input.mean", tuple(shifted(values, edges)), edges=edges)
    states = [read(quantity, shifted(rng.normal(by, size=100), edges), alarm=0.0001).state for _ in range(200)]
    assert states.count(DriftState.SHIFTED) >= (190 if by == 1.0 else 100)


def test_manifests_without_a_reference() -> None:
    assert reference_of({}) is None
    assert reference_of({"drift": None}) is None
