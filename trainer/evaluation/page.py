"""An evaluation as one HTML page that needs nothing beside it: readable on paper and on a phone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.vocabulary import DISCLAIMER
from networks.bundle import Bundle
from trainer.evaluation import html
from trainer.evaluation.gallery import Row
from trainer.evaluation.titles import CHOICE_FIGURES, FEW, FIGURES, MAIN, MULTI_LABEL, OF_STUDIES, PARTS, SHORT, SMALL

TRAINING = "training"
# A confusion matrix of more labels takes the whole width.
LARGE = 8
UNREADABLE_NAMED = 20


@dataclass(frozen=True, slots=True)
class Context:
    """What the page says of where the images come from. `history` is the training's, an entry an epoch."""

    data: str
    notes: tuple[str, ...] = ()
    history: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """What is shown: the report, pictures (PNG by name, in order) and the gallery."""

    bundle: Bundle
    report: Mapping[str, Any]
    context: Context
    pictures: Mapping[str, bytes]
    gallery: Sequence[Row]


def render(page: Page, *, written: datetime) -> str:
    """The page as HTML."""
    name = f"{page.bundle.manifest.name} {page.bundle.manifest.version}"
    parts = [*_head(page, name, written), *_findings(page), *_curves(page), *_choices(page.report["regions"])]
    return html.document(f"Evaluation of {name}", [*parts, *_training(page), *_gallery(page), *_method(page)])


def _head(page: Page, name: str, written: datetime) -> Iterator[str]:
    report = page.report
    yield html.heading(1, f"Evaluation of {name}")
    yield html.paragraph(DISCLAIMER, of="soft")
    yield html.paragraph(f"{report['n']} images: {page.context.data}.")
    yield html.paragraph(
        f"Bundle {report['bundle']['digest'][:16]}, {report['engine']}, {written:%Y-%m-%d %H:%M} UTC.", of="soft"
    )
    if (audit := page.bundle.manifest.training.get("audit")) and audit.get("leaks_allowed"):
        yield '<div class="alarm">The split that this Bundle was trained on leaks, and it was allowed to.</div>'
    for note in page.context.notes:
        yield f'<div class="notice">{html.text(note)}</div>'
    if count := report["unreadable"]["count"]:
        files = report["unreadable"]["files"][:UNREADABLE_NAMED]
        named = ", ".join(f"{file['path']} ({file['code']})" for file in files)
        more = "" if count <= len(files) else f" and {count - len(files)} more"
        yield f'<div class="notice">{count} files could not be read: {html.text(named + more)}</div>'


def _findings(page: Page) -> Iterator[str]:
    findings = page.report["findings"]
    if "multi_label" in page.report:
        yield from _multi_label(page.report["multi_label"])
    if len(findings) > FEW:
        yield html.heading(2, "Findings")
        yield html.table(
            ("finding", "n", "positive", *(title for _, title in MAIN)),
            [
                (html.text(label), *_counts(figures), *(html.measured(figures, name) for name, _ in MAIN))
                for label, figures in findings.items()
            ],
        )
    for label, figures in findings.items():
        if len(findings) <= FEW:
            yield from _finding(label, figures)
        if figures["n"]:
            yield from _three_way(label, figures)
            yield from _parts(label, figures)
            yield from _studies(label, figures)


def _finding(label: str, figures: Mapping[str, Any]) -> Iterator[str]:
    yield html.heading(2, f"Finding: {label}")
    yield from (html.paragraph(f"Note: {note}.") for note in figures["notes"])
    if not figures["n"]:
        return
    yield html.paragraph(f"{figures['positives']} of {figures['n']} images are positive.")
    yield html.tiles(figures, MAIN)
    matrix = figures["confusion_matrix"]
    at = "its specialist's threshold" if figures["threshold"] is None else f"the threshold {figures['threshold']:.4f}"
    yield html.paragraph(
        f"At {at}: {matrix['tp']} true positive, {matrix['fp']} false positive, {matrix['tn']} true negative, "
        f"{matrix['fn']} false negative."
    )
    rows = [
        (html.text(title), html.value_of(figures, name), html.interval_of(figures, name)) for name, title in FIGURES
    ]
    yield html.table(("figure", "value", "95 % interval"), rows)


def _multi_label(figures: Mapping[str, Any]) -> Iterator[str]:
    yield html.heading(2, f"Over {len(figures['labels'])} findings")
    yield html.tiles(figures, MULTI_LABEL)


def _three_way(label: str, figures: Mapping[str, Any]) -> Iterator[str]:
    if (found := figures.get("three_way")) is None:
        return
    stated = "" if found["stated_coverage"] is None else f" (stated: at least {found['stated_coverage']:.2f})"
    yield html.heading(3, f"{label}: three-way decision")
    yield html.paragraph(f"Coverage is the share that is referred or decided rightly{stated}.")
    rows = []
    for title, suffix, answers in (
        ("all", "", None),
        ("positives", "_of_positives", found["answers"]["positives"]),
        ("negatives", "_of_negatives", found["answers"]["negatives"]),
    ):
        counts = "" if answers is None else ", ".join(f"{count} {name}" for name, count in answers.items())
        names = (f"{name}{suffix}" for name in ("coverage", "referred", "decided_accuracy"))
        rows.append((title, *(html.measured(found, name) for name in names), html.text(counts)))
    yield html.table(("truth", "coverage", "referred", "accuracy of the decided", "answers"), rows)


