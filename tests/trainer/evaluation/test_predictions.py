"""Predictions are the same however the images are read, and hold what was asked for."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import DataInvalid
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
from trainer.datasets import Record, read
from trainer.evaluation import predict, predict_records


@pytest.fixture(scope="module")
def loaded(bundle):
    opened = Bundle.load(bundle)
    return opened, make_engine(EngineName.ONNXRUNTIME, opened)


@pytest.fixture(scope="module")
def records(data_set, tmp_path_factory) -> list[Record]:
    """11 images and, among them, a file that is none."""
    broken = tmp_path_factory.mktemp("broken") / "text.png"
    broken.write_text("no picture")
    good = read(data_set).records[:11]
    return [*good[:4], Record(file=broken, name="text.png", columns={}), *good[4:]]


def test_streamed_and_cached_agree(loaded, records, tmp_path):
    seen: list[tuple[int, int]] = []
    streamed = predict(*loaded, records, progress=lambda done, total: seen.append((done, total)))
    cached = predict(*loaded, records, cache=tmp_path)
    for found in (streamed, cached):
        assert [record.name for record in found.records] == [r.name for r in records if r.name != "text.png"]
        assert [(file.name, file.code) for file in found.unreadable] == [("text.png", "type_unsupported")]
    np.testing.assert_allclose(cached.probability, streamed.probability, atol=1e-6)
    np.testing.assert_array_equal(predict_records(*loaded, records)[2], streamed.probability)
    assert streamed.probability.shape == (11, len(loaded[0].labels))
    assert streamed.features is None
    assert streamed.activations is None
    assert seen == [(8, 12), (12, 12)]
    np.testing.assert_array_equal(streamed.of("fracture"), streamed.probability[:, 0])


def test_maps_and_features_where_they_are_asked_for(loaded, records):
    bundle, engine = loaded
    found = predict(bundle, engine, records, activations=True)
    assert found.activations.shape == (11, len(bundle.labels), *bundle.manifest.explanation.grid)
    image = np.zeros((1, bundle.preprocessing.size, bundle.preprocessing.size, 1), np.uint8)
    given = engine.run(image).features
    if given is None:  # the graph of the first release
        with pytest.raises(DataInvalid, match="export it again"):
            predict(bundle, engine, records, features=True)
    else:
        assert predict(bundle, engine, records, features=True).features.shape == (11, given.shape[1])
