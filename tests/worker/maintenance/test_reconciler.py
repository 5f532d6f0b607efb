"""The reconciler, on the real store and database: what goes, what stays, and how much of it is held in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from core.settings import Settings
from db.repositories import jobs
from db.session import Database
from storage.memory import MemoryStore
from storage.s3 import S3Store
from storage.store import StoredObject, image_key, output_prefix
from tests.factories import make_model, make_outcome, store_as_before
from tests.worker.factories import add_job
from worker.maintenance import reconciler

# "Older than" counts back from now: beyond an hour nothing here is old; "minus a minute", everything.
NOTHING_OLD, ALL_OLD = {"orphan_age": 3600.0}, {"orphan_age": -60.0}


def put(store: S3Store, *keys: str) -> None:
    for key in keys:
        store.put_bytes(key, b"x", content_type="image/png")


def keys(store: S3Store, prefix: str) -> set[str]:
    return {entry.key for entry in store.list(prefix)}


def claim(database: Database) -> jobs.Claim:
    with database.unit_of_work() as session:
        (held,) = jobs.claim(session, owner="tests", limit=1, lease_s=600)
    return held


def finish(database: Database, held: jobs.Claim) -> None:
    with database.unit_of_work() as session:
        model = make_model(session)
        session.flush()
        assert jobs.succeed(session, [make_outcome(held, model.id)]) == {held.job_id}


def test_orphans_of_age_go_and_what_rows_want_stays(
    settings: Settings, database: Database, store: S3Store, site: UUID
) -> None:
    add_job(database, store, site, seed=1)
    first = claim(database)
    with database.unit_of_work() as session:
        jobs.release(session, [(first.job_id, first.fence)])
    won = claim(database)
    finish(database, won)
    add_job(database, store, site, seed=2)
    running = claim(database)
    wanted_inputs = keys(store, "in/")
    orphan = image_key(site, "0" * 64)
    of_another_site = image_key(uuid4(), won.sha256)
    winner, loser, still = (output_prefix(held.job_id, held.fence) for held in (won, first, running))
    wanted = {f"{winner}fracture.png", f"{winner}preview.jpg", f"{still}preview.jpg"}
    lost = {f"{loser}fracture.png", f"{loser}preview.jpg", f"{output_prefix(uuid4(), 1)}preview.jpg"}
    foreign = {"in/README", "bundles/kept"}  # not ours to judge
    put(store, orphan, of_another_site, *wanted, *lost, *foreign)

    young = reconciler.reconcile(database, store, settings.model_copy(update=NOTHING_OLD))
    assert (young.removed_inputs, young.removed_outputs, young.missing) == (0, 0, 0)
    assert keys(store, "out/") == wanted | lost

    old = reconciler.reconcile(database, store, settings.model_copy(update=ALL_OLD))
    assert (old.removed_inputs, old.removed_outputs, old.missing) == (2, 3, 0)
    assert keys(store, "in/") == wanted_inputs | {"in/README"}
    assert keys(store, "out/") == wanted
    again = reconciler.reconcile(database, store, settings.model_copy(update=ALL_OLD))
    assert (again.removed_inputs, again.removed_outputs, again.missing) == (0, 0, 0)


def test_missing_objects_are_counted_over_pages(
    settings: Settings, database: Database, store: S3Store, site: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciler, "PAGE", 2)
    for seed in range(7):
        add_job(database, store, site, seed=seed)
    held = [claim(database) for _ in range(4)]
    with database.unit_of_work() as session:
        model = make_model(session)
        session.flush()
        jobs.succeed(session, [make_outcome(one, model.id) for one in held])
        # Newer results have no object, and none is missed.
        for one in held[:3]:
            store_as_before(session, store, one.job_id)
    for one in held:
        put(store, f"{output_prefix(one.job_id, 0)}loser.png")
    everything = settings.model_copy(update=ALL_OLD)
    done = reconciler.reconcile(database, store, everything)
    assert (done.removed_inputs, done.removed_outputs, done.missing) == (0, 4, 0)
    inputs, outputs = sorted(keys(store, "in/")), sorted(keys(store, "out/"))
    store.delete([inputs[0], inputs[3], inputs[6], outputs[0], outputs[5]])
    assert reconciler.reconcile(database, store, everything).missing == 5
    assert reconciler.reconcile(database, store, settings.model_copy(update=NOTHING_OLD)).missing == 0


class Long(MemoryStore):
    """A store whose listing of inputs is made as it is read."""

    def __init__(self, listed: list[str]) -> None:
        super().__init__()
        self._listed = listed

    def list(self, prefix: str) -> Iterator[StoredObject]:
        now = datetime.now(UTC)
        return (StoredObject(f"in/{entry}", 1, now) for entry in self._listed if prefix == "in/")


def test_memory_does_not_grow_with_the_number_of_objects(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        session.execute(
            text(
                "INSERT INTO image (id, site_id, sha256, size_bytes, media_kind, rows, columns, bits_stored) "
                "SELECT uuidv7(), :site, encode(sha256(n::text::bytea), 'hex'), 1, 'png', 1, 1, 8 "
                "FROM generate_series(1, 20000) AS n"
            ),
            {"site": site},
        )
        listed = [f"{site}/{sha256}" for sha256 in session.scalars(text("SELECT sha256 FROM image ORDER BY sha256"))]
    store = Long(listed)
    tracemalloc.start()
    try:
        missing = reconciler._count_missing(database, store, datetime.now(UTC) + timedelta(minutes=1))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert missing == 0
    # All keys at once would be 20,000 × 160 bytes and a set's table.
    assert peak < 2_000_000
