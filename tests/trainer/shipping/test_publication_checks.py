"""A Bundle whose split leaks is refused, or published as a copy that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SplitLeaks
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from networks.manifest import MANIFEST_NAME
from storage.store import bundle_prefix
from tests.trainer.shipping.test_registry import hollow_bundle
from trainer.shipping import publication_checks
from trainer.shipping.publishing import listing, publish

LEAKS = {"identical": 869, "twins": 193, "patient": 0, "study": 0, "group": 0}
REASON = "869 identical files in more than one of train, val and test"


def audited(folder: Path, *, leaks: dict[str, int], reasons: list[str]) -> Bundle:
    bundle = Bundle.load(hollow_bundle(folder, version="1"))
    (folder / MODEL_CARD).write_text("# Hollow 1\n\nWhat it is.\n", encoding="utf-8")
    fields = bundle.manifest.model_dump(mode="json")
    fields["training"] = {"audit": {"digest": "0" * 64, "leaks": leaks, "leaks_allowed": False, "reasons": reasons}}
    return write_manifest(folder, fields)


def test_a_leaking_bundle_is_refused_with_the_reasons(tmp_path, database, store):
    bundle = audited(tmp_path / "leaking", leaks=LEAKS, reasons=[REASON])
    with pytest.raises(SplitLeaks, match=REASON):
        publish(bundle.path, database=database, store=store)
    assert listing(database) == []
    assert list(store.list("bundles/")) == []


def test_an_allowed_leak_is_published_as_a_marked_copy(tmp_path, database, store):
    bundle = audited(tmp_path / "leaking", leaks=LEAKS, reasons=[REASON])
    row = publish(bundle.path, database=database, store=store, allow_leak=True)
    assert row == publish(bundle.path, database=database, store=store, allow_leak=True)
    assert row["digest"] != bundle.digest
    card = store.get(bundle_prefix(row["digest"]) + MODEL_CARD).decode()
    assert card.startswith("# Hollow 1\n\n> [!CAUTION]")
    assert REASON in card
    assert card.endswith("What it is.\n")
    assert b'"leaks_allowed": true' in store.get(bundle_prefix(row["digest"]) + MANIFEST_NAME)
    assert Bundle.load(bundle.path).digest == bundle.digest  # the folder is as it was


def test_a_marked_copy_is_not_marked_twice_and_is_still_refused(tmp_path):
    bundle = audited(tmp_path / "leaking", leaks=LEAKS, reasons=[])
    copy = publication_checks.cleared(bundle, allow_leak=True, workspace=tmp_path)
    assert publication_checks.reasons(copy) == [
        "869 × identical in more than one split",
        "193 × twins in more than one split",
    ]
    assert publication_checks.cleared(copy, allow_leak=True, workspace=tmp_path / "nowhere") is copy
    with pytest.raises(SplitLeaks, match="869 × identical"):
        publication_checks.cleared(copy, allow_leak=False, workspace=tmp_path)


def test_clean_bundles_pass_and_those_without_an_audit_with_a_warning(tmp_path):
    clean = audited(tmp_path / "clean", leaks=dict.fromkeys(LEAKS, 0), reasons=[])
    assert publication_checks.cleared(clean, allow_leak=False, workspace=tmp_path) is clean
    assert publication_checks.warning(clean) is None
    unknown = Bundle.load(hollow_bundle(tmp_path / "unknown", version="1"))
    assert publication_checks.cleared(unknown, allow_leak=False, workspace=tmp_path) is unknown
    assert "no audit" in (publication_checks.warning(unknown) or "")
