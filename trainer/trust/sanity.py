"""Fitting and measuring the sanity scores of `networks.sanity`.

Fitted on training images, generated outliers (`trainer.trust.outliers`) and altered copies; put on their scale, and
given their limits, on clean validation images. Nothing that the scores are measured on is used for either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from core.vocabulary import SanityFlag
from networks.bundle import Bundle
from networks.engines import Engine
from networks.image_statistics import picture_statistics
from networks.manifest import Sanity
from networks.preprocessing import Window
from networks.sanity import CLIP, SanityModel, Subspace, probe_inputs, raw_components
from trainer.trust.alterations import Alteration, altered, blurred, inverted, varied
from trainer.trust.observation import Observation, pooled_features
from trainer.trust.outliers import NOT_RADIOGRAPHS, OTHER_RADIOGRAPHS, Maker, make_outliers

Floats = NDArray[np.float32]
Scores = Mapping[SanityFlag, Floats]
# Of clean validation images no more than this share is flagged at all.
FLAGGED = 0.02
# Training images that the subspaces stand on, and outliers beside them, at most.
BONES, OUTLIERS, PHANTOMS = 1500, 720, 160
FEATURE_AXES, PICTURE_AXES = 64, 40
# How many times an image may have to be enlarged to fill the input.
LARGEST_ENLARGEMENT = 2.0
SEED = 20
TOP = 0.99
# Copies and generated images that the scores are measured on.
MEASURED_COPIES, MEASURED_OUTLIERS = 150, 180


class Seen:
    """Images as the scores see them: (n, C) features, (n, S) picture statistics."""

    def __init__(self, features: Floats, statistics: Floats) -> None:
        self.features, self.statistics = features, statistics

    @classmethod
    def of(cls, engine: Engine, tensors: NDArray[np.uint8], windows: Sequence[Window]) -> Seen:
        """Of (n, size, size, 1) inputs, run for their features."""
        return cls(pooled_features(engine, tensors), _statistics(tensors, windows))

    @classmethod
    def made(cls, bundle: Bundle, engine: Engine, makers: Mapping[str, Maker], count: int, *, seed: int) -> Seen:
        """Of generated images."""
        images, _ = make_outliers(dict(makers), count, seed=seed)
        prepared = [bundle.preprocessing.apply(image) for image in images]
        return cls.of(engine, np.stack([tensor for tensor, _ in prepared]), [window for _, window in prepared])

    def __add__(self, other: Seen) -> Seen:
        return Seen(
            np.concatenate([self.features, other.features]), np.concatenate([self.statistics, other.statistics])
        )


def fit_sanity(bundle: Bundle, engine: Engine, training: Observation, validation: Observation) -> SanityModel:
    """The model whose limits flag at most the share FLAGGED of the validation images.

    `training` is cut to BONES images. Raises ValueError where there are fewer than four of either.
    """
    if min(len(training), len(validation)) < 4:
        raise ValueError("sanity scores want four images of training and of validation at least")
    random = np.random.default_rng(SEED)
    training = training.take(np.sort(random.permutation(len(training))[:BONES]))
    plain = Seen(training.features, _statistics(training.tensors, training.windows))
    bones = plain + _altered(engine, training.take(np.arange(0, len(training), 2)), varied, seed=SEED)
    negatives = _altered(engine, training.take(np.arange(1, len(training), 3)), inverted, seed=SEED)
    count = min(OUTLIERS, 2 * len(training))
    strange = Seen.made(bundle, engine, NOT_RADIOGRAPHS, max(count, len(NOT_RADIOGRAPHS)), seed=SEED)
    chests = Seen.made(bundle, engine, OTHER_RADIOGRAPHS, max(4, min(PHANTOMS, count)), seed=SEED)

    features = fit_subspace(bones.features, at_most=FEATURE_AXES)
    picture = fit_subspace(bones.statistics, at_most=PICTURE_AXES)
    probes = [
        _probe(features, picture, strange, bones + negatives + chests),
        _probe(features, picture, chests, bones),
        _probe(features, picture, negatives, bones + strange + chests),
    ]
    weights = np.stack([weight for weight, _ in probes])
    bias = np.array([constant for _, constant in probes], dtype=np.float32)
    clean = Seen(validation.features, _statistics(validation.tensors, validation.windows))
    raw = raw_components(features, picture, weights, bias, clean.features, clean.statistics)
    origin = np.median(raw, axis=0).astype(np.float32)
    unit = np.maximum(np.quantile(raw, TOP, axis=0) - origin, 1e-3).astype(np.float32)
    size = bundle.preprocessing.size
    model = SanityModel(features, picture, weights, bias, origin, unit, size=size, limits={})
    scores = model.scores(clean.features, clean.statistics, validation.sizes)
    return SanityModel(features, picture, weights, bias, origin, unit, size=size, limits=fit_limits(scores))


def sanity_rule(count: int) -> str:
    """How the limits came about, for the manifest; `count` validation images were used."""
    return (
        f"0 is the median and about 1 the {TOP:.0%} quantile of {count} clean images of the val split; together the "
        f"limits flag at most {FLAGGED:.0%} of these"
    )


def fit_limits(scores: Scores, *, flagged: float = FLAGGED) -> dict[SanityFlag, float]:
    """The same quantile of each flag's (n,) clean scores: the lowest at which no more than `flagged` have any flag.

    Where n is small that is the maximum. TOO_SMALL has LARGEST_ENLARGEMENT, or what a quarter of `flagged` of the clean
    images need more.
    """
    enlargements = scores[SanityFlag.TOO_SMALL]
    smallest = max(LARGEST_ENLARGEMENT, float(np.quantile(enlargements, 1 - flagged / 4, method="higher")))
    limits = {SanityFlag.TOO_SMALL: _above(smallest)}
    for quantile in (*np.arange(1 - flagged, 1, flagged / 40), 1.0):
        limits |= {
            flag: _above(float(np.quantile(values, quantile)))
            for flag, values in scores.items()
            if flag is not SanityFlag.TOO_SMALL
        }
        if _raised(scores, limits).mean() <= flagged:
            break
    return {flag: limits[flag] for flag in SanityFlag}


def measure_sanity(
    bundle: Bundle, engine: Engine, model: SanityModel, clean: Observation, strangers: Mapping[str, Observation]
) -> dict[str, Any]:
    """How many of the `clean` bones are flagged, and how well each kind of stranger is told from them (AUROC).

    Strangers are inverted and blurred copies of the clean images, images generated with another seed than those fitted
    on, and the `strangers` given by name. `auroc` is of the group's own flag where it has one, `auroc_any` of the
    highest score relative to its limit; `flagged` is the share with any flag.
    """
    seen = Seen(clean.features, _statistics(clean.tensors, clean.windows))
    bones = model.scores(seen.features, seen.statistics, clean.sizes)
    some = clean.take(np.linspace(0, len(clean) - 1, min(len(clean), MEASURED_COPIES)).astype(np.int64))
    groups: dict[str, tuple[SanityFlag | None, Seen, NDArray[np.int64]]] = {
        "inverted": (SanityFlag.INVERTED_POLARITY, _altered(engine, some, inverted, seed=SEED + 1), some.sizes),
        "blurred": (SanityFlag.BLURRED, _altered(engine, some, blurred, seed=SEED + 1), some.sizes),
    }
    for name, maker in NOT_RADIOGRAPHS.items():
        count = min(MEASURED_OUTLIERS // len(NOT_RADIOGRAPHS), max(4, len(clean) // 4))
        made = Seen.made(bundle, engine, {name: maker}, count, seed=SEED + 2)
        groups[f"generated {name}"] = (SanityFlag.NOT_RADIOGRAPH, made, _full(made, bundle))
    for name, found in strangers.items():
        shown = Seen(found.features, _statistics(found.tensors, found.windows))
        groups[name] = (None, shown, found.sizes)
    raised = _raised(bones, model.limits)
    own = {flag: _share(bones[flag] > limit) for flag, limit in model.limits.items()}
    return {
        "clean": {"n": len(clean), "flagged": _share(raised), "by_flag": {flag.value: own[flag] for flag in own}},
        "strangers": {
            name: _told_apart(model.limits, bones, model.scores(found.features, found.statistics, sizes), flag)
            for name, (flag, found, sizes) in groups.items()
        },
    }


def fit_subspace(values: Floats, *, at_most: int) -> Subspace:
    """Principal axes of (n, C) values: no more than `at_most`, a quarter of the channels (at least one), n / 8."""
    count, channels = values.shape
    mean, scale = values.mean(axis=0), values.std(axis=0)
    # A channel that training images never moved would make noise out of anything.
    scale = np.maximum(scale, 1e-3 * float(scale.max()) + 1e-6)
    standardised = np.clip((values - mean) / scale, -CLIP, CLIP)
    centre = standardised.mean(axis=0)
    wanted = max(1, min(at_most, channels if channels <= 2 * at_most else channels // 4, count // 8))
    _, lengths, axes = np.linalg.svd(standardised - centre, full_matrices=False)
    deviation = np.maximum(lengths[:wanted] / np.sqrt(count), 1e-3)
    # Half precision here already, so that what is measured is what is shipped.
    rounded = axes[:wanted].astype(np.float16).astype(np.float32)
    arrays = (mean, scale, centre, rounded, deviation)
    return Subspace(*(np.asarray(array, dtype=np.float32) for array in arrays))


def sanity_fields(model: SanityModel, *, count: int) -> Sanity:
    """What the manifest says of it; `count` validation images gave the limits."""
    return Sanity(limits=dict(model.limits), rule=sanity_rule(count))


def _probe(features: Subspace, picture: Subspace, strange: Seen, usual: Seen) -> tuple[Floats, float]:
    """Weights and constant of a logistic regression in which both sides weigh alike."""
    inputs = [probe_inputs(features, picture, side.features, side.statistics) for side in (usual, strange)]
    answers = np.repeat([0, 1], [len(side) for side in inputs])
    model = LogisticRegression(C=1.0, max_iter=3000, class_weight="balanced").fit(np.concatenate(inputs), answers)
    return model.coef_[0].astype(np.float32), float(model.intercept_[0])


def _altered(engine: Engine, found: Observation, alteration: Alteration, *, seed: int) -> Seen:
    return Seen.of(engine, altered(found.tensors, found.windows, alteration, seed=seed), found.windows)


def _statistics(tensors: NDArray[np.uint8], windows: Sequence[Window]) -> Floats:
    return np.stack([picture_statistics(tensor, window) for tensor, window in zip(tensors, windows, strict=True)])


def _raised(scores: Scores, limits: Mapping[SanityFlag, float]) -> NDArray[np.bool_]:
    """(n,) where any flag is raised."""
    return np.asarray(np.any([scores[flag] > limit for flag, limit in limits.items()], axis=0))


def _told_apart(
    limits: Mapping[SanityFlag, float], bones: Scores, strange: Scores, flag: SanityFlag | None
) -> dict[str, Any]:
    raised = _raised(strange, limits)
    result: dict[str, Any] = {"n": len(raised), "flagged": _share(raised)}
    if flag is not None:
        result |= {"flag": flag.value, "auroc": _auroc(bones[flag], strange[flag])}
    return result | {"auroc_any": _auroc(_relative(bones, limits), _relative(strange, limits))}


def _relative(scores: Scores, limits: Mapping[SanityFlag, float]) -> Floats:
    """(n,) how high the highest score is against its limit."""
    return np.asarray(np.max([scores[flag] / max(limit, 1e-6) for flag, limit in limits.items()], axis=0))


def _auroc(bones: Floats, strange: Floats) -> float:
    truth = np.repeat([0, 1], [len(bones), len(strange)])
    return round(float(roc_auc_score(truth, np.concatenate([bones, strange]))), 4)


def _above(value: float) -> float:
    """Rounded up: what is at the limit is not beyond it."""
    return float(np.ceil(value * 1e4) / 1e4)


def _share(hit: NDArray[np.bool_]) -> float:
    return round(float(np.mean(hit)), 4)


def _full(seen: Seen, bundle: Bundle) -> NDArray[np.int64]:
    """Generated images are judged as if none were too small."""
    return np.full((len(seen.features), 2), bundle.preprocessing.size, dtype=np.int64)