def _parts(label: str, figures: Mapping[str, Any]) -> Iterator[str]:
    for key, title, column in PARTS:
        rows = {name: row for name, row in figures.get(key, {}).items() if isinstance(row, dict)}
        if not rows:
            continue
        yield html.heading(3, f"{label}: {title}")
        body = [
            (html.text(name), *_counts(row), *(html.measured(row, f) for f, _ in SHORT)) for name, row in rows.items()
        ]
        yield html.table((column, "n", "positive", *(short for _, short in SHORT)), body)
        if key == "by_hardware" and figures[key]["auc_all_minus_without"] is not None:
            difference = figures[key]
            span = html.interval_of(difference, "auc_all_minus_without")
            value = html.value_of(difference, "auc_all_minus_without")
            yield html.paragraph(f"ROC AUC of all images minus that without hardware: {value} ({span}).")
        if any(row["n"] < SMALL for row in rows.values()):
            yield html.paragraph(f"Rows of fewer than {SMALL} images say little.", of="soft")


def _studies(label: str, figures: Mapping[str, Any]) -> Iterator[str]:
    if not (found := figures.get("by_study")):
        return
    yield html.heading(3, f"{label}: whole studies")
    yield html.paragraph(
        f"{found['n']} studies of {found['images']} images, {found['positives']} positive; the {found['rule']} is what "
        "this Bundle serves."
    )
    rows = [
        (f"{way} of its images", *(html.measured(found[way], name) for name, _ in OF_STUDIES))
        for way in ("mean", "max")
    ]
    yield html.table(("probability of a study", *(title for _, title in OF_STUDIES)), rows)
    if three_way := found[found["rule"]].get("three_way"):
        yield html.paragraph(
            f"Three-way decision of whole studies by their {found['rule']}: coverage "
            f"{html.value_of(three_way, 'coverage')} ({html.interval_of(three_way, 'coverage')}), referred "
            f"{html.value_of(three_way, 'referred')}. The coverage that a Bundle states is of images."
        )


def _curves(page: Page) -> Iterator[str]:
    shown = {name: png for name, png in page.pictures.items() if name != TRAINING}
    if not shown:
        return
    wide = {"reliability", "probabilities", "confusion"} if len(page.report["findings"]) > FEW else set()
    large = (name for name, figures in page.report["regions"].items() if len(figures["labels"]) > LARGE)
    wide |= {f"confusion_{name}" for name in large}
    pictures = (
        html.picture(png, kind="png", alt=name.replace("_", " "), wide=name in wide) for name, png in shown.items()
    )
    yield html.heading(2, "Curves")
    yield f'<div class="pictures">{"".join(pictures)}</div>'


def _choices(regions: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, figures in regions.items():
        yield html.heading(2, f"Labels that exclude each other: {name}")
        yield from (html.paragraph(f"Note: {note}.") for note in figures["notes"])
        if not figures["n"]:
            continue
        shown = [(key, title) for key, title in CHOICE_FIGURES if key in figures]
        yield html.tiles(figures, shown)
        columns = ("precision", "recall", "f1")
        yield html.table(
            ("label", "images", "precision", "recall", "F1"),
            [
                (html.text(label), str(row["support"]), *(html.measured(row, column) for column in columns))
                for label, row in figures["per_class"].items()
            ],
        )
        if figures["most_confused"]:
            yield html.heading(3, "Most confused")
            yield html.table(
                ("truth", "taken for", "images", "share of the truth"),
                [
                    (html.text(pair["truth"]), html.text(pair["predicted"]), str(pair["count"]), f"{pair['share']:.3f}")
                    for pair in figures["most_confused"]
                ],
            )


def _training(page: Page) -> Iterator[str]:
    if TRAINING in page.pictures:
        yield html.heading(2, "Training")
        png = page.pictures[TRAINING]
        yield f'<div class="pictures">{html.picture(png, kind="png", alt="training curves", wide=True)}</div>'


def _gallery(page: Page) -> Iterator[str]:
    if not page.gallery:
        return
    yield html.heading(2, "Surest right and wrong answers")
    yield html.paragraph(
        "Each radiograph, and over it what spoke for the label (Grad-CAM; not where a fracture is).", of="soft"
    )
    for row in page.gallery:
        yield html.heading(3, row.title)
        pictures = (
            html.picture(example.jpeg, kind="jpeg", alt=example.text, caption=f"{example.text} · {example.name}")
            for example in row.examples
        )
        yield f'<div class="gallery">{"".join(pictures)}</div>'


def _method(page: Page) -> Iterator[str]:
    yield html.heading(2, "How it was measured")
    parts = [*page.report["findings"].values(), *page.report["regions"].values()]
    units = " or ".join(dict.fromkeys(part["bootstrap"]["unit"] for part in parts))
    resamples = parts[0]["bootstrap"]["resamples"] if parts else 0
    lines = [
        f"Intervals are the 2.5 and 97.5 percentiles of {resamples} bootstrap resamples; what is drawn is the {units}. "
        "A figure without an interval, or shown as –, is undefined on these images.",
        "ECE is the expected calibration error over 10 bins of the probability of the positive (of the top label where "
        "labels exclude each other).",
        *(f"Threshold of {label}: {rule.rule}" for label, rule in page.bundle.manifest.thresholds.items() if rule.rule),
        *(f"Three-way decision of {label}: {c.rule}" for label, c in page.bundle.manifest.conformal.items() if c.rule),
        *page.bundle.manifest.attribution,
    ]
    yield from (html.paragraph(line, of="soft") for line in lines)


def _counts(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["n"]), str(row["positives"])
