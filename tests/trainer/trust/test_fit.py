"""What goes into a Bundle, for every kind of task, and the figures of a split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.vocabulary import EngineName, SanityFlag
from networks.bundle import SANITY, Bundle, write_manifest
from networks.engines import make_engine
from networks.sanity import SanityModel
from tests.bundles import hierarchical_bundle, multilabel_bundle, tiny_bundle
from tests.data import encoded
from tests.trainer.trust.conftest import bones
from trainer import trust
from trainer.datasets import Record
from trainer.evaluation import predict
from trainer.recipes.recipe import Trust

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
COUNT = 60


def records(folder: Path, bundle: Bundle) -> list[Record]:
    """Generated radiographs: a third to train on, the others to validate; each label now present, now not."""
    made = []
    for index, pixels in enumerate(bones(COUNT, seed=21)):
        file = folder / f"{index}.png"
        file.write_bytes(encoded(pixels))
        known = {label: str(index % 2) for label in (*bundle.finding_labels, "fractured")}
        split = "val" if index % 3 else "train"
        made.append(Record(file=file, name=file.name, columns={**known, "region": "hand"}, split=split))
    return made


@pytest.mark.parametrize("make", [tiny_bundle, multilabel_bundle, hierarchical_bundle])
def test_every_kind_of_task_gets_its_three_way_decisions(tmp_path: Path, make: Callable[[Path], Bundle]) -> None:
    bundle = make(tmp_path / "bundle")
    engine = make_engine(EngineName.ONNXRUNTIME, bundle)
    known = records(tmp_path, bundle)
    validation = predict(bundle, engine, [record for record in known if record.split == "val"])
    settings = Trust(coverage=0.8, risk=0.2, sanity=False)
    fields = trust.fit(settings, bundle, engine, known, validation)
    assert fields["sanity"] is None
    assert not (bundle.path / SANITY).exists()
    old = bundle.manifest.model_dump(exclude={"files", "format"})
    fitted = write_manifest(bundle.path, {**old, **fields})
    regions = fitted.manifest.region_labels
    answers = []
    for row in validation.probability:
        route = fitted.route({label: float(row[fitted.labels.index(label)]) for label in regions})
        for label in fitted.finding_labels:
            rule = fitted.conformal(label, route=route)
            assert rule is not None
            assert rule.coverage == 0.8
            answers.append(rule.decide(float(row[fitted.labels.index(label)])))
    assert len(answers) == len(validation.records) * len(fitted.finding_labels)


def test_a_bundle_with_sanity_is_measured(tmp_path: Path) -> None:
    bundle = tiny_bundle(tmp_path / "bundle")
    engine = make_engine(EngineName.ONNXRUNTIME, bundle)
    known = records(tmp_path, bundle)
    chosen = [record for record in known if record.split == "val"]
    fields = trust.fit(Trust(), bundle, engine, known, predict(bundle, engine, chosen))
    fitted = write_manifest(bundle.path, {**bundle.manifest.model_dump(exclude={"files", "format"}), **fields})
    assert SANITY in fitted.manifest.files
    assert SanityModel.load(fitted) is not None
    assert set(fields["sanity"]["limits"]) == {flag.value for flag in SanityFlag}

    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes" / "1.txt").write_text("0 0.5 0.5 0.9 0.9\n")
    noise = tmp_path / "noise.png"
    noise.write_bytes(encoded(np.random.default_rng(0).integers(0, 256, (90, 90), dtype=np.uint8)))
    settings = Trust(strangers={"noise": ("noise*.png",), "none": ("absent/*.png",)})
    strangers = trust.strangers_of(settings, tmp_path)
    assert {name: [record.file for record in found] for name, found in strangers.items()} == {"noise": [noise]}
    found = trust.measure(fitted, engine, chosen, boxes=[tmp_path / "boxes"], strangers=strangers)
    assert found["localisation"]["all"]["n"] == 1
    assert found["stability"]["n"] == len(chosen)
    assert found["sanity"]["clean"]["n"] == len(chosen)
    assert found["sanity"]["clean"]["flagged"] <= 0.05
    assert found["sanity"]["strangers"]["noise"]["n"] == 1
