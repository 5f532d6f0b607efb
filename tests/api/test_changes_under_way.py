"""What changes while an upload is under way: after its put, made by rules that were known, and before its commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import func, update

from api.jobs import submission
from core.vocabulary import BurnedInPolicy
from db.repositories import images, intake, policies, sites
from db.repositories.intake import Entered
from db.session import Database
from db.tables import ApiKey, Job, Site, SitePolicy
from storage.s3 import S3Store
from storage.store import image_key
from tests.api.conftest import EXPLAINABLE, Trace
from tests.api.test_jobs import submit
from tests.data import encoded, generated_radiograph
from tests.factories import make_model

CONTENT = encoded(generated_radiograph(64, 48, seed=5))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
Before = Callable[[Callable[[], None]], None]


@pytest.fixture
def before_its_transaction(monkeypatch: pytest.MonkeyPatch) -> Before:
    """`before_its_transaction(act)`: `act` runs once, when the next upload has put its object."""

    def meddle(act: Callable[[], None]) -> None:
        waiting = [act]

        def enter(*given: Any, **named: Any) -> Entered:
            while waiting:
                waiting.pop()()
            return intake.enter(*given, **named)

        monkeypatch.setattr(submission, "intake", type("Meddled", (), {"enter": staticmethod(enter)}))

    return meddle


@pytest.fixture
def warm(client: httpx2.Client) -> None:
    """The key, the rules and the count are known to the process."""
    assert submit(client).status_code == 202


def key_of(database: Database, site: UUID, **values: Any) -> None:
    with database.unit_of_work() as session:
        session.execute(update(ApiKey).where(ApiKey.site_id == site).values(**values))


@pytest.mark.parametrize(
    "end",
    [
        lambda session, site: session.execute(update(ApiKey).values(revoked_at=func.now())),
        lambda session, site: session.execute(update(ApiKey).values(expires_at=func.now() - timedelta(seconds=1))),
        lambda session, site: session.execute(update(Site).where(Site.id == site).values(disabled_at=func.now())),
    ],
    ids=["revoked", "expired", "the Site disabled"],
)
def test_a_key_that_ends_opens_nothing_more(
    client: httpx2.Client,
    database: Database,
    site: UUID,
    trace: Trace,
    warm: None,
    before_its_transaction: Before,
    end: Callable[..., Any],
) -> None:
    def ends() -> None:
        with database.unit_of_work() as session:
            end(session, site)

    before_its_transaction(ends)
    with trace.nothing_left():
        assert submit(client, CONTENT).status_code == 401
    # Nor is anything read, though the key was known a moment ago.
    assert client.get("/v1/jobs").status_code == 401


def test_the_policy_of_now_decides(
    client: httpx2.Client, database: Database, site: UUID, warm: None, before_its_transaction: Before
) -> None:
    def changes() -> None:
        with database.unit_of_work() as session:
            session.execute(
                update(SitePolicy).where(SitePolicy.site_id == site).values(burned_in=BurnedInPolicy.ACCEPT.value)
            )

    before_its_transaction(changes)
    entered: list[Entered] = []
    enter = submission.intake.enter
    submission.intake.enter = lambda *given, **named: entered.append(enter(*given, **named)) or entered[-1]  # type: ignore[method-assign]
    assert submit(client, CONTENT).status_code == 202
    # It was tried again by the rules that it met.
    assert [one.burned_in for one in entered] == [BurnedInPolicy.ACCEPT, BurnedInPolicy.ACCEPT]


def test_the_model_of_now_says_what_is_explained(
    client: httpx2.Client, database: Database, warm: None, before_its_transaction: Before
) -> None:
    def another() -> None:
        with database.unit_of_work() as session:
            make_model(session, explainable=["leg"], manifest={"explanation": {"default": ["leg"]}})

    assert EXPLAINABLE[0] != "leg"
    before_its_transaction(another)
    assert submit(client, CONTENT).json()["explain"] == ["leg"]


def test_an_object_that_a_refused_twin_took_back_is_put_again(
    client: httpx2.Client,
    database: Database,
    store: S3Store,
    site: UUID,
    warm: None,
    before_its_transaction: Before,
) -> None:
    def refused_twin() -> None:
        with database.unit_of_work(site_id=site) as session:
            assert images.take_back(session, site_id=site, sha256=SHA256)
            store.delete([image_key(site, SHA256)])

    before_its_transaction(refused_twin)
    assert submit(client, CONTENT).status_code == 202
    assert store.get(image_key(site, SHA256)) == CONTENT


def test_nobody_asks_the_store_where_nothing_was_taken_back(
    client: httpx2.Client, store: S3Store, site: UUID, warm: None, before_its_transaction: Before
) -> None:
    """The proof that the test above can fail: what vanishes uncounted is not noticed, and costs no upload a request."""
    before_its_transaction(lambda: store.delete([image_key(site, SHA256)]))
    assert submit(client, CONTENT).status_code == 202
    assert list(store.list(image_key(site, SHA256))) == []


def test_an_accepted_request_stays_its_job_when_the_rules_change(
    client: httpx2.Client, database: Database, model: UUID
) -> None:
    """Same key, same job: also where the same request would be refused now."""
    first = submit(client, CONTENT, Idempotency_Key="k").json()
    with database.unit_of_work() as session:
        # A model that explains nothing of what was asked for is as good as none.
        session.execute(update(Job).values(explain=["fracture"]))
        make_model(session, explainable=[], manifest={})
    again = client.post("/v1/jobs", files={"file": ("a", CONTENT)}, data={}, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (202, first["id"])


def test_a_known_image_keeps_its_first_object(
    client: httpx2.Client, database: Database, store: S3Store, site: UUID
) -> None:
    """Another release made other bytes of the same file: that Image stands, and what was put now goes."""
    assert submit(client, CONTENT).status_code == 202
    other = "e" * 64
    store.put_bytes(image_key(site, other), b"as another release stored it", content_type="image/png")
    with database.unit_of_work() as session:
        image = session.query(images.Image).one()
        image.sha256 = other
    store.delete([image_key(site, SHA256)])
    job = submit(client, CONTENT).json()
    assert job["image"]["id"] == str(image.id)
    assert [entry.key for entry in store.list("in/")] == [image_key(site, other)]


def test_the_site_s_key_is_made_once(client: httpx2.Client, database: Database, site: UUID) -> None:
    for seed in (1, 2):
        assert submit(client, encoded(generated_radiograph(64, 48, seed=seed))).status_code == 202
    with database.unit_of_work() as session:
        assert policies.policy(session, site_id=site).sealed_key
        assert sites.get(session, site).id == site
