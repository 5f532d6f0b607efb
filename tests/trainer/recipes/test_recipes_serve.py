"""Every shipped recipe's Bundle, after a few steps of training, is published and serves a job over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.settings import Settings
from db.session import Database
from storage.s3 import S3Store
from tests.trainer.tiny_sets import SETS
from tests.worker.inference.stack import figures, running
from trainer.shipping.publishing import publish

pytestmark = [
    pytest.mark.keras,
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]


@pytest.mark.parametrize("name", sorted(SETS))
def test_a_job_of_each(
    settings: Settings,
    database: Database,
    store: S3Store,
    api_key: str,
    recipe_bundle: Callable[[str], Path],
    name: str,
) -> None:
    folder = recipe_bundle(name)
    # Generated radiographs resemble each other: an audit finds copies among them.
    publish(folder, database=database, store=store, activate=True, allow_leak=True)
    with running(settings, api_key, folder) as stack:
        manifest = stack.bundle.manifest
        result, expected = stack.result(), stack.expected()
        assert result["model_version"]["name"] == name
        assert figures(result) == pytest.approx(expected, abs=1e-5)
        explained = [finding for finding in result["findings"] if finding["explanation"]]
        assert {finding["label"] for finding in explained} == set(manifest.explanation.default)
        for finding in explained:
            stack.drawn(finding)
    regions = {label: expected[label] for label in manifest.region_labels}
    assert result["region"]["label"] == (max(regions, key=regions.__getitem__) if regions else None)
    assert (result["routing"] is not None) is (manifest.routing is not None)
    assert (result["sanity"] is not None) is (manifest.sanity is not None)
    for finding in result["findings"]:
        # Limits are fitted where a validation split allows it; then every finding has its three-way decision.
        own = manifest.routing.specialists[result["routing"]["specialist"]] if manifest.routing else manifest
        if finding["label"] in own.conformal:
            assert finding["three_way"]["decision"] in {"positive", "negative", "refer"}
            assert finding["three_way"]["coverage"] == own.conformal[finding["label"]].coverage
