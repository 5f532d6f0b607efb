"""The audit log: what a hand in the database can do to it, and that each is found and named."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from core.vocabulary import AuditAction, Scope
from db.repositories import audit, sites
from db.repositories.audit import Anchor, BreakKind
from db.session import Database

HASHED = (
    "INSERT INTO audit_record (id, site_id, number, at, actor, action, subject, detail, previous_hash, hash)"
    " VALUES (:id, :site_id, :number, :at, :actor, :action, :subject, CAST('{}' AS jsonb), :previous_hash, :hash)"
)


def fill(database: Database, site: UUID, count: int = 10) -> None:
    for number in range(count):
        with database.unit_of_work() as session:
            audit.append(
                session,
                site_id=site,
                actor="worker",
                action=AuditAction.IMAGE_RETRIEVED,
                subject=f"image {number}",
                detail={"é": [number, None, True, {"deep": "x"}]},
            )


def found(database: Database, site: UUID | None = None, anchors: tuple[Anchor, ...] = ()) -> list[tuple[int, str]]:
    with database.unit_of_work() as session:
        return [(one.number, one.kind.value) for one in audit.verify(session, site_id=site, anchors=anchors).breaks]


def tamper(database: Database, *statements: str, **values: Any) -> None:
    """What a superuser can do: every trigger is off."""
    with database.unit_of_work() as session:
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in statements:
            session.execute(text(statement), values)


def test_a_whole_chain_holds(database: Database, site: UUID) -> None:
    fill(database, site)
    with database.unit_of_work() as session:
        done = audit.verify(session)
        assert (done.sites, done.records, done.breaks) == (1, 10, ())
        first, second = audit.page(session, site_id=site, limit=2)
        assert (first.number, first.previous_hash, second.previous_hash) == (1, audit.ORIGIN, first.hash)
        assert [one.number for one in audit.page(session, site_id=site, after=8)] == [9, 10]


def test_triggers_refuse(database: Database, site: UUID) -> None:
    fill(database, site, 3)
    for statement in (
        "UPDATE audit_record SET actor = 'x' WHERE number = 2",
        "DELETE FROM audit_record WHERE number = 3",
        "TRUNCATE audit_record",
        "UPDATE audit_head SET number = 2",
        "UPDATE audit_head SET number = number + 1",
        "DELETE FROM audit_head",
        "TRUNCATE audit_head",
        "INSERT INTO audit_record SELECT gen_random_uuid(), site_id, 5, at, actor, action, subject, detail, hash, hash"
        " FROM audit_record WHERE number = 3",
        "INSERT INTO audit_record SELECT gen_random_uuid(), site_id, 4, at, actor, action, subject, detail, ''::bytea,"
        " hash FROM audit_record WHERE number = 3",
    ):
        with pytest.raises(DBAPIError), database.unit_of_work() as session:
            session.execute(text(statement))
    assert found(database) == []


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("actor", "'other'"),
        ("subject", "subject || ' '"),
        ("action", "'erased'"),
        ("detail", "'{}'"),
        ("at", "at + interval '1 microsecond'"),
        ("id", "gen_random_uuid()"),
        ("hash", "sha256('x')"),
    ],
)
def test_an_altered_row(database: Database, site: UUID, change: str, value: str) -> None:
    fill(database, site, 6)
    tamper(database, f"UPDATE audit_record SET {change} = {value} WHERE number = 4")
    expected = [(4, "altered")] + ([(5, "unlinked")] if change == "hash" else [])
    assert found(database, site) == expected


def test_removed_rows(database: Database, site: UUID) -> None:
    fill(database, site)
    tamper(database, "DELETE FROM audit_record WHERE number IN (4, 5)")
    with database.unit_of_work() as session:
        (gap,) = audit.verify(session).breaks
    assert (gap.number, gap.last, gap.kind) == (4, 5, BreakKind.MISSING)
    assert str(gap) == f"site {site}: record 4 to 5: missing"
    tamper(database, "DELETE FROM audit_record WHERE number > 8")
    assert found(database) == [(4, "missing"), (9, "missing")]
    tamper(database, "DELETE FROM audit_record")
    assert found(database) == [(1, "missing")]


def test_the_gap_closed_by_new_numbers(database: Database, site: UUID) -> None:
    fill(database, site, 6)
    tamper(
        database,
        "DELETE FROM audit_record WHERE number = 3",
        "UPDATE audit_record SET number = number - 1 + 100 WHERE number > 3",
        "UPDATE audit_record SET number = number - 100 WHERE number > 100",
    )
    named = found(database)
    assert (3, "unlinked") in named
    assert {(3, "altered"), (4, "altered"), (5, "altered"), (6, "missing")} <= set(named)


def forged(database: Database, site: UUID, number: int, previous: bytes) -> dict[str, Any]:
    """A record whose own hash is right."""
    with database.unit_of_work() as session:
        at = session.scalar(text("SELECT now()"))
    fields: dict[str, Any] = {
        "id": uuid7(),
        "site_id": site,
        "number": number,
        "at": at,
        "actor": "cli",
        "action": "erased",
        "subject": "image",
        "detail": {},
    }
    digest = audit.digest_of(fields, previous)
    return {name: value for name, value in fields.items() if name != "detail"} | {
        "previous_hash": previous,
        "hash": digest,
    }


def test_an_inserted_row(database: Database, site: UUID) -> None:
    fill(database, site, 5)
    with database.unit_of_work() as session:
        hashes = [one.hash for one in audit.page(session, site_id=site)]
    tamper(database, HASHED, **forged(database, site, 6, hashes[-1]))
    assert found(database) == [(6, "inserted")]
    tamper(
        database,
        "ALTER TABLE audit_record DROP CONSTRAINT uq_audit_record_site_id_number",
        HASHED,
        **forged(database, site, 3, hashes[1]),
    )
    assert (3, "inserted") in found(database)


def test_a_replaced_row_with_a_right_hash(database: Database, site: UUID) -> None:
    fill(database, site, 5)
    with database.unit_of_work() as session:
        hashes = [one.hash for one in audit.page(session, site_id=site)]
    tamper(database, "DELETE FROM audit_record WHERE number = 3", HASHED, **forged(database, site, 3, hashes[1]))
    assert found(database) == [(4, "unlinked")]
    # The last one has none after it: the head tells.
    tamper(database, "DELETE FROM audit_record WHERE number = 5", HASHED, **forged(database, site, 5, hashes[3]))
    assert found(database) == [(4, "unlinked"), (5, "head")]


def test_a_hash_is_of_the_record_before_too(database: Database, site: UUID) -> None:
    """To replace a record and let the next one point to it is not enough: the next one's own hash says so."""
    fill(database, site, 5)
    with database.unit_of_work() as session:
        hashes = [one.hash for one in audit.page(session, site_id=site)]
    false = forged(database, site, 3, hashes[1])
    tamper(database, "DELETE FROM audit_record WHERE number = 3", HASHED, **false)
    tamper(database, "UPDATE audit_record SET previous_hash = :hash WHERE number = 4", hash=false["hash"])
    assert found(database) == [(4, "altered")]


