"""The registry's commands on real servers: what they do, print and refuse."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from core.errors import BundleInvalid, NotFound
from core.settings import Settings, load_settings
from core.vocabulary import DISCLAIMER
from db.repositories import jobs, model_versions, shadow_predictions, workers
from db.repositories.shadow_predictions import Pair
from db.session import Database
from lucency.commands import main
from lucency.stack.environment import environment_of
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from networks.manifest import KERAS_MODEL, SERVING_GRAPH
from storage.s3 import S3Store
from storage.store import bundle_prefix
from tests.factories import make_job, make_outcome
from trainer.shipping import publishing, registry
from trainer.shipping.comparison import compare, kappa


@pytest.fixture
def versions(database: Database, store: S3Store, tmp_path: Path) -> list[Path]:
    """Three published versions of one network, the first active. No engine is asked to load them."""
    folders = [hollow_bundle(tmp_path / version, version=version) for version in ("one", "two", "three")]
    for folder in folders:
        publishing.publish(folder, database=database, store=store, activate=folder is folders[0])
    return folders


def hollow_bundle(folder: Path, *, version: str) -> Path:
    """A valid Bundle whose network is a few bytes."""
    folder.mkdir()
    for name in (KERAS_MODEL, SERVING_GRAPH, MODEL_CARD):
        (folder / name).write_text(f"{name} of {version}")
    labels = ("hand", "leg")
    heads = [
        {"name": "fracture", "kind": "sigmoid", "labels": ("fracture",)},
        {"name": "region", "kind": "softmax", "labels": labels},
    ]
    fields = {
        "name": "hollow",
        "version": version,
        "created": "2026-01-01T00:00:00Z",
        "heads": heads,
        "thresholds": {"fracture": {"value": 0.25, "rule": "none"}},
        "preprocessing": {"size": 64, "source_longest_side": 512},
        "explanation": {"layer": "features", "grid": (2, 2), "labels": labels, "default": labels[:1]},
        "metrics": {"test": {"n": 9, "findings": {"fracture": {"auc": 0.9}}}},
        "disclaimer": DISCLAIMER,
    }
    return write_manifest(folder, fields).path


def states(database: Database) -> dict[str, str]:
    return {row["version"]: row["state"] for row in registry.listing(database)}


@pytest.fixture
def lucency(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """The command, in this process; what it printed."""
    for name, value in environment_of(settings).items():
        monkeypatch.setenv(name, value)
    load_settings.cache_clear()

    def run(*arguments: str, status: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["lucency", "models", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == status, out + err
        if status:
            assert (out, err.count("\n")) == ("", 1), err
        return out or err

    yield run
    load_settings.cache_clear()


def test_the_commands(versions: list[Path], lucency: Callable[..., str], database: Database) -> None:
    one, two, three = (Bundle.load(folder) for folder in versions)
    name, first = "hollow", "one"
    assert json.loads(lucency("shadow", f"{name}@two", "--share", "0.25", "--json"))["shadow_share"] == 0.25
    assert "leave no model" in lucency("retire", f"{name}@{first}", status=1)
    assert "No model is called nothing" in lucency("activate", "nothing", status=1)
    assert json.loads(lucency("activate", three.digest[:12], "--json"))["state"] == "active"
    assert states(database) == {first: "retired", "two": "shadow", "three": "active"}
    assert json.loads(lucency("rollback", "--json"))["version"] == first
    assert "No other model" in lucency("rollback", status=1)
    lucency("retire", f"{name}@{first}", "--activate", f"{name}@two")
    assert states(database) == {first: "retired", "two": "active", "three": "retired"}

    shown = json.loads(lucency("show", f"{name}@{first}", "--json"))
    actor = registry.actor()
    assert [(event["kind"], event["actor"]) for event in shown["history"]][-3:] == [
        ("replaced", actor), ("rolled_back", actor), ("replaced", actor),
    ]  # fmt: skip
    assert shown["metrics"]["test"]["findings"] == {"fracture": {"auc": 0.9}}
    assert (shown["digest"], shown["predictions"]) == (one.digest, 0)
    readable = lucency("show", f"{name}@{first}")
    for line in (
        "head fracture (sigmoid): fracture",
        "threshold fracture: 0.2500",
        "test (9 images), fracture: auc 0.9",
    ):
        assert line in readable
    assert f"rolled_back  by {actor}" in readable
    assert "No model is a shadow" in lucency("compare", status=1)
    assert two.digest[:12] in lucency("compare", f"{name}@two")


@pytest.mark.parametrize("damage", ["missing", "altered", "manifest", "manifest missing"])
def test_what_is_not_stored_whole_is_not_served(
    versions: list[Path], database: Database, store: S3Store, damage: str
) -> None:
    target = Bundle.load(versions[1])
    prefix = bundle_prefix(target.digest)
    key = prefix + ("bundle.json" if "manifest" in damage else MODEL_CARD)
    if "missing" in damage:
        store.delete([key])
    else:
        store.put_bytes(key, store.get(key) + b" ", content_type="text/plain")
    before = states(database)
    words = target.digest
    with pytest.raises(BundleInvalid, match="publish its Bundle again"):
        registry.activate(words, database=database, store=store)
    with pytest.raises(BundleInvalid):
        registry.shadow(words, share=0.5, database=database, store=store)
    active = Bundle.load(versions[0]).digest
    with pytest.raises(BundleInvalid):
        registry.retire(active, instead=words, database=database, store=store)
    assert states(database) == before
    # Publishing again repairs it.
    publishing.publish(versions[1], database=database, store=store)
    assert registry.activate(words, database=database, store=store)["state"] == "active"


def test_a_rollback_checks_too(versions: list[Path], database: Database, store: S3Store) -> None:
    registry.activate(Bundle.load(versions[1]).digest, database=database, store=store)
    store.delete([bundle_prefix(Bundle.load(versions[0]).digest) + "model.onnx"])
    with pytest.raises(BundleInvalid):
        registry.rollback(database=database, store=store)
    assert states(database)["two"] == "active"


def test_the_list_says_who_serves_and_who_cannot(versions: list[Path], database: Database) -> None:
    one, two = (Bundle.load(folder).digest for folder in versions[:2])
    with database.unit_of_work() as session:
        for name, failed in (("a", None), ("b", (two, "engine_failed"))):
            workers.beat(
                session,
                name=name,
                pid=1,
                engine="onnxruntime",
                model_digest=one,
                state="ready",
                progressed=True,
                failed=failed,
            )
    found = {row["digest"]: (row["workers"], row["failing"]) for row in registry.listing(database)}
    assert found[one] == (2, {})
    assert found[two] == (0, {"b": "engine_failed"})


def test_a_report_on_a_shadow(versions: list[Path], database: Database, site: UUID) -> None:
    active, shadow = (Bundle.load(folder).digest for folder in versions[:2])
    with database.unit_of_work() as session:
        active_id, shadow_id = (model_versions.find(session, digest).id for digest in (active, shadow))
        model_versions.shadow(session, shadow_id, share=1.0)
        made = [make_job(session, site).id for _ in range(4)]
        for claim, probability in zip(
            jobs.claim(session, owner="w", limit=4, lease_s=30), (0.1, 0.2, 0.6, 0.8), strict=True
        ):
            jobs.succeed(
                session, [make_outcome(claim, active_id, timings_ms={"infer": 40.0}, produced_by={"batch": 4})]
            )
            shadow_predictions.record(
                session,
                job_id=claim.job_id,
                model_version_id=shadow_id,
                engine="onnxruntime",
                probabilities={"fracture": probability},
                decisions={"fracture": "positive" if probability >= 0.5 else "negative"},
                infer_ms=15.0,
            )
    report = registry.comparison(None, database=database)
    assert (report["jobs"], report["shadow"]["digest"]) == (4, shadow)
    (against,) = report["against"]
    assert against["active"]["digest"] == active
    figures = against["findings"]["fracture"]
    assert (figures["n"], figures["agreement"], figures["mean_difference"]) == (4, 0.5, 0.325)
    assert figures["positive_to_negative"] == {"count": 2, "jobs": [str(job_id) for job_id in made[:2]]}
    assert figures["negative_to_positive"] == {"count": 0, "jobs": []}
    assert figures["correlation"] is None  # the active one's figures are all the same
    assert against["latency"] == {"active_ms": 10.0, "shadow_ms": 15.0, "ratio": 1.5, "active_batch": 4.0}
    # The API's report is summed up in the database: the same figures.
    with database.unit_of_work() as session:
        (found,) = shadow_predictions.agreements(session, UUID(report["shadow"]["id"]))
    assert (found.n, found.agreement, found.kappa, found.correlation) == (4, 0.5, figures["kappa"], None)
    assert (found.positives, found.shadow_positives, found.both_positive) == (4, 2, 2)
    assert found.mean_difference == pytest.approx(figures["mean_difference"])
    assert (found.active_ms, found.shadow_ms) == (10.0, 15.0)
    with pytest.raises(NotFound):
        registry.comparison("nothing", database=database)


def test_the_figures_of_a_comparison() -> None:
    active_id = uuid4()
    given = [(0.9, 0.8), (0.7, 0.4), (0.2, 0.6), (0.1, 0.3), (0.6, 0.9)]
    pairs = [
        Pair(
            job_id=uuid4(),
            active_id=active_id,
            label="fracture",
            probability=one,
            decision="positive" if one >= 0.5 else "negative",
            shadow_probability=two,
            shadow_decision="positive" if two >= 0.5 else "negative",
            infer_ms=None,
            batch=1,
            shadow_infer_ms=5.0,
        )
        for one, two in given
    ]
    report = compare(pairs)
    figures = report["findings"]["fracture"]
    # Four cells 2, 1, 1, 1: observed 3/5, expected (3·3 + 2·2)/25.
    assert figures["kappa"] == pytest.approx((0.6 - 0.52) / 0.48, abs=1e-4)
    assert figures["negative_to_positive"]["jobs"] == [str(pairs[2].job_id)]
    assert figures["positive_to_negative"]["jobs"] == [str(pairs[1].job_id)]
    assert figures["correlation"] == pytest.approx(0.5494, abs=1e-4)
    assert report["latency"]["ratio"] is None
    assert compare([])["n"] == 0


def test_kappa_without_variance() -> None:
    import numpy as np

    yes = np.ones(3, bool)
    assert kappa(yes, yes) is None
    assert kappa(yes[:0], yes[:0]) is None
    assert kappa(np.array([True, False]), np.array([False, True])) == -1.0
