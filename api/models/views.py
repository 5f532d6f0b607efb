"""From a ModelVersion's manifest and rows to what clients see of it in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from api.models.schemas import (
    CardHead,
    CardThreshold,
    CardView,
    DriftBin,
    DriftPoint,
    DriftQuantity,
    DriftReading,
    DriftReference,
    DriftView,
    EvaluationView,
    MeasureView,
    ModelDetailView,
    ModelVersionLinks,
    ModelVersionRef,
    ModelVersionView,
    ShadowAgainst,
    ShadowFinding,
)
from core.drift import FEWEST, PSI_LINE, DriftState, Quantity, Reading, Reference, read
from core.evaluation import evaluations, measures
from core.headline import headline
from core.vocabulary import DISCLAIMER, ModelState
from db.repositories.drift import OTHER, Seen
from db.repositories.shadow_predictions import Agreement
from db.tables import ModelVersion, Worker

# So many latest days are judged together, so that a Site of few images a day is judged too.
RECENT_DAYS = 7


def model_path(model_version_id: UUID) -> str:
    return f"/v1/models/{model_version_id}"


def model_view(row: ModelVersion) -> ModelVersionView:
    path = model_path(row.id)
    return ModelVersionView(
        id=row.id,
        name=row.name,
        version=row.version,
        digest=row.digest,
        state=ModelState(row.state),
        shadow_share=row.shadow_share,
        labels=list(row.labels),
        explainable=list(row.explainable),
        created_at=row.created_at,
        activated_at=row.activated_at,
        metrics=headline(row.manifest),
        links=ModelVersionLinks(self=path, card=f"{path}/card"),
    )


def detail_view(row: ModelVersion, *, predictions: int, alive: Sequence[Worker]) -> ModelDetailView:
    """`alive`: the workers that live."""
    manifest = row.manifest
    return ModelDetailView(
        **model_view(row).model_dump(),
        card=card_view(manifest),
        evaluations=[EvaluationView.model_validate(found) for found in evaluations(manifest)],
        measures=[MeasureView.model_validate(found) for found in measures(manifest)],
        predictions=predictions,
        workers=sum(worker.model_digest == row.digest for worker in alive),
        failing=sorted({worker.failed_code or "" for worker in alive if worker.failed_digest == row.digest}),
        has_reference=isinstance(manifest.get("drift"), Mapping),
    )


def card_view(manifest: Mapping[str, Any]) -> CardView:
    """As far as the manifest says it: older ones say less."""
    training = _mapping(manifest, "training")
    recipe, audit = _mapping(training, "recipe"), training.get("audit")
    sources = _mapping(recipe, "data").get("sources") or []
    counts = _mapping(training, "images")
    images = {split: n for split in sorted(counts, key=_rank) if isinstance(n := counts[split], int)}
    return CardView(
        created=manifest.get("created"),
        backbone=recipe.get("backbone"),
        input_size=_mapping(manifest, "preprocessing").get("size"),
        heads=[CardHead.model_validate(head) for head in manifest.get("heads") or []],
        thresholds=_thresholds(manifest),
        data=", ".join(str(source.get("name")) for source in sources) or None,
        licence=", ".join(dict.fromkeys(str(source.get("licence")) for source in sources)) or None,
        images=images,
        leaks=[str(reason) for reason in audit.get("reasons") or []] if isinstance(audit, Mapping) else None,
        limits=[str(limit) for limit in recipe.get("limits") or []],
        attribution=[str(line) for line in manifest.get("attribution") or []],
        disclaimer=str(manifest.get("disclaimer") or DISCLAIMER),
    )


def shadow_against(agreements: Sequence[Agreement], versions: Mapping[UUID, ModelVersion]) -> list[ShadowAgainst]:
    """By version whose results were given, the one with the most jobs first."""
    grouped: dict[UUID, list[ShadowFinding]] = {}
    for found in agreements:
        grouped.setdefault(found.active_id, []).append(_shadow_finding(found))
    return [
        ShadowAgainst(active=ModelVersionRef.model_validate(versions[active_id]), findings=findings)
        for active_id, findings in grouped.items()
    ]


def drift_view(row: ModelVersion, reference: Reference | None, seen: Seen, *, since: date, until: date) -> DriftView:
    """Of the days from `since` to `until`, both included."""
    days = [since + timedelta(days=index) for index in range((until - since).days + 1)]
    watched = () if reference is None else reference.quantities
    quantities = [_quantity(found, reference, seen, days) for found in watched if reference is not None]
    states = {quantity.state for quantity in quantities}
    ordered = (DriftState.SHIFTED, DriftState.STEADY, DriftState.FEW)
    return DriftView(
        model_version=ModelVersionRef.model_validate(row),
        since=since,
        until=until,
        recent_days=min(RECENT_DAYS, len(days)),
        psi_line=PSI_LINE,
        fewest=FEWEST,
        predictions=sum(seen.predictions.values()),
        state=next((state for state in ordered if state in states), None),
        reference=None if reference is None else DriftReference(split=reference.split, n=reference.n),
        quantities=quantities,
    )


def _quantity(quantity: Quantity, reference: Reference, seen: Seen, days: Sequence[date]) -> DriftQuantity:
    none = [0] * (len(quantity.counts) + (not quantity.edges))
    by_day = [(day, seen.counts.get((day, quantity.name), none)) for day in days]
    readings = [(day, read(quantity, counts, alarm=reference.alarm)) for day, counts in by_day]
    together = [sum(column) for column in zip(*(counts for _, counts in by_day[-RECENT_DAYS:]), strict=True)]
    recent = read(quantity, together, alarm=reference.alarm)
    latest = next((reading for _, reading in reversed(readings) if reading.state is not DriftState.FEW), None)
    return DriftQuantity(
        name=quantity.name,
        state=_state(recent, latest if latest in [reading for _, reading in readings[-RECENT_DAYS:]] else None),
        recent=DriftReading.model_validate(recent),
        bins=_bins(quantity, together),
        points=[DriftPoint.model_validate({"day": day, **_fields(reading)}) for day, reading in readings],
    )


def _state(recent: Reading, latest: Reading | None) -> DriftState:
    shifted = latest is not None and latest.state is DriftState.SHIFTED
    return DriftState.SHIFTED if shifted else recent.state


def _fields(reading: Reading) -> dict[str, Any]:
    return {name: getattr(reading, name) for name in ("n", "psi", "ks", "line", "state")}


def _bins(quantity: Quantity, recent: Sequence[int]) -> list[DriftBin]:
    lows: tuple[float | None, ...] = (None, *quantity.edges)
    highs: tuple[float | None, ...] = (*quantity.edges, None)
    words = (*quantity.words, OTHER)
    whole, expected = sum(recent), sum(quantity.counts)
    return [
        DriftBin(
            low=lows[index] if quantity.edges else None,
            high=highs[index] if quantity.edges else None,
            word=None if quantity.edges else words[index],
            reference=(quantity.counts[index] if index < len(quantity.counts) else 0) / expected,
            recent=count / whole if whole else None,
        )
        for index, count in enumerate(recent)
    ]


def _shadow_finding(found: Agreement) -> ShadowFinding:
    return ShadowFinding(
        label=found.label,
        n=found.n,
        agreement=found.agreement,
        kappa=found.kappa,
        mean_difference=found.mean_difference,
        correlation=found.correlation,
        positives=found.positives,
        shadow_positives=found.shadow_positives,
        negative_to_positive=found.shadow_positives - found.both_positive,
        positive_to_negative=found.positives - found.both_positive,
        active_ms=found.active_ms,
        shadow_ms=found.shadow_ms,
    )


def _rank(split: str) -> tuple[int, str]:
    """Of the splits, in the order in which they are used."""
    known = ("train", "val", "test")
    return (known.index(split) if split in known else len(known), split)


def _thresholds(manifest: Mapping[str, Any]) -> list[CardThreshold]:
    limits = _mapping(manifest, "conformal")
    return [
        CardThreshold(
            label=label,
            value=found["value"],
            rule=str(found.get("rule", "")),
            **{name: _mapping(limits, label).get(name) for name in ("coverage", "lower", "upper")},
        )
        for label, found in _mapping(manifest, "thresholds").items()
    ]


def _mapping(whole: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = whole.get(name)
    return part if isinstance(part, Mapping) else {}
