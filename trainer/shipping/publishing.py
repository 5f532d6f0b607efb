"""Publishing a Bundle: its files into the object store, then its row. Safe to repeat."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from core.errors import BundleInvalid, Conflict
from db.repositories import model_versions
from db.session import Database
from networks.bundle import Bundle
from networks.manifest import MANIFEST_NAME
from storage.store import ObjectStore, bundle_prefix
from trainer.shipping.publication_checks import cleared

CONTENT_TYPES = {".json": "application/json", ".md": "text/markdown; charset=utf-8"}


def publish(
    folder: Path,
    *,
    database: Database,
    store: ObjectStore,
    activate: bool = False,
    allow_leak: bool = False,
    actor: str = model_versions.SYSTEM,
) -> dict[str, Any]:
    """Verify the Bundle in `folder`, put it under its digest, register it; what `describe` gives of its ModelVersion.

    The manifest goes last, so that a folder in the store with a manifest is whole. A Bundle whose split leaks is
    published as a marked copy where `allow_leak` says so. Raises SplitLeaks where it does not, BundleInvalid for a
    Bundle that does not verify, and Conflict where its name and version are registered with another digest.
    """
    with tempfile.TemporaryDirectory(prefix="lucency-publish-") as workspace:
        bundle = cleared(Bundle.load(folder), allow_leak=allow_leak, workspace=Path(workspace))
        return _publish(bundle, database=database, store=store, activate=activate, actor=actor)


def _publish(bundle: Bundle, *, database: Database, store: ObjectStore, activate: bool, actor: str) -> dict[str, Any]:
    _refuse_other_content(bundle, listing(database))  # before anything is stored that no row would name
    prefix = bundle_prefix(bundle.digest)
    for name in [*sorted(bundle.manifest.files), MANIFEST_NAME]:
        file = bundle.path / name
        try:
            with file.open("rb") as stream:
                store.put(
                    prefix + name,
                    stream,
                    size=file.stat().st_size,
                    content_type=CONTENT_TYPES.get(file.suffix, "application/octet-stream"),
                )
        except OSError as error:
            raise BundleInvalid(f"{name} cannot be read") from error
    manifest = bundle.manifest
    with database.unit_of_work() as session:
        row = model_versions.register(
            session,
            name=manifest.name,
            version=manifest.version,
            digest=bundle.digest,
            labels=list(bundle.labels),
            explainable=list(bundle.explainable),
            manifest=manifest.model_dump(mode="json"),
            activate=activate,
            actor=actor,
        )
        return describe(row)


def listing(database: Database) -> list[dict[str, Any]]:
    """Every ModelVersion, newest first."""
    with database.unit_of_work() as session:
        return [describe(row) for row in model_versions.listing(session)]


def _refuse_other_content(bundle: Bundle, published: list[dict[str, Any]]) -> None:
    manifest = bundle.manifest
    for row in published:
        named_alike = (row["name"], row["version"]) == (manifest.name, manifest.version)
        if named_alike and row["digest"] != bundle.digest:
            raise Conflict(
                f"{manifest.name} {manifest.version} is published already with other content (digest "
                f"{row['digest'][:12]}, this Bundle's {bundle.digest[:12]}), and a version never changes. "
                "Raise `version` in the recipe, export again (`lucency train RECIPE --resume --max-minutes 0`) "
                "and publish that"
            )


def describe(row: Any) -> dict[str, Any]:
    """A ModelVersion as JSON values."""
    return {
        "id": str(row.id),
        "name": row.name,
        "version": row.version,
        "digest": row.digest,
        "state": str(row.state),
        "labels": list(row.labels),
        "shadow_share": row.shadow_share,
        "created_at": row.created_at.isoformat(),
        "activated_at": None if row.activated_at is None else row.activated_at.isoformat(),
    }
