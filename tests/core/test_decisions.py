"""Images judged together: by the mean or by the most probable one, and when a human should look."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.decisions import DEFAULT_STUDY_RULE, Opinion, combined, judge_study
from core.vocabulary import Decision, StudyRule, ThreeWay

unit = st.floats(0, 1)
opinions = st.lists(
    st.builds(
        lambda p, t, a, b, referred: Opinion(p, t, lower=min(a, b), upper=max(a, b), referred=referred),
        unit, unit, unit, unit, st.booleans(),
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip
rules = st.sampled_from(StudyRule)


def test_the_default_is_mura_s_mean():
    assert DEFAULT_STUDY_RULE is StudyRule.MEAN
    found = judge_study([Opinion(0.9, 0.5), Opinion(0.2, 0.5), Opinion(0.3, 0.5)], rule=StudyRule.MEAN)
    assert found.probability == pytest.approx(1.4 / 3)
    assert (found.decision, found.three_way, found.images) == (Decision.NEGATIVE, None, 3)


def test_the_maximum_takes_threshold_and_limits_of_its_image():
    images = [Opinion(0.4, 0.1, lower=0.0, upper=0.1), Opinion(0.6, 0.7, lower=0.2, upper=0.65)]
    found = judge_study(images, rule=StudyRule.MAX)
    assert (found.probability, found.threshold, found.lower, found.upper) == (0.6, 0.7, 0.2, 0.65)
    assert (found.decision, found.three_way) == (Decision.NEGATIVE, ThreeWay.REFER)


@pytest.mark.parametrize(
    ("probabilities", "expected"),
    [
        ((0.1, 0.2), ThreeWay.NEGATIVE),
        ((0.1, 0.5), ThreeWay.REFER),  # on the lower limit
        ((0.9, 0.5), ThreeWay.REFER),  # on the upper limit
        ((0.9, 0.6), ThreeWay.POSITIVE),
    ],
)
def test_referred_between_the_limits(probabilities, expected):
    images = [Opinion(p, 0.5, lower=0.3, upper=0.7) for p in probabilities]
    assert judge_study(images, rule=StudyRule.MEAN).three_way == expected


def test_referred_whatever_the_probability():
    sure = Opinion(0.99, 0.5, lower=0.3, upper=0.7)
    strange = Opinion(0.99, 0.5, lower=0.3, upper=0.7, referred=True)
    assert judge_study([sure, sure], rule=StudyRule.MEAN).three_way is ThreeWay.POSITIVE
    assert judge_study([sure, strange], rule=StudyRule.MEAN).three_way is ThreeWay.REFER
    assert judge_study([sure, sure], rule=StudyRule.MEAN, incomplete=True).three_way is ThreeWay.REFER
    without = judge_study([Opinion(0.99, 0.5)], rule=StudyRule.MEAN, incomplete=True)
    assert (without.three_way, without.lower, without.upper) == (ThreeWay.REFER, None, None)


def test_an_image_without_limits_decides_nothing_by_itself():
    images = [Opinion(0.99, 0.5, lower=0.1, upper=0.2), Opinion(0.99, 0.5)]
    found = judge_study(images, rule=StudyRule.MEAN)
    assert (found.lower, found.upper, found.three_way) == (0.05, 0.6, ThreeWay.POSITIVE)
    assert judge_study(images[1:] * 2, rule=StudyRule.MEAN).three_way is None


def test_no_image():
    with pytest.raises(ValueError, match="without images"):
        judge_study([], rule=StudyRule.MEAN)


@given(opinions, rules)
def test_one_order_is_as_good_as_another(images, rule):
    forward, backward = judge_study(images, rule=rule), judge_study(images[::-1], rule=rule)
    assert forward.probability == backward.probability
    if rule is StudyRule.MEAN:
        assert forward == backward


@given(opinions, rules)
def test_the_study_lies_among_its_images(images, rule):
    found = judge_study(images, rule=rule)
    values = [image.probability for image in images]
    expected = np.mean(values) if rule is StudyRule.MEAN else np.max(values)
    assert found.probability == pytest.approx(expected, abs=1e-12)
    assert min(values) <= found.probability <= max(values)
    if any(image.referred for image in images):
        assert found.three_way is ThreeWay.REFER


@given(st.builds(Opinion, unit, unit), st.integers(1, 7), rules)
def test_equal_images_say_exactly_what_one_says(image, count, rule):
    found = judge_study([image] * count, rule=rule)
    assert (found.probability, found.threshold) == (image.probability, image.threshold)
    assert combined([0.1] * count, probabilities=[image.probability] * count, rule=rule) == 0.1
