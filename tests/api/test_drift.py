"""`/v1/models/{id}/drift`: verdicts by day and together, by Site or everywhere, and what a Bundle without says."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import text

from core.vocabulary import Decision
from db.repositories import jobs
from db.repositories.jobs import FindingRecord
from db.session import Database
from tests.factories import make_job, make_model, make_outcome, make_site

REFERENCE = {
    "split": "val",
    "n": 400,
    "numbers": {
        "score.fracture": {"edges": [0.1, 0.5], "counts": [240, 80, 80]},
        "input.mean": {"edges": [0.15, 0.2, 0.25], "counts": [100, 100, 100, 100]},
    },
    "shares": {"region": {"hand": 190, "leg": 210}},
}
FIELDS = {"name", "state", "recent", "bins", "points"}


def fill(database: Database, site: UUID, model: UUID, *, n: int, days_ago: int, mean: float | None = None) -> None:
    """n results like the reference's, on one day; the input's mean is `mean` where it is given."""
    with database.unit_of_work() as session:
        for index in range(n):
            make_job(session, site)
            (claim,) = jobs.claim(session, owner="w", limit=1, lease_s=30)
            probability = (0.05, 0.05, 0.05, 0.3, 0.9)[index % 5]
            finding = FindingRecord("fracture", probability, 0.5, Decision.NEGATIVE.value)
            grey = (0.1, 0.18, 0.22, 0.3)[index % 4] if mean is None else mean
            values: dict[str, Any] = {"region": ("leg", "hand")[index % 2], "input_statistics": {"mean": grey}}
            outcome = make_outcome(claim, model, findings=(finding,), **values)
            jobs.succeed(session, [outcome])
            session.execute(
                text("UPDATE prediction SET created_at = now() - make_interval(days => :days) WHERE job_id = :job"),
                {"days": days_ago, "job": claim.job_id},
            )


@pytest.fixture
def watched(database: Database) -> UUID:
    with database.unit_of_work() as session:
        return make_model(session, name="watched", manifest={"drift": REFERENCE}).id


def quantities(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {quantity["name"]: quantity for quantity in answer["quantities"]}


def test_steady_then_shifted(client: httpx2.Client, database: Database, site: UUID, watched: UUID) -> None:
    few = client.get(f"/v1/models/{watched}/drift").json()
    assert (few["state"], few["predictions"], few["reference"]) == ("few", 0, {"split": "val", "n": 400})
    fill(database, site, watched, n=60, days_ago=9)
    fill(database, site, watched, n=60, days_ago=1)
    steady = client.get(f"/v1/models/{watched}/drift", params={"days": 20}).json()
    assert (steady["state"], steady["predictions"], steady["recent_days"]) == ("steady", 120, 7)
    found = quantities(steady)
    assert set(found) == {"score.fracture", "input.mean", "region"}
    assert {quantity["state"] for quantity in found.values()} == {"steady"}
    assert all(set(quantity) == FIELDS and len(quantity["points"]) == 20 for quantity in found.values())
    mean = found["input.mean"]
    assert [point["n"] for point in mean["points"]] == [0] * 10 + [60] + [0] * 7 + [60, 0]
    assert mean["recent"]["n"] == 60  # nine days ago is not recent
    assert [(one["low"], one["high"], one["reference"], one["recent"]) for one in mean["bins"]] == [
        (None, 0.15, 0.25, 0.25),
        (0.15, 0.2, 0.25, 0.25),
        (0.2, 0.25, 0.25, 0.25),
        (0.25, None, 0.25, 0.25),
    ]
    assert [one["word"] for one in found["region"]["bins"]] == ["leg", "hand", "other"]

    fill(database, site, watched, n=50, days_ago=0, mean=0.7)
    after = client.get(f"/v1/models/{watched}/drift").json()
    assert after["state"] == "shifted"
    found = quantities(after)
    assert {name: quantity["state"] for name, quantity in found.items()} == {
        "score.fracture": "steady", "input.mean": "shifted", "region": "steady",
    }  # fmt: skip
    today = found["input.mean"]["points"][-1]
    assert (today["n"], today["state"]) == (50, "shifted")
    assert today["psi"] > today["line"] > after["psi_line"]
    assert today["ks"] == pytest.approx(0.75)
    assert found["region"]["points"][-1]["ks"] is None


def test_of_ones_own_site(client: httpx2.Client, database: Database, watched: UUID) -> None:
    with database.unit_of_work() as session:
        other = make_site(session).id
    fill(database, other, watched, n=55, days_ago=0, mean=0.7)
    own = client.get(f"/v1/models/{watched}/drift").json()
    assert (own["state"], own["predictions"]) == ("few", 0)
    everywhere = client.get(f"/v1/models/{watched}/drift", params={"everywhere": True}).json()
    assert (everywhere["state"], everywhere["predictions"]) == ("shifted", 55)


def test_a_bundle_without_a_reference_says_so(client: httpx2.Client, model: UUID) -> None:
    found = client.get(f"/v1/models/{model}/drift").json()
    assert (found["reference"], found["state"], found["quantities"]) == (None, None, [])
    assert client.get(f"/v1/models/{model}").json()["has_reference"] is False
    for days in (0, 91):
        assert client.get(f"/v1/models/{model}/drift", params={"days": days}).status_code == 422
