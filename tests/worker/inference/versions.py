"""Other versions of a Bundle, with the same network: made without TensorFlow, in no time."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

from db.repositories import model_versions
from db.session import Database
from networks.bundle import Bundle
from networks.manifest import MANIFEST_NAME, SERVING_GRAPH
from storage.store import ObjectStore, bundle_prefix
from tests.worker.factories import publish

ALWAYS = {"thresholds": {"fracture": {"value": 0.0, "rule": "always positive"}}}
NEVER = {"thresholds": {"fracture": {"value": 1.0, "rule": "always negative"}}}


def another_version(bundle: Path, folder: Path, *, version: str = "9.9.9", **changed: Any) -> Path:
    """A copy of `bundle` as another version; `changed` replaces values of the manifest."""
    shutil.copytree(bundle, folder)
    manifest = json.loads((folder / MANIFEST_NAME).read_text())
    (folder / MANIFEST_NAME).write_text(json.dumps({**manifest, "version": version, **changed}))
    return folder


def publish_beside(database: Database, store: ObjectStore, folder: Path) -> UUID:
    """Publish without activating: what is active stays so."""
    with database.unit_of_work() as session:
        before = model_versions.active(session)
    made = publish(database, store, folder)
    if before is not None:
        with database.unit_of_work() as session:
            model_versions.activate(session, before.id)
    return made


def break_stored(store: ObjectStore, folder: Path) -> None:
    """From now on no worker that has no copy can load it."""
    store.delete([bundle_prefix(Bundle.load(folder).digest) + SERVING_GRAPH])


def repair_stored(store: ObjectStore, folder: Path) -> None:
    key = bundle_prefix(Bundle.load(folder).digest) + SERVING_GRAPH
    store.put_bytes(key, (folder / SERVING_GRAPH).read_bytes(), content_type="application/octet-stream")
