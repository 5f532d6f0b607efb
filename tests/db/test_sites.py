"""Sites and keys: what opens, and what does not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from uuid_utils.compat import uuid7

from core.errors import NotFound, Unauthorized
from core.vocabulary import Scope
from db.repositories import sites
from db.session import Database
from tests.factories import make_site


def opens(database: Database, presented: str) -> sites.Principal:
    with database.unit_of_work() as session:
        return sites.authenticate(session, presented)


def issue(database: Database, site: UUID, *, expires_at: datetime | None = None) -> tuple[UUID, str]:
    with database.unit_of_work() as session:
        key, presented = sites.issue_key(
            session, site_id=site, name="k", scopes=[Scope.READ, Scope.SUBMIT, Scope.READ], expires_at=expires_at
        )
        return key.id, presented


def test_a_key_opens_its_site_with_its_scopes(database: Database, site: UUID) -> None:
    key_id, presented = issue(database, site, expires_at=datetime.now(UTC) + timedelta(hours=1))
    assert opens(database, presented) == sites.Principal(
        site_id=site, key_id=key_id, scopes=frozenset({Scope.READ, Scope.SUBMIT})
    )


def test_what_does_not_open(database: Database, site: UUID) -> None:
    key_id, presented = issue(database, site)
    prefix, _, secret = presented.partition(".")
    _, other = issue(database, site)
    wrong = [
        "", "lcy_", "lcy_.", prefix, f"{prefix}.", f"{prefix}.x{secret}", f"{prefix}.{other.partition('.')[2]}",
        presented.removeprefix("lcy_"), f"lcy_{'0' * 12}.{secret}", "lcy_%.x", "lcy_\0.x", f"{presented} ", "lcy_é.x",
        "\ud800",
    ]  # fmt: skip
    for attempt in wrong:
        with pytest.raises(Unauthorized):
            opens(database, attempt)
    opens(database, presented)
    with database.unit_of_work() as session:
        sites.revoke_key(session, site_id=site, key_id=key_id)
    with pytest.raises(Unauthorized):
        opens(database, presented)
    opens(database, other)


def test_an_expired_key(database: Database, site: UUID) -> None:
    _, presented = issue(database, site, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(Unauthorized):
        opens(database, presented)


def test_the_secret_is_nowhere(database: Database, site: UUID) -> None:
    _, presented = issue(database, site)
    secret = presented.partition(".")[2]
    with database.unit_of_work() as session:
        rows = session.scalars(text("SELECT row_to_json(api_key)::text FROM api_key"))
        assert all(secret not in row for row in rows)


def test_only_ones_own_site(database: Database, site: UUID) -> None:
    key_id, _ = issue(database, site)
    with database.unit_of_work() as session:
        other = make_site(session).id
        with pytest.raises(NotFound):
            sites.revoke_key(session, site_id=other, key_id=key_id)
        with pytest.raises(NotFound):
            sites.issue_key(session, site_id=uuid7(), name="k", scopes=[])


def test_the_same_site_at_once(database: Database) -> None:
    def make(_: int) -> UUID:
        with database.unit_of_work() as session:
            return sites.get_or_create_site(session, "One").id

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(make, range(10)))) == 1
