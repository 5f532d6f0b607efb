"""Trust: what tells an answer to rely on from one to refer. Fitted on the validation split, measured on any, shipped.

`fit` gives what goes into the Bundle: three-way decisions and input sanity. `measure` gives a split's figures:
localisation, sanity, stability, variations of one picture, and what markers are worth. (Coverage, and figures with and
without hardware, stand in the evaluation's report.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import DataInvalid
from networks.bundle import SANITY, Bundle
from networks.engines import Engine
from networks.manifest import Conformal
from networks.sanity import SanityModel
from trainer.datasets import UNKNOWN, Record, of_split
from trainer.evaluation.predictions import Predictions
from trainer.evaluation.questions import questions
from trainer.input_pipeline.boxes import boxes_of
from trainer.recipes.recipe import Trust
from trainer.trust.conformal import fit_conformal
from trainer.trust.localisation import measure_localisation
from trainer.trust.markers import measure_markers
from trainer.trust.observation import Observation, observe, spread
from trainer.trust.sanity import BONES, fit_sanity, measure_sanity, sanity_fields
from trainer.trust.stability import measure_stability
from trainer.trust.variations import measure_variations

__all__ = ["fit", "measure", "strangers_of"]

# Images of a split that are looked at closely, of these those that are run again and again, and of those the ones that
# are written again.
LOOKED_AT, RUN_AGAIN, WRITTEN_AGAIN = 1000, 300, 150
FEWEST = 4


def fit(
    settings: Trust, bundle: Bundle, engine: Engine, records: Sequence[Record], validation: Predictions
) -> dict[str, Any]:
    """Manifest fields `conformal`, `sanity` and `routing`; sanity.npz is written into the Bundle's folder.

    `records` are those of all splits, `validation` the Bundle's predictions for the whole of `val`. No sanity where the
    settings want none, or there are fewer than four images to learn from or set limits on.
    """
    (bundle.path / SANITY).unlink(missing_ok=True)
    fields: dict[str, Any] = {**_three_way(settings, bundle, validation), "sanity": None}
    if settings.sanity and min(len(validation.records), _count(records, "train")) >= FEWEST:
        training = observe(bundle, engine, spread(of_split(records, "train"), BONES))
        clean = observe(bundle, engine, spread(validation.records, LOOKED_AT))
        model = fit_sanity(bundle, engine, training, clean)
        np.savez_compressed(bundle.path / SANITY, **model.arrays())  # type: ignore[arg-type, unused-ignore]
        fields["sanity"] = sanity_fields(model, count=len(clean)).model_dump(mode="json")
    return fields


def measure(
    bundle: Bundle,
    engine: Engine,
    records: Sequence[Record],
    *,
    boxes: Sequence[Path] = (),
    strangers: Mapping[str, Sequence[Record]] | None = None,
) -> dict[str, dict[str, Any]]:
    """{"localisation", "sanity", "stability", "variations", "hardware"}: the figures of one split's records; {} for
    what they, or the Bundle, do not allow.

    `boxes` are folders of YOLO label files, `strangers` images of other kinds by name. The label is the first Finding.
    """
    seen = observe(bundle, engine, spread(records, LOOKED_AT))
    fewer, few = (seen.take(_some(len(seen), at_most)) for at_most in (RUN_AGAIN, WRITTEN_AGAIN))
    found: dict[str, dict[str, Any]] = {
        name: {} for name in ("localisation", "sanity", "stability", "variations", "hardware")
    }
    model = SanityModel.load(bundle)
    if model is not None:
        others = {name: observe(bundle, engine, chosen) for name, chosen in (strangers or {}).items()}
        found["sanity"] = measure_sanity(bundle, engine, model, seen, others)
    if bundle.finding_labels:
        label = bundle.finding_labels[0]
        if boxes:
            of_folders = [boxes_of(seen.records, folder) for folder in boxes]
            drawn = [[box for part in parts for box in part] for parts in zip(*of_folders, strict=True)]
            found["localisation"] = measure_localisation(bundle, seen, drawn, label=label)
        found["stability"] = measure_stability(bundle, engine, fewer, _truth(bundle, fewer, label), label=label)
        found["variations"] = measure_variations(bundle, engine, few, label=label)
        markers = measure_markers(bundle, engine, seen, _truth(bundle, seen, label), label=label)
        found["hardware"] = {"markers": markers} if markers else {}
    return found


def strangers_of(settings: Trust, data: Path) -> dict[str, list[Record]]:
    """The files below `data` that the settings' patterns name, by group; groups without a file are left out."""
    found = {
        name: sorted({file for pattern in patterns for file in data.glob(pattern) if file.is_file()})
        for name, patterns in settings.strangers.items()
    }
    return {
        name: [Record(file=file, name=file.name, columns={}) for file in files]
        for name, files in found.items()
        if files
    }


def _three_way(settings: Trust, bundle: Bundle, validation: Predictions) -> dict[str, Any]:
    """`conformal` of each Finding; of a hierarchy of each specialist's, on the images that the router sends it."""
    routing = bundle.manifest.routing
    asked = {question.label: question for question in questions(bundle, validation)}

    def fitted(label: str, rows: Any) -> Conformal:
        question = asked[label]
        chosen = np.flatnonzero((question.truth != UNKNOWN) & rows)
        return fit_conformal(
            question.probability[chosen],
            question.truth[chosen],
            coverage=settings.coverage,
            risk=settings.risk,
            groups=[validation.groups[row] for row in chosen],
        )

    if routing is None:
        every = np.ones(len(validation.records), dtype=bool)
        return {"conformal": {label: fitted(label, every).model_dump() for label in asked}, "routing": None}
    routes = np.array([_route(bundle, row) for row in validation.probability])
    specialists = {
        region: specialist.model_copy(update={"conformal": {label: fitted(label, routes == region) for label in asked}})
        for region, specialist in routing.specialists.items()
    }
    return {
        "conformal": {},
        "routing": routing.model_copy(update={"specialists": specialists}).model_dump(mode="json"),
    }


def _route(bundle: Bundle, probability: Any) -> str:
    labels = bundle.manifest.region_labels
    route = bundle.route({label: float(probability[bundle.labels.index(label)]) for label in labels})
    if route is None:
        raise DataInvalid("a hierarchy without a route")
    return route.specialist


def _truth(bundle: Bundle, seen: Observation, label: str) -> Any:
    predictions = Predictions(
        records=seen.records,
        unreadable=[],
        labels=bundle.labels,
        probability=seen.probabilities.astype(np.float64),
        engine="",
    )
    return next(question.truth for question in questions(bundle, predictions) if question.label == label)


def _some(count: int, at_most: int) -> Any:
    """Rows, spread evenly over all."""
    return np.unique(np.linspace(0, count - 1, min(count, at_most)).astype(int))


def _count(records: Sequence[Record], split: str) -> int:
    return sum(record.split == split for record in records)
