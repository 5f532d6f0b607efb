"""The registry's states: every verb in every state, what each writes down, and how far back a rollback goes."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text

from core.errors import Conflict, ModelMoveIllegal, NotFound, RequestInvalid
from core.vocabulary import MODEL_MOVES, ModelState, ModelVerb
from db.repositories import model_versions
from db.session import Database, Session
from db.tables import ModelVersion
from tests.factories import make_model


def make_in(session: Session, state: ModelState) -> UUID:
    """A ModelVersion in this state, reached by the repository's own verbs."""
    row = make_model(session, activate=state is ModelState.ACTIVE)
    if state is ModelState.SHADOW:
        model_versions.shadow(session, row.id, share=0.5)
    elif state is ModelState.RETIRED:
        model_versions.retire(session, row.id)
    assert row.state == state
    return row.id


def do(session: Session, verb: ModelVerb, model_id: UUID) -> ModelVersion:
    if verb is ModelVerb.ACTIVATE:
        return model_versions.activate(session, model_id, actor="os:me")
    if verb is ModelVerb.SHADOW:
        return model_versions.shadow(session, model_id, share=0.25, actor="os:me")
    return model_versions.retire(session, model_id, actor="os:me")


def kinds(database: Database, model_id: UUID) -> list[str]:
    with database.unit_of_work() as session:
        return [event.kind for event in model_versions.events(session, model_id)]


@pytest.mark.parametrize("verb", ModelVerb)
@pytest.mark.parametrize("state", ModelState)
def test_every_verb_in_every_state(database: Database, state: ModelState, verb: ModelVerb) -> None:
    refused = {(ModelState.ACTIVE, ModelVerb.SHADOW), (ModelState.ACTIVE, ModelVerb.RETIRE)}
    assert ((state, verb) not in MODEL_MOVES) == ((state, verb) in refused)
    with database.unit_of_work() as session:
        other = make_model(session, activate=True).id
        model_id = make_in(session, state)
        session.flush()
    before = kinds(database, model_id)
    if (state, verb) in refused:
        with pytest.raises(ModelMoveIllegal, match="no model for new jobs"), database.unit_of_work() as session:
            do(session, verb, model_id)
        assert kinds(database, model_id) == before
        return
    with database.unit_of_work() as session:
        row = do(session, verb, model_id)
        assert row.state == MODEL_MOVES[state, verb]
        assert row.shadow_share == (0.25 if verb is ModelVerb.SHADOW else None)
    unchanged = state == MODEL_MOVES[state, verb] and verb is not ModelVerb.SHADOW
    assert len(kinds(database, model_id)) == len(before) + (0 if unchanged else 1)
    with database.unit_of_work() as session:
        last = model_versions.events(session, model_id)[-1]
        now = model_versions.active(session)
        assert now is not None
        assert now.id == (model_id if ModelState.ACTIVE in (row.state, state) else other)
        if not unchanged:
            assert (last.state, last.actor, last.share) == (row.state, "os:me", row.shadow_share)


def test_the_one_before_is_retired_and_both_say_so(database: Database) -> None:
    with database.unit_of_work() as session:
        first, second = make_model(session).id, make_model(session, activate=False).id
        model_versions.shadow(session, second, share=1.0)
    with database.unit_of_work() as session:
        model_versions.activate(session, second, actor="key:ops")
    assert kinds(database, first) == ["registered", "activated", "replaced"]
    assert kinds(database, second) == ["registered", "shadowed", "activated"]


def test_the_active_one_is_retired_for_another(database: Database) -> None:
    with database.unit_of_work() as session:
        first, second = make_model(session).id, make_model(session, activate=False).id
        with pytest.raises(ModelMoveIllegal):
            model_versions.retire(session, first, instead=first)
        row = model_versions.retire(session, first, instead=second)
        assert row.state == ModelState.RETIRED
        found = model_versions.active(session)
        assert found is not None
        assert found.id == second


