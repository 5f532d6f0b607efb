"""Is this what the network was made for? Scores of an image against the bone radiographs it was trained on.

Two views of it are used: the pooled features of the same pass, in which what is new leaves the subspace that training
images fill (Ndiour et al. 2020, arXiv 2012.04250), and statistics of the picture itself
(`networks.image_statistics`), which no training can make blind. On both stand a distance and probes that learnt from
generated outliers (`trainer.trust`).
Fitted values come from `sanity.npz`. No TensorFlow.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BundleInvalid
from core.vocabulary import SanityFlag
from networks.bundle import SANITY, Bundle
from networks.image_statistics import STATISTICS, picture_statistics
from networks.preprocessing import Window

Floats = NDArray[np.float32]
# Standardised values beyond this say no more, and one dead channel must not outweigh all others.
CLIP = 10.0
# The part of the input's side below which a strip is too narrow to show a bone.
NARROWEST = 0.25


class Component(IntEnum):
    """What scores are made of; each is 0 at the median of clean bones and 1 where 99 % of them lie below."""

    FEATURE_RESIDUAL = 0
    PICTURE_DISTANCE = 1
    NOT_RADIOGRAPH_PROBE = 2
    OTHER_RADIOGRAPH_PROBE = 3
    INVERTED_PROBE = 4
    BLURREDNESS = 5


PROBES = (Component.NOT_RADIOGRAPH_PROBE, Component.OTHER_RADIOGRAPH_PROBE, Component.INVERTED_PROBE)
# A flag's score is the mean of its components.
MADE_OF = {
    SanityFlag.NOT_RADIOGRAPH: (
        Component.FEATURE_RESIDUAL,
        Component.PICTURE_DISTANCE,
        Component.NOT_RADIOGRAPH_PROBE,
    ),
    SanityFlag.UNSUPPORTED_REGION: (Component.FEATURE_RESIDUAL, Component.OTHER_RADIOGRAPH_PROBE),
    SanityFlag.INVERTED_POLARITY: (Component.INVERTED_PROBE,),
    SanityFlag.BLURRED: (Component.BLURREDNESS,),
}


@dataclass(frozen=True, slots=True)
class Subspace:
    """Principal axes of standardised training values: `mean`, `scale` (C,), `centre` (C,), `axes` (d, C) orthonormal,
    `deviation` (d,) along each axis."""

    mean: Floats
    scale: Floats
    centre: Floats
    axes: Floats
    deviation: Floats

    def standardised(self, values: Floats) -> Floats:
        """(n, C) → (n, C), each column about 0 with deviation 1, cut at ± CLIP."""
        return np.asarray(np.clip((values - self.mean) / self.scale, -CLIP, CLIP), dtype=np.float32)

    def whitened(self, values: Floats) -> Floats:
        """(n, C) → (n, d) along the axes, each with deviation 1."""
        along = (self.standardised(values) - self.centre) @ self.axes.T
        return np.asarray(along / self.deviation, dtype=np.float32)

    def distance(self, values: Floats) -> Floats:
        """(n,) the logarithm of the mean square along the axes: Mahalanobis' distance within the subspace."""
        return np.asarray(np.log((self.whitened(values) ** 2).mean(axis=1) + 1e-3), dtype=np.float32)

    def residual(self, values: Floats) -> Floats:
        """(n,) the logarithm of the mean square of what the axes leave over."""
        central = self.standardised(values) - self.centre
        left = central - (central @ self.axes.T) @ self.axes
        return np.asarray(np.log((left**2).mean(axis=1) + 1e-3), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class SanityScore:
    """A flag is raised where `score` exceeds `limit`."""

    flag: SanityFlag
    score: float
    limit: float


@dataclass(frozen=True, slots=True)
class SanityVerdict:
    """`flags` holds every flag that the Bundle has a limit for, in SanityFlag's order; `accepted`: none is raised."""

    accepted: bool
    flags: tuple[SanityScore, ...]

    @property
    def raised(self) -> tuple[SanityScore, ...]:
        """The flags that are raised."""
        return tuple(found for found in self.flags if found.score > found.limit)


@dataclass(frozen=True, slots=True)
class SanityModel:
    """The fitted values. `probes` (3, d + S) and `bias` (3,) are linear in whitened features and picture statistics;
    `origin` and `unit` (6,) put each Component on its scale. `size` is the side of the network's input.
    """

    features: Subspace
    picture: Subspace
    probes: Floats
    bias: Floats
    origin: Floats
    unit: Floats
    size: int
    limits: Mapping[SanityFlag, float]

    @classmethod
    def load(cls, bundle: Bundle) -> SanityModel | None:
        """The Bundle's; None where it has none. Raises BundleInvalid where its file is damaged."""
        if bundle.manifest.sanity is None:
            return None
        try:
            with bundle.file(SANITY).open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                arrays = {name: np.asarray(file[name], dtype=np.float32) for name in file.files}
            return cls.of_arrays(arrays, size=bundle.preprocessing.size, limits=bundle.manifest.sanity.limits)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
            raise BundleInvalid(f"{SANITY} cannot be read, or holds something else") from error

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, Floats], *, size: int, limits: Mapping[SanityFlag, float]) -> SanityModel:
        """From `arrays()`. Raises KeyError for a missing one, ValueError where they do not fit or are not finite."""
        spaces = [
            Subspace(*(arrays[f"{space}_{name}"] for name in Subspace.__dataclass_fields__))
            for space in ("features", "picture")
        ]
        model = cls(
            features=spaces[0],
            picture=spaces[1],
            probes=arrays["probes"],
            bias=arrays["bias"],
            origin=arrays["origin"],
            unit=arrays["unit"],
            size=size,
            limits=dict(limits),
        )
        model._check()
        return model

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `sanity.npz` holds; the axes in half precision, which changes scores by less than a hundredth."""
        found: dict[str, NDArray[Any]] = {}
        for space, subspace in (("features", self.features), ("picture", self.picture)):
            for name in Subspace.__dataclass_fields__:
                found[f"{space}_{name}"] = getattr(subspace, name)
        found["features_axes"] = found["features_axes"].astype(np.float16)
        return found | {"probes": self.probes, "bias": self.bias, "origin": self.origin, "unit": self.unit}

    def components(self, features: Floats, statistics: Floats) -> Floats:
        """(n, 6) on their scale, from (n, C) pooled features and (n, S) picture statistics."""
        raw = raw_components(self.features, self.picture, self.probes, self.bias, features, statistics)
        return np.asarray((raw - self.origin) / self.unit, dtype=np.float32)

    def scores(self, features: Floats, statistics: Floats, sizes: NDArray[np.int64]) -> dict[SanityFlag, Floats]:
        """(n,) scores of each flag, from (n, C), (n, S) and (n, 2) rows and columns of the images in full."""
        components = self.components(features, statistics)
        made = {flag: components[:, list(parts)].mean(axis=1) for flag, parts in MADE_OF.items()}
        return made | {SanityFlag.TOO_SMALL: enlargement(sizes, self.size)}

    def judge(
        self, features: Floats, tensor: NDArray[np.uint8], *, window: Window, rows: int, columns: int
    ) -> SanityVerdict:
        """One image: (C,) its pooled features, (size, size, 1) its input, the window that it covers, its full size."""
        statistics = picture_statistics(tensor, window)
        found = self.scores(features[None], statistics[None], np.array([[rows, columns]]))
        flags = tuple(
            SanityScore(flag, score=round(float(found[flag][0]), 4), limit=self.limits[flag])
            for flag in SanityFlag
            if flag in self.limits
        )
        return SanityVerdict(accepted=all(found.score <= found.limit for found in flags), flags=flags)

    def _check(self) -> None:
        for subspace in (self.features, self.picture):
            axes, channels = subspace.axes.shape
            widths = [len(values) for values in (subspace.mean, subspace.scale, subspace.centre)]
            if widths != [channels] * 3 or subspace.deviation.shape != (axes,):
                raise ValueError("the subspaces' shapes differ")
        width = len(self.features.axes) + len(self.picture.mean)
        if self.probes.shape != (len(PROBES), width) or len(self.picture.mean) != STATISTICS:
            raise ValueError("the probes' shape differs")
        if self.origin.shape != (len(Component),) or self.unit.shape != (len(Component),):
            raise ValueError("the components' shape differs")
        if not all(np.isfinite(values).all() for values in self.arrays().values()) or not (self.unit > 0).all():
            raise ValueError("a value is not finite")


def raw_components(
    features: Subspace, picture: Subspace, probes: Floats, bias: Floats, values: Floats, statistics: Floats
) -> Floats:
    """(n, 6) in Component's order, not yet on their scale; higher is stranger."""
    probed = probe_inputs(features, picture, values, statistics) @ probes.T + bias
    columns = [features.residual(values), picture.distance(statistics), *probed.T, statistics[:, -1]]
    return np.stack(columns, axis=1).astype(np.float32)


def probe_inputs(features: Subspace, picture: Subspace, values: Floats, statistics: Floats) -> Floats:
    """(n, d + S): whitened features beside standardised statistics, both about 1 in size for unusual images."""
    joined = np.concatenate([features.whitened(values), picture.standardised(statistics)], axis=1)
    return np.asarray(joined / 8, dtype=np.float32)


def enlargement(sizes: NDArray[np.int64], size: int) -> Floats:
    """(n,) how many times an image of (n, 2) rows and columns was enlarged to fill the input; or, of a strip, how many
    times its short side falls short of a quarter of the input's."""
    longest, shortest = np.maximum(sizes.max(axis=1), 1), np.maximum(sizes.min(axis=1), 1)
    return np.asarray(np.maximum(size / longest, NARROWEST * size / shortest), dtype=np.float32)
