"""A session that is bound to a Site shows and takes that Site's rows alone, whatever the statement asks for."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.sealing import InstallationKey
from core.settings import Settings
from core.vocabulary import AuditAction, DeliveryKind, Role, Scope, Verdict
from db.repositories import audit, delivery_rules, identities, jobs, policies, sites
from db.repositories.jobs.requests import Job
from db.session import Database, bind
from db.tables import Base, Batch, BatchItem, DeliveryRule, Feedback, Image, Membership, Study, User
from tests.factories import make_image, make_model, make_outcome

SHARED = {"model_version", "model_version_event", "worker"}
# Opened by authentication alone, before a session is bound.
CLOSED = {"stranger", "user_session"}
TABLES = sorted(set(Base.metadata.tables) - SHARED - CLOSED)
HASH = "a" * 64


def furnish(session: Session, settings: Settings, name: str) -> UUID:
    """A new Site with a row in every table that holds Sites' data."""
    site = sites.create_site(session, name).id
    key, _ = sites.issue_key(session, site_id=site, name="k", scopes=list(Scope))
    policies.site_key(session, site_id=site, installation=InstallationKey.of(settings))
    study = Study(site_id=site, study_instance_uid="1.2.3")
    user = User(email=f"{site}@example.org", name="Reader")
    session.add_all([study, user])
    session.flush()
    session.add(Membership(user_id=user.id, site_id=site, role=Role.VIEWER.value))
    image = make_image(session, site)
    image.study_id = study.id
    session.flush()
    identities.keep(session, site_id=site, image_id=image.id, sealed=b"sealed", patient="p")
    values = {"name": "w", "target": {}, "reports": [], "events": ["succeeded"], "with_identity": False}
    delivery_rules.add(session, rule_id=uuid7(), site_id=site, actor="tests", kind=DeliveryKind.WEBHOOK, values=values)
    job = jobs.submit(session, site_id=site, image_id=image.id, request_hash="h", explain=["fracture"]).job
    batch = Batch(site_id=site, request_hash="h", files=1)
    session.add(batch)
    session.flush()
    session.add(BatchItem(batch_id=batch.id, position=0, sealed_path=b"p", sha256=HASH))
    verdict = {"verdict": Verdict.ACCEPT.value, "decision": "negative", "label": "fracture"}
    session.add(Feedback(site_id=site, job_id=job.id, user_id=user.id, **verdict))
    model = make_model(session).id
    (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
    jobs.succeed(session, [make_outcome(claim, model)])
    shadow = {"id": uuid7(), "job": job.id, "model": model}
    session.execute(
        text(
            "INSERT INTO shadow_prediction (id, job_id, model_version_id, engine, probabilities, decisions, infer_ms)"
            " VALUES (:id, :job, :model, 'onnxruntime', '{}', '{}', 1)"
        ),
        shadow,
    )
    assert key.site_id == site
    return site


@pytest.fixture
def pair(database: Database, settings: Settings) -> tuple[UUID, UUID]:
    with database.unit_of_work() as session:
        return furnish(session, settings, "One"), furnish(session, settings, "Two")


def counted(session: Session) -> dict[str, int]:
    """Rows of each table, by a statement that filters nothing."""
    return {table: int(session.scalar(text(f"SELECT count(*) FROM {table}")) or 0) for table in TABLES}


def owners(session: Session, table: str) -> set[UUID]:
    """Whose the rows of a table with a Site of its own are."""
    columns = Base.metadata.tables[table].c
    return set(session.scalars(select(columns.id if table == "site" else columns.site_id)))


def test_no_table_shows_another_site(database: Database, pair: tuple[UUID, UUID]) -> None:
    with database.unit_of_work() as session:
        everything = counted(session)
        everything["site"] -= 1  # the platform's own
    assert min(everything.values()) >= 2, "each Site must have a row in each table, or nothing is shown by this test"
    seen: list[Mapping[str, int]] = []
    for site in pair:
        with database.unit_of_work(site_id=site) as session:
            seen.append(counted(session))
            for table in TABLES:
                if table == "site" or "site_id" in Base.metadata.tables[table].c:
                    assert owners(session, table) == {site}, table
    assert all(min(one.values()) >= 1 for one in seen)
    assert {table: seen[0][table] + seen[1][table] for table in TABLES} == everything


def test_every_table_is_decided_on(database: Database) -> None:
    """A new table is a Site's, with a policy, or named above as the platform's."""
    with database.unit_of_work() as session:
        secured = set(session.scalars(text("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'")))
        granted = set(
            session.scalars(
                text("SELECT table_name FROM information_schema.column_privileges WHERE grantee = 'lucency_site'")
            )
        )
    assert secured == set(TABLES)
    assert granted == secured | SHARED


@pytest.mark.parametrize("table", sorted(CLOSED | {"alembic_version"}))
def test_what_a_bound_session_may_not_read(database: Database, pair: tuple[UUID, UUID], table: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), database.unit_of_work(site_id=pair[0]) as session:
        session.execute(text(f"SELECT count(*) FROM {table}"))


@pytest.mark.parametrize("table", ["api_key", "audit_head", "audit_record", "job", "job_event", "site", "site_policy"])
def test_what_a_bound_session_may_never_remove(database: Database, pair: tuple[UUID, UUID], table: str) -> None:
    """What was done, and who may do what, goes by an erasure or by an operator; never on behalf of a caller."""
    with pytest.raises(ProgrammingError, match="permission denied"), database.unit_of_work(site_id=pair[0]) as session:
        session.execute(text(f"DELETE FROM {table}"))


def test_password_hashes_stay_closed(database: Database, pair: tuple[UUID, UUID]) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), database.unit_of_work(site_id=pair[0]) as session:
        session.execute(select(User.password_hash))


