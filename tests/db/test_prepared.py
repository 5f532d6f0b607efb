"""Statements that are prepared on their connection mean what they meant, and a plan that became void loses nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import DatabaseUnavailable
from core.settings import Settings
from db import prepared
from db.repositories.sites import create_site
from db.session import Database, Session, make_database
from tests.factories import make_job, make_site

ENOUGH = prepared.USES + 2
A, B = UUID(int=1), UUID(int=2)


@pytest.fixture
def one(settings: Settings, database: Database) -> Iterator[Database]:
    """One connection to the test's database."""
    made = make_database(settings, application_name="prepared", pool_size=1)
    yield made
    made.dispose()


def statements(session: Session) -> list[str]:
    found = "SELECT statement FROM pg_prepared_statements WHERE starts_with(name, 'lucency') ORDER BY prepare_time"
    return list(session.scalars(text(found)))


def often(database: Database, query: str, **values: Any) -> list[Any]:
    """The answers of ENOUGH transactions of one statement."""
    answers = []
    for _ in range(ENOUGH):
        with database.unit_of_work() as session:
            answers.append(session.execute(text(query), values).all())
    return answers


def test_what_comes_often_is_prepared_and_what_does_not_is_not(one: Database) -> None:
    often(one, "SELECT name FROM site WHERE name = :name", name="nobody")
    with one.unit_of_work() as session:
        session.execute(text("SELECT name FROM site WHERE id = :id"), {"id": A})
        assert [statement.count("site WHERE") for statement in statements(session)] == [1]
        assert "name = $1" in statements(session)[0]


def test_it_can_be_switched_off(settings: Settings, database: Database) -> None:
    plain = make_database(
        settings.model_copy(update={"database_prepared": False}), application_name="plain", pool_size=1
    )
    often(plain, "SELECT name FROM site WHERE name = :name", name="nobody")
    with plain.unit_of_work() as session:
        assert statements(session) == []
    plain.dispose()


# What a statement does with a value of each type; the last ones depend on the type that the value has of itself.
QUESTIONS = [
    ("SELECT CAST(:value AS int) + 1", 3),
    ("SELECT :value + 1", 3),
    ("SELECT :value + 1", 2**40),
    ("SELECT :value + 1", 2**70),
    ("SELECT :value / 2", 7),
    ("SELECT :value / 2", 7.0),
    ("SELECT :value * 2", 0.1),
    ("SELECT CAST(:value AS float8)", math.inf),
    ("SELECT :value * 2", Decimal("0.10")),
    ("SELECT NOT :value", True),
    ("SELECT :value || 'x'", "per cent %, a quote ', $1, a \\ and %(value)s"),
    ("SELECT '100%' || :value", "x"),
    ("SELECT :value IS NULL", None),
    ("SELECT coalesce(:value, 'none')", None),
    ("SELECT CAST(:value AS jsonb) -> 'a'", '{"a": [1, 2]}'),
    ("SELECT length(:value)", b"\x00\xff'\\"),
    ("SELECT CAST('2026-01-02T00:00Z' AS timestamptz) - :value", timedelta(hours=1)),
    ("SELECT CAST('2026-01-02T00:00Z' AS timestamptz) - :value", datetime(2026, 1, 1, tzinfo=UTC)),
    ("SELECT CAST('2026-01-02' AS timestamp) - :value", datetime(2026, 1, 1)),  # noqa: DTZ001 - a timestamp's own
    ("SELECT :value + 1", date(2026, 1, 1)),
    ("SELECT n FROM generate_series(1, 9) AS n WHERE n = ANY(:value)", [2, 3]),
    ("SELECT array_length(:value, 1)", ["a", "b"]),
    ("SELECT CAST(:value AS text[])", []),
    ("SELECT :value", [A, B]),
    ("SELECT n FROM generate_series(1, 9) AS n ORDER BY n LIMIT :value", 2),
    ("SELECT make_interval(secs => :value)", 1.5),
    ("SELECT :value = '00000000-0000-0000-0000-000000000001'", A),
    ("SELECT :value AS one, CAST(:value AS int) AS other", "7"),
    ("WITH one AS (SELECT :value AS n) SELECT n + 1 FROM one", 1),
    # What cannot be prepared, or has no types: it is sent as it is.
    ("SELECT pg_typeof(:value)", "text"),
    ("SELECT interval :value", "1 hour"),
    ("SELECT :value", [1.5, 2]),
    ("SELECT 'a;b' || :value", "c"),
    ("SELECT $$a$$ || :value", "c"),
]


