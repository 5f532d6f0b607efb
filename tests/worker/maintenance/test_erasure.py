"""Erasure and retention on real servers: nothing of the chosen is left anywhere, all else stays, and twice is once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.settings import Settings
from core.vocabulary import AuditAction, MediaKind, Scope, Verdict
from db.repositories import audit, erasure, feedback, identities, jobs, sites
from db.repositories.erasure import Chosen
from db.repositories.sites import Principal
from db.session import Database, Session
from db.tables import Base
from storage.s3 import S3Store
from storage.store import image_key, output_prefix
from tests.factories import make_image, make_job, make_model, make_outcome
from worker.maintenance.erasure import Eraser, expire


def add(database: Database, store: S3Store, site: UUID, *, study: str, patient: str, finished: bool = True) -> Chosen:
    """An image with an identity and a job, run or running, and its objects."""
    with database.unit_of_work() as session:
        image = make_image(session, site, media_kind=MediaKind.DICOM, study_instance_uid=study)
        identities.keep(session, site_id=site, image_id=image.id, sealed=b"sealed", patient=patient)
        job = make_job(session, site, image_id=image.id)
    with database.unit_of_work() as session:
        (claim,) = jobs.claim(session, owner="tests", limit=1, lease_s=600)
    assert claim.job_id == job.id
    store.put_bytes(image_key(site, image.sha256), b"pixels", content_type="application/dicom")
    for name in ("preview.png", "fracture.png"):
        store.put_bytes(output_prefix(claim.job_id, claim.fence) + name, b"picture", content_type="image/png")
    # What an attempt that lost its lease wrote.
    store.put_bytes(output_prefix(claim.job_id, claim.fence + 7) + "preview.png", b"late", content_type="image/png")
    if finished:
        with database.unit_of_work() as session:
            model = make_model(session)
            session.flush()
            assert jobs.succeed(session, [make_outcome(claim, model.id)])
    with database.unit_of_work() as session:
        (chosen,) = erasure.by_image(session, site_id=site, image_id=image.id)
    return chosen


def mentions(database: Database, *words: str) -> set[str]:
    """The tables (but the audit log) that hold any of these words in any column."""
    with database.unit_of_work() as session:
        return {
            name
            for name in Base.metadata.tables
            if not name.startswith("audit_")
            and any(
                any(word in str(row) for word in words)
                for row in session.execute(text(f"SELECT {name}::text FROM {name}"))
            )
        }


def words_of(chosen: Chosen) -> list[str]:
    return [str(chosen.image_id), chosen.sha256, *map(str, chosen.job_ids)]


def eraser(database: Database, store: S3Store, settings: Settings) -> Eraser:
    return Eraser(database, store, settings, actor="cli")


def test_a_study_goes_and_leaves_nothing_and_the_others_stay(
    database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    gone = [
        add(database, store, site, study="1.5", patient="PA"),
        add(database, store, site, study="1.5", patient="PA", finished=False),
    ]
    stays = add(database, store, site, study="1.6", patient="PB")
    with database.unit_of_work() as session:
        key = sites.issue_key(session, site_id=site, name="reader", scopes=[Scope.READ])[0]
        reader = Principal(site_id=site, scopes=frozenset({Scope.READ}), key_id=key.id)
        for image in (gone[0], stays):
            feedback.give(
                session, reader, job_id=image.job_ids[0], label="fracture", verdict=Verdict.REJECT, sealed_comment=b"x"
            )
    with database.unit_of_work() as session:
        chosen = erasure.by_study(session, site_id=site, study_instance_uids=["1.5"])
    assert chosen == gone
    rehearsal = eraser(database, store, settings).erase(site, chosen, what="study", dry_run=True)
    assert sum(len(image.objects) for image in rehearsal.images) == 8
    assert set(mentions(database, *words_of(gone[0]))) >= {"image", "job", "job_event", "prediction", "feedback"}
    receipt = eraser(database, store, settings).erase(site, chosen, what="study").as_dict()
    assert receipt["totals"]["images"] == 2
    assert receipt["totals"]["objects"] == 8
    assert receipt["totals"]["rows"] == {
        "explanation": 1, "feedback": 1, "finding": 1, "image": 2, "job": 2, "job_event": 6, "prediction": 1,
        "sealed_identity": 2, "study": 1, "study_result": 1,
    }  # fmt: skip
    assert mentions(database, *(word for image in gone for word in words_of(image))) == set()
    kept = {entry.key for entry in store.list("")}
    assert kept == {entry["key"] for entry in _objects(database, store, settings, site, stays)}
    assert "image" in mentions(database, *words_of(stays))
    with database.unit_of_work() as session:
        actions = session.scalars(text("SELECT action FROM audit_record WHERE subject LIKE 'image %'")).all()
        assert list(actions) == [AuditAction.ERASED.value] * 2
        assert list(audit.verify(session, site_id=site).breaks) == []
    # A second time there is nothing left to remove.
    again = eraser(database, store, settings).erase(site, chosen, what="study").as_dict()
    assert again["totals"]["objects"] == 0
    assert again["totals"]["rows"] == {}


def _objects(
    database: Database, store: S3Store, settings: Settings, site: UUID, chosen: Chosen
) -> list[dict[str, object]]:
    receipt = eraser(database, store, settings).erase(site, [chosen], what="image", dry_run=True)
    return receipt.images[0].objects


def test_the_same_content_that_comes_again_meanwhile_keeps_its_object(
    database: Database, store: S3Store, settings: Settings, site: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Recorded anew when the rows are gone and the last look for objects is still to come."""
    chosen = add(database, store, site, study="1.5", patient="PA")
    key, remove = image_key(site, chosen.sha256), erasure.remove

    def then_it_comes_again(session: Session, *given: Any, **named: Any) -> dict[str, int]:
        removed = remove(session, *given, **named)
        make_image(session, site, sha256=chosen.sha256)
        store.put_bytes(key, b"pixels", content_type="application/dicom")
        return removed

    monkeypatch.setattr(erasure, "remove", then_it_comes_again)
    with database.unit_of_work() as session:
        counted = session.scalar(text("SELECT last_value + is_called::int FROM content_taken_back"))
    receipt = eraser(database, store, settings).erase(site, [chosen], what="image")
    assert [entry["key"] for entry in receipt.images[0].objects].count(key) == 1
    assert store.get(key) == b"pixels"
    assert list(store.list("out/")) == []
    with database.unit_of_work() as session:
        now = session.scalar(text("SELECT last_value + is_called::int FROM content_taken_back"))
        assert now > counted, "an upload under way would not look again"


