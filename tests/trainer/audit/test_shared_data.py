"""What the audit finds by itself in the real sets. Skipped where they are absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data import shared
from trainer.audit import audit
from trainer.audit.document import document
from trainer.audit.fingerprints import fingerprint
from trainer.datasets import read


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_multiregion(tmp_path):
    found = audit(read(shared("fracture_multiregion224")).records, cache=tmp_path)
    counts = document(found)["duplicates"]
    assert (counts["files"], counts["unique_files"], counts["identical_groups_across_splits"]) == (10548, 3876, 869)
    assert counts["named_rotated"] == 9512
    # By pixels alone; those turned by less than two degrees are told by their names only.
    assert 9250 <= counts["rotated_files"] <= 9512
    named = {position for position, record in enumerate(found.records) if "rotated" in record.name}
    assert set().union(*(cluster.rotated for cluster in found.clusters)) <= named
    assert 570 <= counts["pictures"] <= 590
    assert counts["conflicting_twins"] == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_fracatlas(tmp_path):
    found = audit(read(shared("fracatlas512")).records, cache=tmp_path)
    report = document(found)
    assert report["duplicates"]["identical_groups"] == 71
    assert report["duplicates"]["identical_groups_across_splits"] == 0
    assert 6 <= report["duplicates"]["conflicting_twins"] <= 15
    # The published split keeps neighbours together, and misses these.
    crossing = {tuple(sorted(found.records[p].name[-14:] for p in leak.members)) for leak in found.leaks}
    assert ("IMG0002950.jpg", "IMG0004263.jpg") in crossing
    assert len(crossing) <= 5
    assert report["majority"] == {"value": "0", "share": pytest.approx(0.825, abs=0.002)}
    by_fact = {one.fact: one for one in found.shortcuts}
    assert by_fact["hardware"].table["1"] == (86, 84)
    assert by_fact["hardware"].flagged
    assert by_fact["landscape"].flagged


def test_truncated_files_are_told():
    folder: Path = shared("fracatlas_raw/truncated")
    codes = [fingerprint(file).code for file in sorted(folder.iterdir())]
    assert codes == ["image_truncated"] * 57
