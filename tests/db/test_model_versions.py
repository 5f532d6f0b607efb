"""ModelVersions: registered once, one active, whoever activates at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from core.errors import Conflict, NotFound
from db.repositories import model_versions
from db.session import Database
from tests.factories import make_model


def states(database: Database) -> dict[UUID, str]:
    with database.unit_of_work() as session:
        return {row.id: row.state for row in model_versions.listing(session)}


def test_registering_again_is_the_same(database: Database) -> None:
    fields = {"version": "1", "digest": "d" * 64}
    with database.unit_of_work() as session:
        assert model_versions.active(session) is None
        first = make_model(session, **fields, activate=False).id
    with database.unit_of_work() as session:
        again = make_model(session, **fields, activate=True)
        assert (again.id, again.state) == (first, "active")
        assert again.activated_at is not None
    with database.unit_of_work() as session:
        assert make_model(session, **fields, activate=False).state == "active"
    assert list(states(database)) == [first]


def test_a_name_and_version_mean_one_content(database: Database) -> None:
    with database.unit_of_work() as session:
        make_model(session, version="1", digest="a" * 64)
    with pytest.raises(Conflict), database.unit_of_work() as session:
        make_model(session, version="1", digest="b" * 64)


def test_one_is_active_whoever_activates(database: Database) -> None:
    with database.unit_of_work() as session:
        made = [make_model(session, activate=False).id for _ in range(4)]

    def activate(number: int) -> None:
        with database.unit_of_work() as session:
            model_versions.activate(session, made[number % 4])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(activate, range(24)))
    assert sorted(states(database).values()) == ["active", "retired", "retired", "retired"]
    with database.unit_of_work() as session:
        found = model_versions.active(session)
    assert found is not None
    assert states(database)[found.id] == "active"


def test_registering_and_activating_at_once(database: Database) -> None:
    def register(number: int) -> UUID:
        with database.unit_of_work() as session:
            return make_model(session, version=f"{number % 3}", digest=f"{number % 3}" * 64).id

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(register, range(15)))) == 3
    assert sorted(states(database).values()) == ["active", "retired", "retired"]


def test_unknown(database: Database) -> None:
    with pytest.raises(NotFound), database.unit_of_work() as session:
        model_versions.activate(session, uuid7())