def test_one_of_two_images_leaves_the_study_open_again(
    database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    one = add(database, store, site, study="1.5", patient="PA")
    other = add(database, store, site, study="1.5", patient="PA")
    with database.unit_of_work() as session:
        session.execute(text("UPDATE study_result SET state = 'settled', settled_at = now(), revision = 1"))
    eraser(database, store, settings).erase(site, [one], what="image")
    with database.unit_of_work() as session:
        assert session.scalar(text("SELECT state FROM study_result")) == "open"
    assert "image" in mentions(database, *words_of(other))


def test_a_patient_is_found_by_pseudonym_and_only_at_its_site(
    database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    chosen = add(database, store, site, study="1.5", patient="PA")
    add(database, store, site, study="1.6", patient="PB")
    with database.unit_of_work() as session:
        assert erasure.by_patient(session, site_id=site, patient="PA") == [chosen]
        assert erasure.by_patient(session, site_id=UUID(int=1), patient="PA") == []
        assert erasure.by_image(session, site_id=UUID(int=1), image_id=chosen.image_id) == []


def test_events_go_with_an_erasure_only(database: Database, store: S3Store, site: UUID) -> None:
    chosen = add(database, store, site, study="1.5", patient="PA")

    def meddle(statement: str, erasing: str) -> None:
        with database.unit_of_work() as session:
            session.execute(text("SELECT set_config('lucency.erasing', :site, true)"), {"site": erasing})
            session.execute(text(statement), {"id": chosen.job_ids[0]})

    remove, change = "DELETE FROM job_event WHERE job_id = :id", "UPDATE job_event SET owner = 'x' WHERE job_id = :id"
    for statement, erasing in ((remove, ""), (remove, str(UUID(int=1))), (change, str(site))):
        with pytest.raises(DBAPIError, match="append-only"):
            meddle(statement, erasing)


def test_a_manifest_keeps_its_counts_but_neither_path_nor_hash(
    database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    chosen = add(database, store, site, study="1.5", patient="PA")
    with database.unit_of_work() as session:
        values = {"site": site, "job": chosen.job_ids[0], "batch": UUID(int=5), "item": UUID(int=6)}
        session.execute(
            text("INSERT INTO batch (id, site_id, request_hash, files) VALUES (:batch, :site, 'h', 1)"), values
        )
        session.execute(
            text(
                "INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256, state, job_id)"
                " VALUES (:item, :batch, 0, 'path', repeat('e', 64), 'job', :job)"
            ),
            values,
        )
    receipt = eraser(database, store, settings).erase(site, [chosen], what="image").as_dict()
    assert receipt["totals"]["rows"]["batch_item"] == 1
    with database.unit_of_work() as session:
        row = session.execute(text("SELECT state, job_id, sha256, sealed_path FROM batch_item")).one()
    assert (row.state, row.job_id, row.sha256) == ("job", None, "0" * 64)
    assert bytes(row.sealed_path) != b"path"


def test_retention_removes_what_is_old_where_the_site_asks_for_it(
    database: Database, store: S3Store, settings: Settings, site: UUID
) -> None:
    old = add(database, store, site, study="1.5", patient="PA")
    judged_again = add(database, store, site, study="1.6", patient="PB")
    young = add(database, store, site, study="1.7", patient="PC")
    assert expire(database, store, settings) == 0
    with database.unit_of_work() as session:
        session.execute(
            text("INSERT INTO site_policy (site_id, sealed_key, retention_days) VALUES (:site, 'x', 30)"),
            {"site": site},
        )
        for chosen in (old, judged_again):
            values = {"id": chosen.image_id, "age": timedelta(days=31)}
            session.execute(text("UPDATE image SET created_at = now() - CAST(:age AS interval) WHERE id = :id"), values)
        values = {"id": old.image_id, "age": timedelta(days=31)}
        session.execute(text("UPDATE job SET created_at = now() - CAST(:age AS interval) WHERE image_id = :id"), values)
    keyless = settings.model_copy(update={"identity_key": None})
    assert expire(database, store, keyless) == 1
    assert mentions(database, *words_of(old)) == set()
    assert "image" in mentions(database, *words_of(judged_again))
    assert "image" in mentions(database, *words_of(young))
    with database.unit_of_work() as session:
        assert session.scalars(text("SELECT action FROM audit_record")).all() == ["expired"]
    assert expire(database, store, keyless) == 0