def test_no_table_takes_a_row_of_another_site(database: Database, pair: tuple[UUID, UUID]) -> None:
    own, other = pair
    with database.unit_of_work() as session:
        job = session.scalars(select(Job).where(Job.site_id == other)).one()
        batch = session.scalars(select(Batch).where(Batch.site_id == other)).one()
    event = text("INSERT INTO job_event (job_id, kind, state, fence) VALUES (:job, 'submitted', 'queued', 0)")
    item = text(
        "INSERT INTO batch_item (id, batch_id, position, sealed_path, sha256) VALUES (:id, :batch, 7, '', :sha)"
    )
    study = text("INSERT INTO study (id, site_id, study_instance_uid) VALUES (:id, :site, '9')")
    for statement, values in (
        (event, {"job": job.id}),
        (item, {"id": uuid7(), "batch": batch.id, "sha": HASH}),
        (study, {"id": uuid7(), "site": other}),
    ):
        with pytest.raises(ProgrammingError, match="row-level security"), database.unit_of_work(site_id=own) as session:
            session.execute(statement, values)
    with database.unit_of_work(site_id=own) as session:
        for model in (Image, Study, Batch, DeliveryRule, Job):
            touched = session.execute(update(model).where(model.site_id == other).values(created_at=func.now()))
            assert touched.rowcount == 0  # type: ignore[attr-defined]
        with pytest.raises(ProgrammingError, match="permission denied"):
            session.execute(text("UPDATE site SET active_limit = NULL"))
        session.rollback()


def test_another_sites_audit_chain_is_closed(database: Database, pair: tuple[UUID, UUID]) -> None:
    own, other = pair
    with database.unit_of_work(site_id=own) as session:
        assert audit.page(session, site_id=other) == []
        number = audit.append(session, site_id=own, actor="tests", action=AuditAction.SITE_CHANGED, subject="site")
        assert number == len(audit.page(session, site_id=own))
    with pytest.raises(ProgrammingError, match="row-level security"), database.unit_of_work(site_id=own) as session:
        audit.append(session, site_id=other, actor="tests", action=AuditAction.SITE_CHANGED, subject="site")
    with database.unit_of_work() as session:
        assert audit.verify(session).breaks == ()


def test_the_binding_ends_with_the_transaction(database: Database, pair: tuple[UUID, UUID]) -> None:
    """Whether it is committed or not, the connection goes back to the pool as it was."""
    with database.engine.connect() as connection:
        for end in ("commit", "rollback"):
            with Session(connection) as session:
                bind(session, pair[0])
                assert session.scalar(text("SELECT current_user")) == "lucency_site"
                getattr(session, end)()
                assert session.scalar(text("SELECT current_user")) != "lucency_site"
                assert session.scalar(text("SELECT current_setting('lucency.site_id', true)")) in (None, "")


def test_without_a_site_the_role_sees_nothing(database: Database, pair: tuple[UUID, UUID]) -> None:
    """Closed, not open, where the setting was forgotten."""
    assert pair
    with database.unit_of_work() as session:
        session.execute(text("SET LOCAL ROLE lucency_site"))
        assert set(counted(session).values()) == {0}


def test_the_whole_queue_counts_for_a_bound_session(database: Database, pair: tuple[UUID, UUID]) -> None:
    """The queue's limit is of all Sites, though a caller sees one."""
    own, other = pair
    with database.unit_of_work() as session:
        image = make_image(session, other).id
        jobs.submit(session, site_id=other, image_id=image, request_hash="h")
    with database.unit_of_work(site_id=own) as session:
        assert session.scalar(text("SELECT active_jobs(10)")) == 1
        assert session.scalar(text("SELECT count(*) FROM job WHERE state = 'queued'")) == 0