def test_rollback_goes_back_and_further_back(database: Database) -> None:
    with database.unit_of_work() as session:
        with pytest.raises(Conflict, match="No other model"):
            model_versions.rollback(session)
        first, second, third, fourth = (make_model(session).id for _ in range(4))
    order = []
    for _ in range(3):
        with database.unit_of_work() as session:
            order.append(model_versions.rollback(session).id)
    assert order == [third, second, first]
    with pytest.raises(Conflict, match="No other model"), database.unit_of_work() as session:
        model_versions.rollback(session)
    # What is activated then is on top of where the rollbacks ended, not of what they left.
    with database.unit_of_work() as session:
        model_versions.activate(session, fourth)
        model_versions.activate(session, fourth)  # twice is once
        assert model_versions.rollback(session).id == first
    assert kinds(database, first)[-2:] == ["replaced", "rolled_back"]


def test_rollback_to_what_a_release_without_history_activated(database: Database) -> None:
    with database.unit_of_work() as session:
        first, second = make_model(session).id, make_model(session, activate=False).id
        session.execute(text("UPDATE model_version SET state = 'retired' WHERE id = :id"), {"id": first})
        session.execute(text("UPDATE model_version SET state = 'active' WHERE id = :id"), {"id": second})
    with database.unit_of_work() as session:
        assert model_versions.rollback(session).id == first
    with pytest.raises(Conflict), database.unit_of_work() as session:
        model_versions.rollback(session)


def test_rollback_to_another_than_was_checked_is_refused(database: Database) -> None:
    with database.unit_of_work() as session:
        first, second, _third = (make_model(session).id for _ in range(3))
        with pytest.raises(Conflict, match="meanwhile"):
            model_versions.rollback(session, expected=first)
        assert model_versions.rollback(session, expected=second).id == second


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, float("nan")])
def test_a_share_is_a_share(database: Database, share: float) -> None:
    with database.unit_of_work() as session:
        model_id = make_model(session, activate=False).id
    with pytest.raises(RequestInvalid), database.unit_of_work() as session:
        model_versions.shadow(session, model_id, share=share)


def test_what_workers_serve(database: Database) -> None:
    with database.unit_of_work() as session:
        assert model_versions.served(session) == (None, ())
        active = make_model(session).id
        shadows = [make_model(session, activate=False).id for _ in range(2)]
        make_model(session, activate=False)
        for model_id, share in zip(shadows, (0.1, 1.0), strict=True):
            model_versions.shadow(session, model_id, share=share)
    with database.unit_of_work() as session:
        found, others = model_versions.served(session)
    assert found is not None
    assert (found.id, found.share) == (active, None)
    assert [(other.id, other.share) for other in others] == [(shadows[0], 0.1), (shadows[1], 1.0)]


def test_finding_one_by_words(database: Database) -> None:
    with database.unit_of_work() as session:
        old = make_model(session, name="net", version="1", digest="abcdef1" + "0" * 57).id
    with database.unit_of_work() as session:  # a later transaction, so a later time
        new = make_model(session, name="net", version="2", digest="abcdef2" + "0" * 57).id
        beef = make_model(session, name="abcdef2", version="1@b").id
    with database.unit_of_work() as session:
        for words, expected in {
            str(old): old,
            str(old).upper(): old,
            "net": new,
            "net@1": old,
            "abcdef1": old,
            "ABCDEF1": old,
            "abcdef20": new,
            "abcdef2": beef,  # a name goes before a digest
            "abcdef2@1@b": None,
        }.items():
            if expected is not None:
                assert model_versions.find(session, words).id == expected, words
        with pytest.raises(Conflict, match="2 models"):
            model_versions.find(session, "abcdef")
        for words in ("nothing", "net@3", "abcde", "", "%"):
            with pytest.raises(NotFound, match=r"Registered: .*net@2"):
                model_versions.find(session, words)
