"""The audit log: a chain of records for each Site, numbered without gaps, each with a SHA-256 over itself and the last.

Records are appended one after the other under an advisory lock of the transaction, so that the lock's holder sees the
last record: append last in a transaction, for other appends of the Site wait until it ends.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from enum import StrEnum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Row, Table, select, text, tuple_
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from core.vocabulary import AuditAction
from db.tables import AuditHead, AuditRecord

# What the first record of a chain follows.
ORIGIN = bytes(32)
PAGE = 1000
_RECORD = cast(Table, AuditRecord.__table__)

# Two statements in one round trip: the second has a snapshot of its own, taken when the lock is held.
_LOCK_AND_TAIL = text("""
SELECT pg_advisory_xact_lock(hashtextextended('lucency.audit.' || :site, 0));
SELECT clock_timestamp() AS at, tail.number, tail.hash FROM (VALUES (1)) AS one
    LEFT JOIN (SELECT number, hash FROM audit_head WHERE site_id = CAST(:site AS uuid)) AS tail ON true
""")
_INSERT = text("""
INSERT INTO audit_record (id, site_id, number, at, actor, action, subject, detail, previous_hash, hash)
VALUES (:id, :site_id, :number, :at, :actor, :action, :subject, CAST(:detail AS jsonb), :previous_hash, :hash)
""")


def append(
    session: Session,
    *,
    site_id: UUID,
    actor: str,
    action: AuditAction,
    subject: str,
    detail: Mapping[str, Any] | None = None,
) -> int:
    """Add one record to the Site's chain; its number. Ids only: no patient data in any field.

    `actor`: `key <id>`, `worker`, `cli`; `subject`: `image <id>`. `detail`: strings, whole numbers, booleans, nulls,
    and lists and mappings of these; ValueError for others, whose text JSONB may change.
    """
    session.flush()
    at, number, previous = session.execute(_LOCK_AND_TAIL, {"site": str(site_id)}).one()
    record: dict[str, Any] = {
        "id": uuid7(),
        "site_id": site_id,
        "number": (number or 0) + 1,
        "at": at,
        "actor": actor,
        "action": action.value,
        "subject": subject,
        "detail": _plain(detail or {}),
    }
    previous = ORIGIN if previous is None else bytes(previous)
    digest = digest_of(record, previous)
    detail_text = json.dumps(record["detail"])
    session.execute(_INSERT, record | {"detail": detail_text, "previous_hash": previous, "hash": digest})
    return int(record["number"])


def digest_of(fields: Mapping[str, Any], previous: bytes) -> bytes:
    """SHA-256 over the record before's hash and the canonical fields: JSON, keys sorted, no spaces, ASCII; times in UTC
    with microseconds.
    """
    canonical = {
        "id": str(fields["id"]),
        "site_id": str(fields["site_id"]),
        "number": fields["number"],
        "at": fields["at"].astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": fields["actor"],
        "action": fields["action"],
        "subject": fields["subject"],
        "detail": fields["detail"],
    }
    encoded = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()
    return hashlib.sha256(previous + encoded).digest()


def _plain(value: Any) -> Any:
    """`value` as JSON keeps it, exactly. Raises ValueError for what JSONB may write differently, floats above all."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_plain(inner) for inner in value]
    raise ValueError(f"An audit record holds no {type(value).__name__}")


class BreakKind(StrEnum):
    """What is wrong at a place of a chain."""

    ALTERED = "altered"  # the record's own hash is not that of its fields
    MISSING = "missing"  # the number is not there, at the end too
    INSERTED = "inserted"  # a number twice, or beyond the head
    UNLINKED = "unlinked"  # does not follow the record before: that one was replaced, or this one
    HEAD = "head"  # the head is gone, or is not the record of its number
    ANCHOR = "anchor"  # not the record that an exported head names: the chain was written anew


@dataclass(frozen=True, slots=True)
class Break:
    """One place where a Site's chain does not hold; `number` of the record, `last` of a run that is missing."""

    site_id: UUID
    number: int
    kind: BreakKind
    last: int | None = None

    def __str__(self) -> str:
        numbers = f"{self.number}" if self.last in (None, self.number) else f"{self.number} to {self.last}"
        return f"site {self.site_id}: record {numbers}: {self.kind.value}"


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that was exported earlier: the record `number` had this `hash`."""

    site_id: UUID
    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and every place where it does not hold, by Site and number."""

    sites: int
    records: int
    breaks: tuple[Break, ...]


