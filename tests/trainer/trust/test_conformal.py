"""Three-way decisions: what they promise of unseen images, they keep."""

from __future__ import annotations

import re

import numpy as np
import pytest

from core.vocabulary import ThreeWay
from networks.manifest import Conformal
from trainer.trust.conformal import allowed_misses, allowed_misses_by_group, fit_conformal

DRAWS = 80


def drawn(random: np.random.Generator, positives: int, negatives: int) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping scores of both classes, as a middling classifier gives them."""
    truth = np.repeat([1, 0], [positives, negatives])
    logit = random.normal(np.where(truth == 1, 1.2, -1.2), 1.5)
    return 1 / (1 + np.exp(-logit)), truth


def missed(limits: Conformal, probability: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """The share of positives decided negative, and of negatives decided positive."""
    positives, negatives = probability[truth == 1], probability[truth == 0]
    return float((positives < limits.lower).mean()), float((negatives > limits.upper).mean())


@pytest.mark.parametrize(("coverage", "positives"), [(0.9, 73), (0.8, 40), (0.95, 150)])
def test_each_class_keeps_its_coverage_in_nine_of_ten_draws(coverage: float, positives: int) -> None:
    random = np.random.default_rng(1)
    unseen = drawn(random, 20_000, 20_000)
    kept = np.array(
        [
            [
                miss <= 1 - coverage
                for miss in missed(fit_conformal(*drawn(random, positives, 340), coverage=coverage), *unseen)
            ]
            for _ in range(DRAWS)
        ]
    )
    # 0.9 is promised; three standard errors of 80 draws are 0.1.
    assert (kept.mean(axis=0) >= 0.8).all()


def test_it_refers_no_more_than_it_must() -> None:
    """Limits that promise too much would refer everything: a good classifier's must not."""
    random = np.random.default_rng(2)
    truth = np.repeat([1, 0], 500)
    probability = 1 / (1 + np.exp(-random.normal(np.where(truth == 1, 4, -4), 1)))
    limits = fit_conformal(probability, truth)
    decided = [limits.decide(float(value)) for value in probability]
    assert sum(decision is ThreeWay.REFER for decision in decided) < 250


def test_classes_far_apart_leave_a_gap_that_is_referred() -> None:
    probability = np.concatenate([np.linspace(0.9, 0.99, 60), np.linspace(0.01, 0.1, 60)])
    limits = fit_conformal(probability, np.repeat([1, 0], 60))
    assert limits.lower < limits.upper
    assert limits.decide(0.5) is ThreeWay.REFER
    assert (limits.decide(0.995), limits.decide(0.001)) == (ThreeWay.POSITIVE, ThreeWay.NEGATIVE)


def test_too_few_images_rule_nothing_out() -> None:
    random = np.random.default_rng(3)
    limits = fit_conformal(*drawn(random, 21, 21))
    assert (limits.lower, limits.upper) == (0.0, 1.0)
    assert fit_conformal(np.array([0.7]), np.array([1])).decide(0.0) is ThreeWay.REFER
    assert fit_conformal(*drawn(random, 22, 22)).lower > 0


def test_allowed_misses_are_those_of_the_binomial_tail() -> None:
    assert allowed_misses(21, coverage=0.9, risk=0.1) == 0
    assert allowed_misses(22, coverage=0.9, risk=0.1) == 1
    # The plain rule would allow 7 of 73.
    assert allowed_misses(73, coverage=0.9, risk=0.1) == 4
    assert allowed_misses(0, coverage=0.9, risk=0.1) == 0


def test_images_of_one_group_count_for_less() -> None:
    alone = [f"{index}" for index in range(100)]
    tens = [f"{index // 10}" for index in range(100)]
    assert allowed_misses_by_group(tens, coverage=0.9, risk=0.1) < allowed_misses_by_group(
        alone, coverage=0.9, risk=0.1
    )
    assert allowed_misses_by_group([], coverage=0.9, risk=0.1) == 0


def test_images_of_one_group_make_the_limits_wider() -> None:
    probability, truth = np.linspace(0.01, 0.99, 200), np.tile([1, 0], 100)
    alone = fit_conformal(probability, truth)
    tens = fit_conformal(probability, truth, groups=[f"{index // 20}" for index in range(200)])
    assert tens.lower < alone.lower
    assert tens.upper > alone.upper


def test_the_validation_split_is_missed_as_often_as_the_rule_says() -> None:
    """Strictly below the k-th lowest of a class lie k - 1 of it, and an engine's last digits change none of them."""
    probability, truth = np.linspace(0.01, 0.99, 146), np.tile([1, 0], 73)
    limits = fit_conformal(probability, truth)
    said = re.search(r"at most (\d+) positives and (\d+) negatives are decided wrongly", limits.rule)
    assert said is not None
    wrong = [(limits.decide(float(one)), label) for one, label in zip(probability, truth, strict=True)]
    assert wrong.count((ThreeWay.NEGATIVE, 1)) == int(said[1]) == allowed_misses(73, coverage=0.9, risk=0.1) - 1
    assert wrong.count((ThreeWay.POSITIVE, 0)) == int(said[2])
    for last_digits in (-1e-5, 1e-5):
        again = [
            (limits.decide(float(one) + last_digits), label) for one, label in zip(probability, truth, strict=True)
        ]
        assert again == wrong


def test_the_rule_says_how_and_on_what() -> None:
    limits = fit_conformal(*drawn(np.random.default_rng(4), 50, 200), coverage=0.85)
    assert limits.coverage == 0.85
    for words in ("class-conditional", "val split", "50 positive, 200 negative", "0.85", "referred"):
        assert words in limits.rule


@pytest.mark.parametrize(("coverage", "risk"), [(0.0, 0.1), (1.0, 0.1), (0.9, 0.0), (0.9, 1.0)])
def test_impossible_promises_are_refused(coverage: float, risk: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        fit_conformal(*drawn(np.random.default_rng(5), 50, 50), coverage=coverage, risk=risk)
