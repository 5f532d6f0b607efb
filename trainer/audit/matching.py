"""Which pictures show the same exposure: candidates by their descriptors, each confirmed by laying one on the other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.audit.appearance import (
    BLOCK,
    COARSE,
    CROPS,
    DETAIL,
    FLAT,
    NARROW,
    SIDE,
    Floats,
    Grey,
    Spectra,
    coarse,
    cropped,
    descriptors,
    local_contrast,
    spectra,
    turns,
)  # fmt: skip
from trainer.audit.cache import FingerprintCache, Progress
from trainer.audit.clusters import Clusters

# So many of the most similar pictures are looked at for each, as a whole and once a border is cut off.
NEIGHBOURS, CROP_NEIGHBOURS = 12, 4
# Similarities of descriptors below which no copy was found. Of 120 radiographs of FracAtlas turned by 30° 95 % had 0.88
# and more, cut by 3 % on all sides 0.95.
SIMILAR, CROP_SIMILAR = 0.84, 0.89
# Correlations of polar maps: no copy below POLAR; from CLEAR on every pair is looked at, else a picture's likeliest
# FEW.
POLAR, CLEAR, FEW = 0.6, 0.85, 3
# The middle of a picture is sought in the other up to MARGIN pixels of a coarse thumbnail away; below the correlation
# PROMISING the two are laid on each other no further.
MARGIN, PROMISING = 11, 0.55
# Correlation of the detail of two pictures laid on each other from which on they are the same exposure. In FracAtlas,
# pairs of different patients reach 0.79, those of two views of one patient 0.89, truncated or cropped copies have 0.86
# to 0.97; in the multi-region set copies have 0.87 and more, others up to 0.75.
SAME = 0.85
# The correlation of local contrast that is worth a finer alignment, that is worth a look at the detail, and the detail
# that no alignment needs to better.
NEARLY, ALIKE, CERTAIN = 0.6, 0.8, 0.95
# The share of the disc that must overlap, the share that must not be flat, and how far an alignment may stretch.
OVERLAP, TEXTURED, STRETCH = 0.4, 0.1, 1.5
ITERATIONS = 40

_Y, _X = np.mgrid[0:SIDE, 0:SIDE]
_CENTRE = (SIDE - 1) / 2
# Inside this disc nothing is lost when a picture turns around its centre.
DISC = (_X - _CENTRE) ** 2 + (_Y - _CENTRE) ** 2 < (SIDE / 2 - 4) ** 2


@dataclass(frozen=True, slots=True)
class Match:
    """Picture `second` shows the same as `first` (positions) once it is mirrored (where so) and turned by `angle`
    degrees counter-clockwise; `score` is their correlation, SAME to 1.
    """

    first: int
    second: int
    score: float
    angle: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class Candidate:
    """Two pictures worth laying on each other, and how: `polar` is the correlation that spoke for it."""

    first: int
    second: int
    polar: float
    angle: float
    mirrored: bool
    crop: tuple[float, float, float, float] | None = None


def matches(
    thumbs: NDArray[np.uint8],
    digests: Sequence[str],
    *,
    cache: FingerprintCache | None = None,
    progress: Progress | None = None,
) -> list[Match]:
    """Pairs of `thumbs` (n, SIDE, SIDE) that show the same exposure, enough of them to connect all that do.

    `digests` names each picture in the `cache`. First whole pictures are compared, then, of those that are still apart,
    one with a border cut off. Flat pictures match nothing.
    """
    search = _Search(thumbs, digests, cache=cache, progress=progress)
    lively = np.flatnonzero(thumbs.reshape(len(thumbs), -1).std(axis=1) >= FLAT)
    search.confirm(candidates(thumbs, lively))
    alone = lively[[search.connected.root(int(position)) == position for position in lively]]
    search.confirm(candidates(thumbs, alone, crops=CROPS))
    search.keep()
    return search.found


class _Search:
    """Candidates → matches; remembers what is connected, so that pairs of one cluster are not confirmed again."""

    def __init__(
        self,
        thumbs: NDArray[np.uint8],
        digests: Sequence[str],
        *,
        cache: FingerprintCache | None,
        progress: Progress | None,
    ) -> None:
        self._thumbs, self._digests, self._cache, self._progress = thumbs, digests, cache, progress
        self._known = {} if cache is None else cache.comparisons()
        self._fresh: dict[tuple[str, str], tuple[float, float, bool]] = {}
        self.connected = Clusters(len(thumbs))
        self.found: list[Match] = []

    def confirm(self, listed: Sequence[Candidate]) -> None:
        """In blocks, in order: what one block connects the next need not look at."""
        step = 64 * (os.cpu_count() or 1)
        with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
            for start in range(0, len(listed), step):
                block = [c for c in listed[start : start + step] if not self.connected.together(c.first, c.second)]
                new = [candidate for candidate in block if self._pair(candidate) not in self._known]
                results = zip(new, pool.map(lambda candidate: _laid(self._thumbs, candidate), new), strict=True)
                self._fresh |= {self._pair(candidate): result for candidate, result in results}
                for candidate in block:
                    self._take(candidate)
                if self._progress is not None:
                    self._progress("comparisons", min(start + step, len(listed)), len(listed))

    def keep(self) -> None:
        """What was compared now goes into the cache."""
        if self._cache is not None and self._fresh:
            self._cache.keep_comparisons(self._fresh)

    def _pair(self, candidate: Candidate) -> tuple[str, str]:
        return self._digests[candidate.first], self._digests[candidate.second]

    def _take(self, candidate: Candidate) -> None:
        pair = self._pair(candidate)
        score, angle, mirrored = self._known.get(pair) or self._fresh[pair]
        if score >= SAME and not self.connected.together(candidate.first, candidate.second):
            self.connected.join(candidate.first, candidate.second)
            self.found.append(Match(candidate.first, candidate.second, score, angle, mirrored))


def candidates(
    thumbs: NDArray[np.uint8],
    among: NDArray[np.intp],
    *,
    crops: Sequence[tuple[float, float, float, float]] = (),
) -> list[Candidate]:
    """Pairs of the positions `among` whose descriptors are alike, each once: whole pictures, or where `crops` are given
    a whole one and one that lacks such a border.
    """
    if len(among) < 2:
        return []
    chosen = thumbs[among]
    whole = spectra(chosen)
    described = descriptors(whole)
    best: dict[tuple[int, int], Candidate] = {}
    if not crops:
        _add(best, _neighbours(described, described, NEIGHBOURS, SIMILAR), whole, whole, among, None)
    for crop in crops:
        parts = spectra(chosen, crop)
        pairs = _neighbours(descriptors(parts), described, CROP_NEIGHBOURS, CROP_SIMILAR)
        _add(best, pairs, parts, whole, among, crop)
    return _likeliest(best.values())


def lay(first: Grey, second: Grey, *, angle: float, mirrored: bool) -> tuple[float, float]:
    """Correlation of the detail of two thumbnails (SIDE, SIDE), `second` mirrored where so and turned by about `angle`
    degrees, and the angle that fits best. Shifted first, in small; where that is promising compared in full, and where
    it is nearly the same refined as an affine map (ECC, Evangelidis and Psarakis 2008).
    """
    if mirrored:
        second = np.ascontiguousarray(second[:, ::-1])
    promise, shift = _shifted(local_contrast(coarse(first), NARROW), coarse(second), angle)
    if promise < PROMISING:
        return promise, angle
    transform = _rotation(SIDE, angle)
    target = local_contrast(first, NARROW)
    likeness, score = _likeness(first, target, second, transform)
    for size, least in ((COARSE, -1.0), (SIDE, NEARLY)):
        if score >= CERTAIN or likeness < least:
            break
        begin = transform.copy()
        if size == COARSE:
            begin[:, 2] += begin[:, :2] @ shift
        refined = _refined(first, second, begin, size)
        better, detail = _likeness(first, target, second, refined)
        if better > likeness:
            likeness, score, transform = better, max(score, detail), refined
    turned = np.degrees(np.arctan2(transform[0, 1] - transform[1, 0], transform[0, 0] + transform[1, 1]))
    return score, float(-turned)


def _rotation(size: int, angle: float) -> NDArray[np.float32]:
    middle = (size - 1) / 2
    return np.asarray(cv2.getRotationMatrix2D((middle, middle), -angle, 1.0), dtype=np.float32)


def _shifted(target: Floats, second: Grey, angle: float) -> tuple[float, NDArray[np.float32]]:
    """The best correlation of the middle of `second` (coarse), turned, anywhere in `target` (the local contrast of the
    other), and the shift (x, y) in pixels of a thumbnail that the rotation then lacks.
    """
    moving = local_contrast(second, NARROW)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    turned = cv2.warpAffine(moving, _rotation(COARSE, angle), (COARSE, COARSE), flags=flags)
    middle = np.ascontiguousarray(turned[MARGIN:-MARGIN, MARGIN:-MARGIN])
    _, promise, _, (x, y) = cv2.minMaxLoc(cv2.matchTemplate(target, middle, cv2.TM_CCOEFF_NORMED))
    return float(promise), np.array([MARGIN - x, MARGIN - y], np.float32) * (SIDE / COARSE)


def _refined(first: Grey, second: Grey, start: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """The affine map near `start` that fits best, sought at `size` pixels; `start` where none converges."""
    scale = size / SIDE
    small = start.copy()
    # A pixel's middle is at half its side: (x + 0.5) * scale - 0.5.
    small[:, 2] = scale * (start[:, 2] + 0.5 - start[:, :2] @ np.array([0.5, 0.5])) - 0.5 + start[:, :2] @ [0.5, 0.5]
    target, moving = (
        local_contrast(picture if size == SIDE else coarse(picture), NARROW) for picture in (first, second)
    )
    mask = DISC.astype(np.uint8) * 255
    mask = mask if size == SIDE else cv2.resize(mask, (size, size), interpolation=cv2.INTER_NEAREST)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ITERATIONS, 1e-4)
    try:
        _, refined = cv2.findTransformECC(target, moving, small, cv2.MOTION_AFFINE, criteria, mask, 5)
    except cv2.error:  # it did not converge: they are not alike
        return start
    full = np.array(refined, dtype=np.float32)
    half = full[:, :2] @ [0.5, 0.5]
    full[:, 2] = (full[:, 2] + 0.5 - half) / scale - 0.5 + half
    return full


def _laid(thumbs: NDArray[np.uint8], candidate: Candidate) -> tuple[float, float, bool]:
    first, second = thumbs[candidate.first], thumbs[candidate.second]
    if candidate.crop is not None:
        first = cropped(first, candidate.crop)
    score, angle = lay(first, second, angle=candidate.angle, mirrored=candidate.mirrored)
    return score, angle, candidate.mirrored


def _likeness(first: Grey, target: Floats, second: Grey, transform: NDArray[np.float32]) -> tuple[float, float]:
    """How well `second` moved by `transform` fits `first`, whose local contrast is `target`: correlation of the local
    contrast, and that of the detail (at most ALIKE where the first does not reach that). 0 for an alignment that
    overlaps too little or stretches too much.
    """
    stretch = np.linalg.svd(transform[:, :2], compute_uv=False)
    if stretch.max() > STRETCH or stretch.min() < 1 / STRETCH:
        return 0.0, 0.0
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(
        second.astype(np.float32), transform, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=-1
    )
    both = DISC & (cv2.erode((moved >= 0).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)
    if both.sum() < OVERLAP * DISC.sum():
        return 0.0, 0.0
    moved = np.asarray(np.maximum(moved, 0), dtype=np.float32)
    likeness = _correlation(target[both], local_contrast(moved, NARROW)[both])
    if likeness < ALIKE:
        return likeness, min(likeness, ALIKE)
    # Where one is flat (the grey that stands for the missing part of a truncated file, a black background) nothing can
    # be compared.
    both &= ~(_flat(first.astype(np.float32)) | _flat(moved))
    if both.sum() < TEXTURED * DISC.sum():
        return likeness, 0.0
    return likeness, _correlation(local_contrast(first, DETAIL)[both], local_contrast(moved, DETAIL)[both])


def _correlation(one: Floats, other: Floats) -> float:
    spread = float(one.std() * other.std())
    return float(((one - one.mean()) * (other - other.mean())).mean() / spread) if spread > 1e-6 else 0.0


def _flat(picture: Floats) -> NDArray[np.bool_]:
    """Pixels that differ from their neighbours by at most one grey level."""
    around = np.ones((3, 3), np.uint8)
    return np.asarray(cv2.dilate(picture, around) - cv2.erode(picture, around) <= 1.0, dtype=np.bool_)


def _neighbours(queries: Floats, known: Floats, count: int, least: float) -> Iterable[tuple[int, int]]:
    """(query, known) positions of up to `count` nearest each, at a similarity of `least` or more; none with itself."""
    count = min(count, len(known) - 1)
    for start in range(0, len(queries), BLOCK):
        similar = queries[start : start + BLOCK] @ known.T
        rows = np.arange(len(similar))
        similar[rows, rows + start] = -1.0
        nearest = np.argpartition(-similar, count - 1, axis=1)[:, :count]
        for row, column in zip(*np.nonzero(similar[rows[:, None], nearest] >= least), strict=True):
            yield start + int(row), int(nearest[row, column])


def _likeliest(listed: Iterable[Candidate]) -> list[Candidate]:
    """The clear ones, and those that are among the likeliest of either picture; the likeliest first."""
    kept, seen = [], Counter[int]()
    for candidate in sorted(listed, key=lambda candidate: -candidate.polar):
        pair = (candidate.first, candidate.second)
        if candidate.polar >= CLEAR or min(seen[position] for position in pair) < FEW:
            kept.append(candidate)
        seen.update(pair)
    return kept


def _add(
    best: dict[tuple[int, int], Candidate],
    pairs: Iterable[tuple[int, int]],
    queries: Spectra,
    known: Spectra,
    names: NDArray[np.intp],
    crop: tuple[float, float, float, float] | None,
) -> None:
    """Keep the pairs whose polar maps correlate, each in the form that correlates best."""
    listed = list(pairs)
    for start in range(0, len(listed), BLOCK):
        block = np.array(listed[start : start + BLOCK], dtype=np.intp).reshape(-1, 2)
        polar, angle, flip = turns(queries[block[:, 0]], known[block[:, 1]])
        for index in np.flatnonzero(polar >= POLAR):
            one, other = int(names[block[index, 0]]), int(names[block[index, 1]])
            key = (min(one, other), max(one, other))
            if key not in best or best[key].polar < polar[index]:
                best[key] = Candidate(one, other, float(polar[index]), float(angle[index]), bool(flip[index]), crop)
