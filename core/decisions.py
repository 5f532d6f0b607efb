"""From probabilities to decisions: of one image, and of a Study's images together. Plain numbers only.

The one place where a Study's images are put together: the services worker calls it for the result that is given, the
trainer's evaluation for the figures that are stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

from core.vocabulary import Decision, StudyRule, ThreeWay

# The convention of MURA (Rajpurkar et al. 2018, arXiv:1712.06957): the probability of a study is the
# arithmetic mean of its images'. It also lets one image's false alarm be outvoted by the other views.
DEFAULT_STUDY_RULE = StudyRule.MEAN


@dataclass(frozen=True, slots=True)
class Opinion:
    """What was said of one Finding of one image: calibrated `probability`, `threshold` and the limits of the three-way
    decision, all in [0, 1]. A model that does not refer gives no limits.

    `referred`: a human should look, whatever the probability (the input is strange, or the router unsure of it).
    """

    probability: float
    threshold: float
    lower: float | None = None
    upper: float | None = None
    referred: bool = False


@dataclass(frozen=True, slots=True)
class StudyOpinion:
    """The same of a whole Study of `images` images. `three_way` is None where nothing refers it and the model cannot.

    The coverage that a Bundle states holds for images, not for Studies: a three-way decision of a Study has none.
    """

    probability: float
    threshold: float
    decision: Decision
    three_way: ThreeWay | None
    lower: float | None
    upper: float | None
    images: int


def decide(probability: float, *, threshold: float) -> Decision:
    """Positive from the threshold on."""
    return Decision.POSITIVE if probability >= threshold else Decision.NEGATIVE


def decide_three_way(probability: float, *, lower: float, upper: float) -> ThreeWay:
    """Positive above `upper`, negative below `lower`, `refer` from the one to the other."""
    if probability > upper:
        return ThreeWay.POSITIVE
    return ThreeWay.NEGATIVE if probability < lower else ThreeWay.REFER


def combined(values: Sequence[float], *, probabilities: Sequence[float], rule: StudyRule) -> float:
    """The Study's value of what each of its images has one of: the mean, or that of the most probable image (the first
    of equals).

    With `values` the probabilities themselves it is the Study's probability; thresholds and limits go the same way,
    since specialists of a hierarchy each have their own. Raises ValueError where there is no image.
    """
    if not probabilities:
        raise ValueError("a Study without images has no probability")
    if rule is StudyRule.MEAN:
        # Among them, and of equal values exactly the value: a sum divided by its count may miss it by the last bit.
        return min(max(fsum(values) / len(values), min(values)), max(values))
    return values[probabilities.index(max(probabilities))]


def judge_study(opinions: Sequence[Opinion], *, rule: StudyRule, incomplete: bool = False) -> StudyOpinion:
    """One Finding of a Study from its images' `opinions` (one at least, else ValueError).

    It is referred where the combined probability lies between the combined limits, where one of the images is for a
    human in any case, and where the Study is `incomplete`: an image of it failed, or was judged by another model.
    """
    probabilities = [opinion.probability for opinion in opinions]

    def whole(values: Sequence[float]) -> float:
        return combined(values, probabilities=probabilities, rule=rule)

    probability, threshold = whole(probabilities), whole([opinion.threshold for opinion in opinions])
    referred = incomplete or any(opinion.referred for opinion in opinions)
    lower = upper = three_way = None
    if any(opinion.lower is not None for opinion in opinions):
        # An image whose specialist has no limits is never decided by itself.
        lower = whole([0.0 if opinion.lower is None else opinion.lower for opinion in opinions])
        upper = whole([1.0 if opinion.upper is None else opinion.upper for opinion in opinions])
        three_way = decide_three_way(probability, lower=lower, upper=upper)
    return StudyOpinion(
        probability=probability,
        threshold=threshold,
        decision=decide(probability, threshold=threshold),
        three_way=ThreeWay.REFER if referred else three_way,
        lower=lower,
        upper=upper,
        images=len(opinions),
    )
