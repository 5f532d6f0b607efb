"""Lists of a Site's jobs: what they are filtered by, a page of them, and how many they are.

Every job is in exactly one of four groups, each with an index of its own in the list's order that also holds what lists
are filtered by. A filter is asked of those groups alone that it can match in: so one that matches nothing reads an
index, not the jobs.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, CompoundSelect, Select, exists, false, func, select, text, tuple_, union_all
from sqlalchemy.orm import Session, aliased, contains_eager

from core.vocabulary import JobState, ThreeWay
from db.tables import UNSUCCESSFUL_STATES, WORKED_STATES, Batch, BatchItem, Image, Job

Position = tuple[datetime, UUID]
Listed = Select[UUID, datetime]

# A list longer than this is not counted to its end.
COUNT_LIMIT = 100_000
# A filing that began before its Batch was closed may end after it.
CLOSING = timedelta(hours=1)
# Of one image or study; more are not looked up by its id.
NAMED_LIMIT = 1_000

_GROUPS = (WORKED_STATES, frozenset({JobState.HELD}), UNSUCCESSFUL_STATES, frozenset({JobState.SUCCEEDED}))
# Eight digits of a UUIDv7 are the minute that the job was made in; fewer are more likely a word.
_ID_PREFIX = re.compile(r"[0-9a-f]{8,32}")
_NAMED = text("""
SELECT id FROM job WHERE id = :named AND site_id = :site_id
UNION SELECT id FROM job WHERE image_id = :named AND site_id = :site_id
UNION SELECT job.id FROM image JOIN job ON job.image_id = image.id
    WHERE image.study_id = :named AND image.site_id = :site_id
LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are meant; what is empty or None asks nothing.

    `models`, `regions` and `decisions` (the three-way decision where there is one) are of results, `codes` of errors.
    `text`: the whole id of a job, image or study; else the first eight or more digits of a job's id; else the
    beginning of a headline label or of an error code, in any case. `replayed`: whether a later job repeats it;
    `replay_of`: which one it repeats. `created_from` is included, `created_to` is not.
    """

    states: Collection[JobState] = ()
    models: Collection[UUID] = ()
    batch: UUID | None = None
    priorities: Collection[int] = ()
    regions: Collection[str] = ()
    decisions: Collection[ThreeWay] = ()
    codes: Collection[str] = ()
    text: str | None = None
    replayed: bool | None = None
    replay_of: UUID | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """How many jobs ended in a state with a code (None: without any, as the cancelled), and when they were made."""

    code: str | None
    state: JobState
    jobs: int
    oldest: datetime
    newest: datetime


def page(
    session: Session,
    *,
    site_id: UUID,
    wanted: Filter | None = None,
    limit: int = 50,
    before: Position | None = None,
) -> list[Job]:
    """Up to `limit` Jobs with their Images, newest first; `before`: (created_at, id) of the last of the page before."""
    found = ids(session, site_id=site_id, wanted=wanted, limit=limit, before=before)
    if not found:
        return []
    rows = session.scalars(
        select(Job).join(Image, Image.id == Job.image_id).where(Job.id.in_(found)).options(contains_eager(Job.image))
    )
    return sorted(rows, key=lambda job: (job.created_at, job.id), reverse=True)


def ids(
    session: Session,
    *,
    site_id: UUID,
    wanted: Filter | None = None,
    limit: int = 50,
    before: Position | None = None,
) -> list[UUID]:
    """As `page`, of their ids."""
    parts = _parts(session, site_id=site_id, wanted=wanted or Filter(), before=before) if limit > 0 else []
    if not parts:
        return []
    found = _together([part.order_by(Job.created_at.desc(), Job.id.desc()).limit(limit) for part in parts]).subquery()
    newest = select(found.c.id).order_by(found.c.created_at.desc(), found.c.id.desc()).limit(limit)
    return list(session.scalars(newest))


def count(
    session: Session, *, site_id: UUID, wanted: Filter | None = None, limit: int = COUNT_LIMIT
) -> tuple[int, bool]:
    """How many there are, and whether that is all: beyond `limit` they are not counted."""
    parts = _parts(session, site_id=site_id, wanted=wanted or Filter(), before=None)
    if not parts:
        return 0, True
    # In the index' order, which is what makes it read that index alone.
    found = _together([part.order_by(Job.created_at, Job.id).limit(limit + 1) for part in parts]).subquery()
    number = int(session.execute(select(func.count()).select_from(found)).scalar_one())
    return min(number, limit), number <= limit


def causes(session: Session, *, site_id: UUID, wanted: Filter) -> list[Cause]:
    """What kept the jobs from a result, the most frequent first; those that have one are left out."""
    if not (asked := frozenset(wanted.states or UNSUCCESSFUL_STATES) & UNSUCCESSFUL_STATES):
        return []
    found: dict[tuple[str | None, str], Cause] = {}
    for part in _parts(session, site_id=site_id, wanted=replace(wanted, states=asked), before=None):
        grouped = part.with_only_columns(
            Job.error_code, Job.state, func.count(), func.min(Job.created_at), func.max(Job.created_at)
        ).group_by(Job.error_code, Job.state)
        for code, state, number, oldest, newest in session.execute(grouped):
            found[code, state] = Cause(code, JobState(state), number, oldest, newest)
    return sorted(found.values(), key=lambda cause: (-cause.jobs, cause.code or "", cause.state))


def _together(parts: list[Listed]) -> CompoundSelect[UUID, datetime] | Listed:
    # As subqueries: each keeps an order and a limit of its own.
    each = [select(part.subquery()) for part in parts]
    return each[0] if len(each) == 1 else union_all(*each)


def _parts(session: Session, *, site_id: UUID, wanted: Filter, before: Position | None) -> list[Listed]:
    """One query of (id, created_at) for each group of states that the filter can match in."""
    common = _of_all(session, site_id, wanted)
    if before is not None:
        common.append(tuple_(Job.created_at, Job.id) < before)
    query = select(Job.id, Job.created_at).where(*common)
    if not (wanted.states or wanted.priorities or _of_results(wanted) or _of_errors(wanted)) and _word(wanted) is None:
        return [query]
    parts = []
    for group in _GROUPS:
        states = (frozenset(wanted.states) or group) & group
        special = _special(wanted, succeeded=JobState.SUCCEEDED in group, errors=JobState.HELD not in group)
        if states and special is not None:
            parts.append(query.where(Job.state.in_(sorted(state.value for state in states)), *special))
    return parts


def _of_all(session: Session, site_id: UUID, wanted: Filter) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = [Job.site_id == site_id]
    if wanted.created_from is not None:
        asked.append(Job.created_at >= wanted.created_from)
    if wanted.created_to is not None:
        asked.append(Job.created_at < wanted.created_to)
    if wanted.priorities:
        asked.append(Job.priority.in_(sorted(wanted.priorities)))
    if wanted.batch is not None:
        asked += _of_batch(session, site_id, wanted.batch)
    if wanted.replay_of is not None:
        asked.append(Job.replay_of == wanted.replay_of)
    if wanted.replayed is not None:
        later = aliased(Job)
        repeated = exists().where(later.replay_of == Job.id)
        asked.append(repeated if wanted.replayed else ~repeated)
    if (named := _id(wanted)) is not None:
        values = {"named": named, "site_id": site_id, "limit": NAMED_LIMIT}
        asked.append(Job.id.in_(list(session.scalars(_NAMED, values))))
    elif (span := _span(wanted)) is not None:
        asked.append(Job.id.between(*span))
    return asked


def _of_batch(session: Session, site_id: UUID, batch_id: UUID) -> list[ColumnElement[bool]]:
    batch = session.scalars(select(Batch).where(Batch.id == batch_id, Batch.site_id == site_id)).one_or_none()
    if batch is None:
        return [false()]
    asked: list[ColumnElement[bool]] = [Job.id.in_(select(BatchItem.job_id).where(BatchItem.batch_id == batch_id))]
    if batch.closed_at is not None:
        # A closed Batch gets no more jobs: those made since are not walked through.
        asked.append(Job.created_at < batch.closed_at + CLOSING)
    return asked


def _of_results(wanted: Filter) -> list[ColumnElement[bool]]:
    asked: list[ColumnElement[bool]] = []
    if wanted.models:
        asked.append(Job.model_version_id.in_(list(wanted.models)))
    if wanted.regions:
        asked.append(Job.result_region.in_(list(wanted.regions)))
    if wanted.decisions:
        decided = func.coalesce(Job.result_three_way, Job.result_decision)
        asked.append(decided.in_([decision.value for decision in wanted.decisions]))
    return asked


def _of_errors(wanted: Filter) -> list[ColumnElement[bool]]:
    return [Job.error_code.in_(list(wanted.codes))] if wanted.codes else []


def _special(wanted: Filter, *, succeeded: bool, errors: bool) -> list[ColumnElement[bool]] | None:
    """What is asked of a group beside its states; None where nothing of it can match."""
    of_results, of_errors, word = _of_results(wanted), _of_errors(wanted), _word(wanted)
    if succeeded:
        asked, other = of_results, of_errors
        column = Job.result_label
    else:
        asked, other = of_errors, of_results
        column = Job.error_code
    if other or ((asked or word is not None) and not (succeeded or errors)):
        return None
    return asked if word is None else [*asked, func.starts_with(func.lower(column), word)]


def _id(wanted: Filter) -> UUID | None:
    """The whole id that the text is."""
    digits = (wanted.text or "").strip().replace("-", "").lower()
    return UUID(digits) if len(digits) == 32 and _ID_PREFIX.fullmatch(digits) else None


def _span(wanted: Filter) -> tuple[UUID, UUID] | None:
    """The ids that begin with the text."""
    digits = (wanted.text or "").strip().replace("-", "").lower()
    if not _ID_PREFIX.fullmatch(digits):
        return None
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def _word(wanted: Filter) -> str | None:
    """The text where it is no id."""
    word = (wanted.text or "").strip().lower()
    return word if word and _id(wanted) is None and _span(wanted) is None else None
