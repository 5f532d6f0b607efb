"""What an administrator does with published models: look, activate, shadow, retire, roll back, compare."""

from __future__ import annotations

from typing import Any

import psutil

from core.errors import NotFound
from core.headline import headline
from core.vocabulary import ModelState
from db.repositories import model_versions, shadow_predictions, workers
from db.repositories.shadow_predictions import Pair
from db.session import Database
from db.tables import ModelVersion
from storage.bundles import require_stored
from storage.store import ObjectStore
from trainer.shipping.comparison import compare
from trainer.shipping.publishing import describe

# A worker that was not seen for this long does not count.
ALIVE_S = 30.0


def actor() -> str:
    """Who runs this process, for the history: `os:` and the system's user name."""
    return f"os:{psutil.Process().username()}"


def listing(database: Database) -> list[dict[str, Any]]:
    """Every ModelVersion, newest first, with how many live workers serve it and why others cannot load it."""
    with database.unit_of_work() as session:
        rows = model_versions.listing(session)
        alive = workers.listing(session, within_s=ALIVE_S)
        return [
            describe(row)
            | {
                "workers": sum(worker.model_digest == row.digest for worker in alive),
                "failing": {
                    worker.name: worker.failed_code or "" for worker in alive if worker.failed_digest == row.digest
                },
            }
            for row in rows
        ]


def show(words: str, *, database: Database) -> dict[str, Any]:
    """One ModelVersion in full: what it tells apart, its main figures, where it was used, its history.

    `words` as `model_versions.find` takes them, here and below. Raises NotFound, Conflict.
    """
    with database.unit_of_work() as session:
        row = model_versions.find(session, words)
        manifest = row.manifest
        return describe(row) | {
            "explainable": list(row.explainable),
            "heads": [{name: head.get(name) for name in ("name", "kind", "labels")} for head in manifest["heads"]],
            "thresholds": manifest.get("thresholds", {}),
            "conformal": manifest.get("conformal", {}),
            "metrics": headline(manifest),
            "predictions": model_versions.predictions(session, row.id),
            "shadow_predictions": shadow_predictions.count(session, row.id),
            "history": [
                {
                    "at": event.at.isoformat(),
                    "kind": event.kind,
                    "state": event.state,
                    "share": event.share,
                    "actor": event.actor,
                }
                for event in model_versions.events(session, row.id)
            ],
        }


def activate(words: str, *, database: Database, store: ObjectStore) -> dict[str, Any]:
    """Serve new jobs with it. Raises BundleInvalid unless the object store holds the Bundle whole."""
    row = _find(words, database)
    require_stored(store, row.digest)
    with database.unit_of_work() as session:
        return describe(model_versions.activate(session, row.id, actor=actor()))


def shadow(words: str, *, share: float, database: Database, store: ObjectStore) -> dict[str, Any]:
    """Run it beside the active one on `share` of the jobs. Raises ModelMoveIllegal, BundleInvalid, RequestInvalid."""
    row = _find(words, database)
    require_stored(store, row.digest)
    with database.unit_of_work() as session:
        return describe(model_versions.shadow(session, row.id, share=share, actor=actor()))


def retire(words: str, *, instead: str | None, database: Database, store: ObjectStore) -> dict[str, Any]:
    """Serve it no more; `instead` takes its place where it is active. Raises ModelMoveIllegal, BundleInvalid."""
    row = _find(words, database)
    other = None if instead is None else _find(instead, database)
    if other is not None:
        require_stored(store, other.digest)
    with database.unit_of_work() as session:
        return describe(
            model_versions.retire(session, row.id, instead=None if other is None else other.id, actor=actor())
        )


def rollback(*, database: Database, store: ObjectStore) -> dict[str, Any]:
    """Activate what was active before. Raises Conflict where nothing was, and BundleInvalid."""
    with database.unit_of_work() as session:
        before = model_versions.previous(session)
    if before is not None:
        require_stored(store, before.digest)
    with database.unit_of_work() as session:
        expected = None if before is None else before.id
        return describe(model_versions.rollback(session, expected=expected, actor=actor()))


def comparison(words: str | None, *, database: Database) -> dict[str, Any]:
    """The report on a shadow (None: the newest), against each version whose results were given meanwhile."""
    with database.unit_of_work() as session:
        if words is None:
            rows = [row for row in model_versions.listing(session) if row.state == ModelState.SHADOW.value]
            if not rows:
                raise NotFound("No model is a shadow; name one that was")
            row = rows[0]
        else:
            row = model_versions.find(session, words)
        pairs = shadow_predictions.pairs(session, row.id)
        versions = {other.id: describe(other) for other in model_versions.listing(session)}
        judged = shadow_predictions.count(session, row.id)
        report = describe(row)
    grouped: dict[Any, list[Pair]] = {}
    for pair in pairs:
        grouped.setdefault(pair.active_id, []).append(pair)
    against = [{"active": versions[active], **compare(found)} for active, found in grouped.items()]
    return {"shadow": report, "jobs": judged, "against": against}


def _find(words: str, database: Database) -> ModelVersion:
    with database.unit_of_work() as session:
        return model_versions.find(session, words)