@pytest.mark.parametrize(("query", "value"), QUESTIONS)
def test_it_means_the_same_from_the_first_time_to_the_last(one: Database, query: str, value: Any) -> None:
    answers = often(one, query, value=value)
    assert answers == [answers[0]] * ENOUGH
    assert {type(cell) for row in answers[0] for cell in row} == {type(cell) for row in answers[-1] for cell in row}


def test_a_value_of_another_type_is_another_statement(one: Database) -> None:
    for value, half in ((7, 3), (7.0, Decimal("3.5")), (2**40, 2**39)):
        assert often(one, "SELECT :value / 2", value=value)[-1] == [(half,)]
    with one.unit_of_work() as session:
        assert len(statements(session)) == 3


def test_what_the_server_does_not_prepare_leaves_the_transaction_whole(one: Database) -> None:
    for number in range(ENOUGH):
        with one.unit_of_work() as session:
            create_site(session, f"Kept {number}")
            assert str(session.scalar(text("SELECT pg_typeof(:value)"), {"value": "x"})) == "unknown"
    with one.unit_of_work() as session:
        assert session.scalar(text("SELECT count(*) FROM site WHERE name LIKE 'Kept %'")) == ENOUGH


def test_of_several_statements_the_last_is_prepared_and_sees_what_the_others_did(one: Database) -> None:
    query = "SELECT set_config('lucency.site_id', :site, true); SELECT current_setting('lucency.site_id'), :value"
    for number in range(ENOUGH):
        with one.unit_of_work() as session:
            assert session.execute(text(query), {"site": str(number), "value": "é"}).one() == (str(number), "é")
    with one.unit_of_work() as session:
        assert len(statements(session)) == 1


def test_a_statement_prepared_for_one_site_shows_another_nothing(one: Database) -> None:
    with one.unit_of_work() as session:
        jobs = {make_site(session).id: None for _ in range(2)}
        for site in jobs:
            jobs[site] = make_job(session, site_id=site).id
    everything = "SELECT id FROM job WHERE created_at > :since"
    since = {"since": datetime(2020, 1, 1, tzinfo=UTC)}
    for _ in range(ENOUGH):
        for site, job in jobs.items():
            with one.unit_of_work(site_id=site) as session:
                assert session.scalars(text(everything), since).all() == [job]
        with one.unit_of_work() as session:
            assert {*jobs.values()} <= set(session.scalars(text(everything), since))


def test_a_column_that_changes_meanwhile_fails_once_and_is_worth_a_try(one: Database) -> None:
    with one.unit_of_work() as session:
        session.execute(text("CREATE TABLE changing (n int)"))
    often(one, "SELECT n FROM changing WHERE n > :least", least=0)
    with one.unit_of_work() as session:
        session.execute(text("ALTER TABLE changing ALTER n TYPE bigint"))
    with pytest.raises(DatabaseUnavailable), one.unit_of_work() as session:
        session.execute(text("SELECT n FROM changing WHERE n > :least"), {"least": 0}).all()
    assert often(one, "SELECT n FROM changing WHERE n > :least", least=0) == [[]] * ENOUGH


def test_a_server_that_has_forgotten_them_fails_once(one: Database) -> None:
    query = "SELECT name FROM site WHERE name = :name"
    often(one, query, name="nobody")
    with one.unit_of_work() as session:
        session.execute(text("DEALLOCATE ALL"))
    with pytest.raises(DatabaseUnavailable), one.unit_of_work() as session:
        session.execute(text(query), {"name": "nobody"})
    assert often(one, query, name="nobody") == [[]] * ENOUGH


def test_no_connection_keeps_more_than_its_bound(one: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "KEPT", 5)
    for number in range(12):
        often(one, f"SELECT {number} + :value", value=1)
    with one.unit_of_work() as session:
        kept = statements(session)
    assert [statement.split("SELECT ")[1].split()[0] for statement in kept] == [str(number) for number in range(7, 12)]
    assert often(one, "SELECT 0 + :value", value=1) == [[(1,)]] * ENOUGH
