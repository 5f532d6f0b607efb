"""The engines on the shipped Bundle: the default one without TensorFlow, both the same on a real radiograph."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from core.vocabulary import EngineName
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.regions import normalise
from tests.data import pydicom_file
from tests.engines import GRAPH_ENGINES, needs_openvino

ROOT = Path(__file__).parent.parent.parent
PROGRAM = """
import sys
import numpy as np
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
import networks.regions
bundle = Bundle.load(sys.argv[1])
engine = make_engine(EngineName(sys.argv[2]), bundle, threads=1)
engine.warm_up(range(1, 9))
for name in ("tensorflow", "keras", "onnx", "sklearn"):
    assert name not in sys.modules, name
import psutil
first = psutil.Process().memory_info().rss // 1_000_000
other = make_engine(EngineName(sys.argv[2]), bundle, threads=1)
other.warm_up([8])
print(first, psutil.Process().memory_info().rss // 1_000_000 - first)
"""


# A second network, as hierarchies and shadows have: its batches lie where the first one's did, with ONNX Runtime alone.
@pytest.mark.parametrize(("name", "limit"), [("onnxruntime", 50), pytest.param("openvino", 90, marks=needs_openvino)])
def test_graphs_run_without_tensorflow_and_within_their_memory(bundle, name, limit):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(bundle), name], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    memory, growth = map(int, done.stdout.split())
    assert memory <= 400
    assert growth <= limit


@pytest.mark.parametrize("name", GRAPH_ENGINES)
def test_the_engine_reports_to_nobody(bundle, tmp_path, name):
    """What ONNX Runtime and OpenVINO would send to their makers they first write into the user's folder."""
    # OpenVINO is silent in what it takes for a build machine.
    skipped = ("ORT_", "XDG_", "CI", "TF_BUILD", "JENKINS_URL")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(skipped)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(bundle), name],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []


def _radiograph(bundle: Bundle) -> np.ndarray:
    """RG3, a real lower leg of pydicom-data, as the worker would feed it."""
    data = pydicom_file("RG3_J2KI.dcm")
    decoded = decode(data.read_bytes(), longest_side=bundle.preprocessing.source_longest_side)
    return bundle.preprocessing.apply(decoded.pixels)[0][None]


@pytest.mark.keras
@pytest.mark.parametrize("graph_engine", GRAPH_ENGINES)
def test_engines_agree_on_a_real_radiograph(bundle, graph_engine):
    loaded = Bundle.load(bundle)
    batch = _radiograph(loaded)
    graph, keras = (make_engine(name, loaded).run(batch) for name in (graph_engine, EngineName.TENSORFLOW))
    np.testing.assert_allclose(graph.probabilities, keras.probabilities, atol=1e-4)
    scale = keras.class_activations.max()
    assert np.abs(graph.class_activations - keras.class_activations).max() <= 1e-4 * scale
    assert (graph.class_activations >= 0).all()
    index = loaded.labels.index(loaded.finding_labels[0])
    probability = float(graph.probabilities[0, index])
    assert loaded.decide("fracture", probability) == loaded.decide("fracture", float(keras.probabilities[0, index]))
    heat = normalise(graph.class_activations[0, index])
    assert heat.shape == loaded.manifest.explanation.grid
    assert heat.max() in {0.0, 1.0}


@pytest.mark.parametrize("name", GRAPH_ENGINES)
def test_a_batch_is_its_images(bundle, name):
    """Neighbours in a batch do not change an image's answer."""
    loaded = Bundle.load(bundle)
    engine = make_engine(name, loaded)
    one = _radiograph(loaded)
    batch = np.concatenate([one, np.zeros_like(one), 255 - one])
    alone, together = engine.run(one), engine.run(batch)
    np.testing.assert_allclose(together.probabilities[:1], alone.probabilities, atol=1e-5)
    assert not np.allclose(together.probabilities[1], alone.probabilities[0], atol=1e-3)
    assert np.isfinite(together.class_activations).all()