def test_a_rewound_head_needs_an_exported_one(database: Database, site: UUID) -> None:
    fill(database, site, 5)
    with database.unit_of_work() as session:
        anchors = tuple(audit.heads(session))
        fourth = audit.page(session, site_id=site)[3].hash
    fill(database, site, 1)
    assert found(database, anchors=anchors) == []
    tamper(
        database,
        "DELETE FROM audit_record WHERE number > 4",
        "UPDATE audit_head SET number = 4, hash = :hash",
        hash=fourth,
    )
    assert found(database) == []
    assert found(database, anchors=anchors) == [(5, "missing")]
    tamper(database, HASHED, **forged(database, site, 5, fourth))
    tamper(database, "UPDATE audit_head SET number = 5, hash = (SELECT hash FROM audit_record WHERE number = 5)")
    assert found(database) == []
    assert found(database, anchors=anchors) == [(5, "anchor")]
    tamper(database, "DELETE FROM audit_head")
    assert found(database) == [(5, "head")]


def test_chains_of_sites_are_apart_and_read_over_pages(
    database: Database, site: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PAGE", 3)
    with database.unit_of_work() as session:
        other = sites.create_site(session, "Other").id
    fill(database, site, 7)
    fill(database, other, 4)
    tamper(database, "UPDATE audit_record SET actor = 'x' WHERE number = 4 AND site_id = :other", other=other)
    assert found(database, site) == []
    assert found(database) == [(4, "altered")]


def test_appends_at_once_leave_no_gap_and_rolled_back_ones_no_trace(database: Database, site: UUID) -> None:
    class Undone(Exception):
        pass

    def append(number: int) -> None:
        try:
            with database.unit_of_work() as session:
                audit.append(session, site_id=site, actor="cli", action=AuditAction.ERASED, subject=f"image {number}")
                if number % 5 == 0:
                    raise Undone
        except Undone:
            pass

    started = time.perf_counter()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(100)))
    assert time.perf_counter() - started < 30
    with database.unit_of_work() as session:
        done = audit.verify(session)
    assert (done.records, done.breaks) == (80, ())


def test_floats_are_refused(database: Database, site: UUID) -> None:
    for wrong in ({"x": 0.1}, {"x": [{"y": 1.0}]}, {"x": {1: "y"}}, {"x": b""}):
        with pytest.raises(ValueError, match="audit record"), database.unit_of_work() as session:
            audit.append(session, site_id=site, actor="a", action=AuditAction.ERASED, subject="s", detail=wrong)


def test_keys_leave_records(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        key, presented = sites.issue_key(session, site_id=site, name="n", scopes=[Scope.READ])
        principal = sites.authenticate(session, presented)
        sites.revoke_key(session, site_id=site, key_id=key.id, actor=principal.actor)
        sites.revoke_key(session, site_id=site, key_id=key.id)
        issued, revoked = audit.page(session, site_id=site)
    assert (issued.action, issued.actor, issued.subject) == ("key_issued", "cli", f"key {key.id}")
    assert issued.detail == {"prefix": presented.partition(".")[0], "scopes": ["read"]}
    assert (revoked.action, revoked.actor, revoked.subject) == ("key_revoked", f"key {key.id}", f"key {key.id}")
