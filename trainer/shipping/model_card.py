"""The model card: what a Bundle was made of, what was measured, and what it must not be used for. Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.decisions import DEFAULT_STUDY_RULE
from core.vocabulary import DISCLAIMER
from trainer.recipes.recipe import Recipe
from trainer.shipping.card_figures import measured_on, trust
from trainer.shipping.markdown import bullets, section, table

SPLIT_ROLES = {
    "train": "the weights were trained on it",
    "val": "the epoch, the temperatures and the thresholds were chosen on it",
    "test": "only reported, nothing was chosen on it",
}


def model_card(recipe: Recipe, *, fields: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """The text of MODEL_CARD.md; `fields` are the manifest's, `metrics` its metrics: {split: evaluation report}, and
    beside them the measures of trust (`localisation`, `sanity`, `stability`).
    """
    splits = {name: report for name, report in metrics.items() if "findings" in report}
    audit = fields["training"].get("audit") or {}
    sections = [
        f"# {recipe.name} {recipe.version}",
        f"**{DISCLAIMER}**",
        *([leak_banner(audit)] if audit.get("leaks_allowed") else []),
        _intended_use(recipe),
        _network(recipe, fields),
        _data(recipe, fields),
        *([section("Audit of the data", audit_summary(audit))] if audit else []),
        *_training(fields["training"].get("history") or []),
        *(measured_on(split, report) for split, report in splits.items()),
        *trust(metrics),
        _operating(fields),
        section("Limits", bullets(recipe.limits)),
        section("Attribution", bullets(recipe.data.attribution)),
    ]
    return "\n\n".join(sections) + "\n"


def leak_banner(audit: Mapping[str, Any]) -> str:
    """The red mark of a Bundle whose split leaks and which was published all the same."""
    return (
        "> [!CAUTION]\n"
        "> 🟥 **The split of the training data leaks, and publishing was allowed all the same.** Images that were "
        "trained on, or twins of them, are among those that it was measured on: the figures below are too good."
        + "".join(f"\n>\n> - {reason}" for reason in audit.get("reasons", []))
    )


def audit_summary(audit: Mapping[str, Any]) -> str:
    """The counts of an audit, a row each; those of parts (leaks by kind) below their name."""
    return table(("what", "how many"), list(_counts(audit, ())))


def _counts(part: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for key, value in part.items():
        if isinstance(value, Mapping):
            yield from _counts(value, (*path, key))
        elif isinstance(value, int | float):
            name = ", ".join((*path, key)).replace("_", " ")
            yield name, ("yes" if value else "no") if isinstance(value, bool) else f"{value:,}"


def _training(history: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How the training went, a row for each phase: the figures of its last epoch."""
    phases: dict[str, list[Mapping[str, Any]]] = {}
    for entry in history:
        phases.setdefault(str(entry.get("phase", "")), []).append(entry)
    rows = []
    for name, epochs in phases.items():
        first, last = epochs[0], epochs[-1]
        losses = " → ".join(f"{entry['loss']:.3f}" for entry in (first, last) if _is_number(entry.get("loss")))
        scores = [entry["score"] for entry in epochs if _is_number(entry.get("score"))]
        best = f"{max(scores):.4f} (epoch {scores.index(max(scores)) + 1})" if scores else ""
        seconds = sum(entry["seconds"] for entry in epochs if _is_number(entry.get("seconds")))
        rows.append((name, str(len(epochs)), losses, best, f"{seconds / 60:.0f}"))
    if rows:
        yield section(
            "Training", table(("phase", "epochs", "loss, first → last", "best validation score", "minutes"), rows)
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _intended_use(recipe: Recipe) -> str:
    findings = ", ".join(recipe.operating)
    lines = [
        "Intended: research, teaching and software tests on de-identified radiographs of the kind listed under Data: "
        f"how likely each finding ({findings}) is, and a heatmap of what spoke for it.",
        "Not intended: clinical use. It is no medical device and was not validated on patients; do not use it for "
        "diagnosis, triage, or to leave a radiograph unread.",
        "A heatmap shows where the network looked, not where a fracture is; a high probability is not a diagnosis, "
        "and a low one rules nothing out.",
    ]
    return section("Intended use", bullets(lines))


def _network(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    training, size = fields["training"], recipe.preprocessing.size
    heads = [f"head {head.name} ({head.kind}): {', '.join(head.labels)}" for head in recipe.heads]
    lines = [
        f"{recipe.backbone}; input {size} × {size}, grey, letterboxed",
        *heads,
        "explanation: Grad-CAM of every label, computed in the same pass as the prediction",
        *([f"the backbone began with {began}"] if (began := training.get("weights")) else []),
        f"weights of phase “{training['best_phase']}”, epoch {training['best_epoch']}: best on the validation split",
    ]
    return section("Network", bullets(lines))


def _data(recipe: Recipe, fields: Mapping[str, Any]) -> str:
    counts = fields["training"]["images"]
    roles = [(name, str(n), SPLIT_ROLES.get(name, "")) for name, n in counts.items()]
    source = (
        f"{recipe.data.name}, licence {recipe.data.licence}; split by `{recipe.data.split}` in the data set's folder"
    )
    return section("Data", f"{source}.\n\n{table(('split', 'images', 'use'), roles)}")


def _operating(fields: Mapping[str, Any]) -> str:
    thresholds = [(label, f"{t['value']:.4f}", t["rule"]) for label, t in fields["thresholds"].items()]
    temperatures = ", ".join(f"{head['name']} {head['temperature']:.3f}" for head in fields["heads"])
    parts = [
        table(("finding", "positive from", "rule"), thresholds),
        f"Each head's logits are divided by a temperature fitted on `val` (log loss): {temperatures}. "
        "Probabilities hold for data with the same share of positives.",
    ]
    limits = [
        (label, f"{c['coverage']:.2f}", f"{c['lower']:.4f}", f"{c['upper']:.4f}", c.get("rule", ""))
        for label, c in (fields.get("conformal") or {}).items()
    ]
    if limits:
        parts.append("Three-way decision: negative below, positive above, referred in between.")
        parts.append(table(("finding", "stated coverage", "negative below", "positive above", "rule"), limits))
    if fields["thresholds"]:
        parts.append(
            f"The images of one study are judged together: by the {fields.get('study', DEFAULT_STUDY_RULE)} of their "
            "probabilities, at the same thresholds and limits. A coverage is stated for images, not for studies."
        )
    return section("Operating point and calibration", "\n\n".join(parts))