def verify(session: Session, *, site_id: UUID | None = None, anchors: Sequence[Anchor] = ()) -> Verification:
    """Read whole chains, of one Site or of all, and say where they do not hold.

    Found are altered, removed, inserted and replaced records, at the end of a chain too while its head stands; who also
    rewrites heads is found by `anchors` alone. Appends may go on meanwhile.
    """
    if site_id is not None:
        wanted = [site_id]
    else:
        known = set(session.scalars(select(AuditRecord.site_id).distinct())) | set(
            session.scalars(select(AuditHead.site_id))
        )
        wanted = sorted(known | {anchor.site_id for anchor in anchors})
    records, breaks = 0, []
    for one in wanted:
        chain = _Chain(one, {anchor.number: anchor.hash for anchor in anchors if anchor.site_id == one})
        head = _head(session, one)
        for record in _records(session, one):
            chain.take(record, head)
        chain.end(head, _head(session, one))
        records += chain.count
        breaks += chain.breaks
    return Verification(len(wanted), records, tuple(breaks))


class _Chain:
    """One Site's chain while it is read from its start."""

    def __init__(self, site_id: UUID, anchors: dict[int, bytes]) -> None:
        self.site_id = site_id
        self.count = 0
        self.breaks: list[Break] = []
        self._anchors = anchors
        self._next = 1
        self._previous = ORIGIN

    def take(self, record: Row[Any], head: tuple[int, bytes] | None) -> None:
        self.count += 1
        number = record.number
        if number > self._next:
            self._break(self._next, BreakKind.MISSING, number - 1)
        elif number < self._next:
            self._break(number, BreakKind.INSERTED)
        elif record.previous_hash != self._previous:
            self._break(number, BreakKind.UNLINKED)
        if digest_of(dict(record._mapping), record.previous_hash) != record.hash:
            self._break(number, BreakKind.ALTERED)
        if head is not None and number == head[0] and record.hash != head[1]:
            self._break(number, BreakKind.HEAD)
        if number in self._anchors and record.hash != self._anchors[number]:
            self._break(number, BreakKind.ANCHOR)
        self._next = max(self._next, number + 1)
        self._previous = record.hash

    def end(self, before: tuple[int, bytes] | None, after: tuple[int, bytes] | None) -> None:
        """`before`, `after`: the head as it was before and after the records were read."""
        last = self._next - 1
        promised = max([before[0] if before else 0, *self._anchors])
        if promised > last:
            self._break(last + 1, BreakKind.MISSING, promised)
        if after is None and last > 0:
            self._break(last, BreakKind.HEAD)
        elif after is not None and last > after[0]:
            self._break(after[0] + 1, BreakKind.INSERTED, last)

    def _break(self, number: int, kind: BreakKind, last: int | None = None) -> None:
        self.breaks.append(Break(self.site_id, number, kind, last))


def _head(session: Session, site_id: UUID) -> tuple[int, bytes] | None:
    row = session.execute(select(AuditHead.number, AuditHead.hash).where(AuditHead.site_id == site_id)).one_or_none()
    return None if row is None else (row.number, row.hash)


def _records(session: Session, site_id: UUID) -> Iterator[Row[Any]]:
    """All records by number, a page in memory at a time. Numbers that are there twice are read twice."""
    place = tuple_(_RECORD.c.number, _RECORD.c.id)
    asked = select(_RECORD).where(_RECORD.c.site_id == site_id).order_by(_RECORD.c.number, _RECORD.c.id).limit(PAGE)
    rows = session.execute(asked).all()
    while rows:
        yield from rows
        rows = session.execute(asked.where(place > (rows[-1].number, rows[-1].id))).all()


def page(session: Session, *, site_id: UUID, after: int = 0, limit: int = 100) -> list[AuditRecord]:
    """Up to `limit` records of the Site with numbers beyond `after`, ascending."""
    return list(
        session.scalars(
            select(AuditRecord)
            .where(AuditRecord.site_id == site_id, AuditRecord.number > after)
            .order_by(AuditRecord.number)
            .limit(limit)
        )
    )


def heads(session: Session, *, site_id: UUID | None = None) -> list[Anchor]:
    """The last record of each chain: kept outside, they show later whether a chain was written anew."""
    asked = select(AuditHead).order_by(AuditHead.site_id)
    if site_id is not None:
        asked = asked.where(AuditHead.site_id == site_id)
    return [Anchor(row.site_id, row.number, row.hash) for row in session.scalars(asked)]
