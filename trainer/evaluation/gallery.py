"""The images a Bundle was most sure of, rightly and wrongly, each beside its Grad-CAM: where to look first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import LucencyError
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import Engine
from networks.regions import normalise
from reports.heatmap import encode_heatmap, encode_preview
from reports.overlay import draw_overlay
from trainer.datasets import UNKNOWN
from trainer.evaluation.bootstrap import Ints
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.questions import Choice, Question

SHOWN = 6
# Pixels of the longest side of each of the two pictures; the page carries them all.
SIDE = 200
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Example:
    """One record: its JPEG (the radiograph, and beside it the heatmap of `label` over it), and what is said below."""

    name: str
    label: str
    text: str
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """Some examples of a kind, the surest first."""

    title: str
    examples: list[Example]


def finding_gallery(question: Question, found: Predictions, *, bundle: Bundle, engine: Engine) -> list[Row]:
    """Of a Finding the surest right positives and negatives, false alarms and misses; what is empty is left out."""
    label, probability, decided = question.label, question.probability, question.decided
    kinds = (
        (f"{label}: rightly found", 1, 1, -probability),
        (f"{label}: false alarms", 0, 1, -probability),
        (f"{label}: missed", 1, 0, probability),
        (f"{label}: rightly not found", 0, 0, probability),
    )
    rows = []
    for title, truth, decision, order in kinds:
        chosen = _first(order, (question.truth == truth) & (decided == decision))
        texts = [f"{label} {probability[row]:.3f} · truth: {'yes' if truth else 'no'}" for row in chosen]
        rows.append(Row(title, _examples(chosen, [label] * len(chosen), texts, found, bundle=bundle, engine=engine)))
    return [row for row in rows if row.examples]


def choice_gallery(choice: Choice, found: Predictions, *, bundle: Bundle, engine: Engine) -> list[Row]:
    """The surest wrong and right answers, with the heatmap of the answer."""
    answer, sure = choice.probability.argmax(axis=1), choice.probability.max(axis=1)
    known = choice.truth != UNKNOWN
    rows = []
    for title, judged in (("wrong", answer != choice.truth), ("right", answer == choice.truth)):
        chosen = _first(-sure, known & judged)
        labels = [choice.labels[answer[row]] for row in chosen]
        texts = [
            f"{label} {sure[row]:.3f} · truth: {choice.labels[choice.truth[row]]}"
            for row, label in zip(chosen, labels, strict=True)
        ]
        examples = _examples(chosen, labels, texts, found, bundle=bundle, engine=engine)
        rows.append(Row(f"{choice.name}: most confidently {title}", examples))
    return [row for row in rows if row.examples]


def _first(order: NDArray[np.float64], among: NDArray[np.bool_]) -> Ints:
    """The SHOWN rows with the lowest `order` of those marked."""
    rows = np.flatnonzero(among)
    return rows[np.argsort(order[rows], kind="stable")][:SHOWN]


def _examples(
    rows: Ints,
    labels: Sequence[str],
    texts: Sequence[str],
    found: Predictions,
    *,
    bundle: Bundle,
    engine: Engine,
) -> list[Example]:
    examples = []
    for row, label, text in zip(rows, labels, texts, strict=True):
        record = found.records[row]
        try:
            pixels = decode(record.file.read_bytes(), longest_side=bundle.preprocessing.source_longest_side).pixels
        except (OSError, LucencyError):  # it could be read a moment ago; the page does without it
            continue
        image, window = bundle.preprocessing.apply(pixels)
        heat = normalise(engine.run(image[None]).class_activations[0, found.labels.index(label)])
        overlay = draw_overlay(encode_preview(pixels), encode_heatmap(heat), window=window, colour_bar=False)
        examples.append(Example(record.name, label, text, _pair(pixels, overlay)))
    return examples


def _pair(pixels: NDArray[np.uint8], overlay_png: bytes) -> bytes:
    """The plain radiograph and the overlay side by side, small, as a JPEG."""
    overlay = cv2.imdecode(np.frombuffer(overlay_png, np.uint8), cv2.IMREAD_COLOR)
    scale = SIDE / max(pixels.shape)
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    plain = cv2.cvtColor(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), cv2.COLOR_GRAY2BGR)
    both = np.hstack([plain, cv2.resize(np.asarray(overlay, dtype=np.uint8), size, interpolation=cv2.INTER_AREA)])
    _, jpeg = cv2.imencode(".jpg", both, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()
