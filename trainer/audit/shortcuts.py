"""Cheap facts that tell the label: file format, size, border, brightness, hardware. A network learns them first.

A number is judged by the area under its ROC curve, a word by Cramér's V (Cramér 1946) and the p-value of χ².
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2_contingency, rankdata  # type: ignore[import-untyped]

from trainer.audit.fingerprints import Fingerprint
from trainer.audit.leaks import MAIN_LABELS, NIH_LABELS
from trainer.datasets import Record

# A shortcut is flagged from these on: an AUC this far from 0.5 whose interval stays off it, this V, or one word that is
# almost always of one class, not by chance.
STRONG_AUC, STRONG_V, PURE, SURE = 0.1, 0.1, 0.95, 0.001
RESAMPLES, SEED = 200, 20
# A word must be this frequent to say anything; a column with more words than this is an identifier.
LEAST, MOST_WORDS = 20, 12
# Columns that say what is in the picture rather than how it was made, or name it.
LABELS = frozenset((*MAIN_LABELS, *NIH_LABELS))
NOT_FACTS = frozenset({"path", "split", "group", "image_id", "patient", "study", "fracture_count"})


@dataclass(frozen=True, slots=True)
class Shortcut:
    """How strongly one fact tells whether the label is `positive`. `auc` and its 95 % interval for numbers, `v` and `p`
    for words, with `table` {word: (images, positives)}; the other pair is None.
    """

    fact: str
    label: str
    positive: str
    images: int
    auc: float | None
    interval: tuple[float, float] | None
    v: float | None
    p: float | None
    table: dict[str, tuple[int, int]]
    flagged: bool
    reason: str


def shortcuts(records: Sequence[Record], prints: Sequence[Fingerprint], label: str) -> list[Shortcut]:
    """Every fact against `label` (its most frequent value but one where it is not 0/1), the strongest first."""
    readable = [position for position, print_ in enumerate(prints) if print_.facts is not None]
    truth = [records[position].columns.get(label, "").strip().lower() for position in readable]
    kept = [(position, value) for position, value in zip(readable, truth, strict=True) if value]
    counts = Counter(value for _, value in kept)
    if len(counts) < 2:
        return []
    positive = "1" if set(counts) <= {"0", "1"} else counts.most_common()[1][0]
    chosen = [position for position, _ in kept]
    is_positive = np.array([value == positive for _, value in kept])
    found = [
        _of_number(fact, values, is_positive, label, positive) for fact, values in _numbers(chosen, prints).items()
    ]
    words = _words(chosen, records, prints, skip=label)
    found += [_of_words(fact, values, is_positive, label, positive) for fact, values in words.items()]
    return sorted(found, key=lambda s: (not s.flagged, -(s.v if s.v is not None else 2 * abs((s.auc or 0.5) - 0.5))))


def majority(records: Sequence[Record], label: str) -> tuple[str, float] | None:
    """The most frequent value of `label` and its share: the accuracy of always saying it."""
    counts = Counter(value for record in records if (value := record.columns.get(label, "").strip().lower()))
    if not counts:
        return None
    value, count = counts.most_common(1)[0]
    return value, count / counts.total()


def _numbers(chosen: Sequence[int], prints: Sequence[Fingerprint]) -> dict[str, NDArray[np.float64]]:
    facts = [asdict(found) for position in chosen if (found := prints[position].facts) is not None]
    columns = {name: np.array([fact[name] for fact in facts], float) for name in facts[0] if name != "media_kind"}
    columns["aspect_ratio"] = columns["columns"] / columns["rows"]
    return {name: values for name, values in columns.items() if len(np.unique(values)) > 1}


def _words(
    chosen: Sequence[int], records: Sequence[Record], prints: Sequence[Fingerprint], *, skip: str
) -> dict[str, list[str]]:
    facts = [found for position in chosen if (found := prints[position].facts) is not None]
    words = {
        "format": [fact.media_kind for fact in facts],
        "landscape": ["yes" if fact.columns > fact.rows else "no" for fact in facts],
    }
    names = sorted({name for position in chosen for name in records[position].columns} - NOT_FACTS - LABELS - {skip})
    for name in names:
        values = [records[position].columns.get(name, "").strip().lower() for position in chosen]
        if 2 <= len(set(values)) <= MOST_WORDS:
            words[name] = values
    if len({records[position].source for position in chosen}) > 1:
        words["source"] = [records[position].source or "" for position in chosen]
    return {name: values for name, values in words.items() if len(set(values)) > 1}


def _of_number(fact: str, values: NDArray[np.float64], positive: NDArray[np.bool_], label: str, name: str) -> Shortcut:
    auc = _auc(values, positive)
    random = np.random.default_rng(SEED)
    draws = (random.integers(0, len(values), len(values)) for _ in range(RESAMPLES))
    spread = [_auc(values[draw], positive[draw]) for draw in draws if 0 < positive[draw].sum() < len(draw)]
    low, high = (float(v) for v in np.percentile(spread, [2.5, 97.5])) if spread else (auc, auc)
    strong = abs(auc - 0.5) >= STRONG_AUC and not low <= 0.5 <= high
    more = "higher" if auc > 0.5 else "lower"
    reason = f"{fact} is {more} where {label} is {name}: AUC {auc:.2f} ({low:.2f}–{high:.2f}) of this alone"
    return Shortcut(fact, label, name, len(values), auc, (low, high), None, None, {}, strong, reason if strong else "")


def _of_words(fact: str, values: Sequence[str], positive: NDArray[np.bool_], label: str, name: str) -> Shortcut:
    words = sorted(set(values))
    index = np.array([words.index(value) for value in values])
    table = np.stack([np.bincount(index[positive == side], minlength=len(words)) for side in (False, True)], axis=1)
    chi2, p = (float(v) for v in chi2_contingency(table, correction=False)[:2])
    v = float(np.sqrt(chi2 / table.sum()))
    totals = table.sum(axis=1)
    shares = {word: table[place, 1] / totals[place] for place, word in enumerate(words) if totals[place] >= LEAST}
    pure = [word for word, share in shares.items() if share >= PURE and positive.mean() < PURE]
    strong = p < SURE and (v >= STRONG_V or bool(pure)) and len(shares) > 0
    told = [f"{word or 'empty'}: {table[words.index(word), 1]} of {totals[words.index(word)]}" for word in shares]
    reason = f"{label} is {name} by {fact}: {', '.join(told)} (V {v:.2f})"
    counted = {word: (int(totals[place]), int(table[place, 1])) for place, word in enumerate(words)}
    return Shortcut(fact, label, name, len(values), None, None, v, p, counted, strong, reason if strong else "")


def _auc(values: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """The share of (positive, negative) pairs in which the positive is larger, ties half (Mann and Whitney 1947)."""
    ranks, count = rankdata(values), int(positive.sum())
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(values) - count)))
