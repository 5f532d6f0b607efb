"""The `openvino` engine: what it does otherwise than ONNX Runtime, with the same graph."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from core.errors import BundleInvalid, EngineFailed
from core.vocabulary import EngineName
from networks.bundle import Bundle, write_manifest
from networks.engines import make_engine
from tests.bundles import unlike_images
from tests.engines import needs_openvino

pytestmark = needs_openvino

ROOT = Path(__file__).parents[2]
ONE_RUN = """
import hashlib, sys
import numpy as np
from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import make_engine
from tests.bundles import unlike_images
output = make_engine(EngineName.OPENVINO, Bundle.load(sys.argv[1]), threads=int(sys.argv[2])).run(unlike_images(64))
arrays = (output.probabilities, output.class_activations, output.features)
print(hashlib.sha256(b"".join(array.tobytes() for array in arrays)).hexdigest())
"""


@pytest.fixture
def tiny(tiny_bundles) -> Bundle:
    return Bundle.load(tiny_bundles("regional"))


def test_the_default_network_agrees_with_onnxruntime(bundle):
    loaded = Bundle.load(bundle)
    batch = unlike_images(loaded.preprocessing.size)
    onnx, openvino = (make_engine(name, loaded).run(batch) for name in (EngineName.ONNXRUNTIME, EngineName.OPENVINO))
    assert np.abs(onnx.probabilities - openvino.probabilities).max() <= 1e-5
    for one, two in ((onnx.class_activations, openvino.class_activations), (onnx.features, openvino.features)):
        assert np.abs(one - two).max() <= 1e-5 * np.abs(one).max()


def test_a_radiograph_has_the_same_bits_in_any_batch(tiny):
    engine, batch = make_engine(EngineName.OPENVINO, tiny), unlike_images(64)
    together = engine.run(batch)
    for row in range(len(batch)):
        alone = engine.run(batch[row : row + 1])
        for name in ("probabilities", "class_activations", "features"):
            np.testing.assert_array_equal(getattr(alone, name)[0], getattr(together, name)[row])
    # What is not laid out as the network has it is the same radiograph.
    np.testing.assert_array_equal(engine.run(batch[::-1]).probabilities, together.probabilities[::-1])


def test_a_later_run_leaves_what_was_given(tiny):
    engine, batch = make_engine(EngineName.OPENVINO, tiny), unlike_images(64)
    first = engine.run(batch[:1])
    kept = [array.copy() for array in (first.probabilities, first.class_activations, first.features)]
    engine.run(batch[1:])
    for array, copy in zip((first.probabilities, first.class_activations, first.features), kept, strict=True):
        np.testing.assert_array_equal(array, copy)
        assert array.flags.owndata
        assert array.flags.writeable


def test_threads_take_turns(tiny):
    engine, batch = make_engine(EngineName.OPENVINO, tiny), unlike_images(64)
    expected, found = engine.run(batch).probabilities, {}

    def run(number):
        found[number] = [engine.run(batch).probabilities for _ in range(5)]

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for given in (given for many in found.values() for given in many):
        np.testing.assert_array_equal(given, expected)


def test_every_process_gives_the_same_bits(tiny_bundles):
    """A replay compares them; it may run elsewhere, and with the threads that the record names."""
    command = [sys.executable, "-c", ONE_RUN, str(tiny_bundles("regional"))]
    runs = [
        subprocess.run([*command, threads], cwd=ROOT, capture_output=True, text=True, check=False) for threads in "112"
    ]
    assert [done.returncode for done in runs] == [0, 0, 0], runs[0].stderr
    assert len({done.stdout for done in runs}) == 1


def test_channels_are_copied_by_a_product(tiny, monkeypatch):
    """The quicker way gives the bits of the graph as it is."""
    from networks.engines import openvino

    batch = unlike_images(64)
    quick = make_engine(EngineName.OPENVINO, tiny).run(batch)
    replaced = []
    multiply = openvino.operations.multiply
    monkeypatch.setattr(openvino.operations, "multiply", lambda *given: replaced.append(given) or multiply(*given))
    make_engine(EngineName.OPENVINO, tiny)
    assert len(replaced) == 1
    monkeypatch.setattr(openvino, "_copy_channels_by_product", lambda graph: None)
    plain = make_engine(EngineName.OPENVINO, tiny).run(batch)
    for name in ("probabilities", "class_activations", "features"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(plain, name))


def _graph(operator, outputs, domain=""):
    """A graph of one node, of an image as ours are."""
    from onnx import TensorProto, helper

    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [None, 64, 64, 1])
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    node = helper.make_node(operator, ["image"], outputs, domain=domain)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("of.nobody", 1)]
    made = helper.make_model(helper.make_graph([node], "graph", [image], given), opset_imports=imports, ir_version=9)
    return made.SerializeToString()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda graph: graph[: len(graph) // 2], EngineFailed),
        (lambda graph: b"", BundleInvalid),
        (lambda graph: _graph("Nothing", ["probabilities", "class_activations"], "of.nobody"), EngineFailed),
        (lambda graph: _graph("Identity", ["probabilities"]), BundleInvalid),
        (lambda graph: _graph("Identity", ["something"]), BundleInvalid),
    ],
    ids=["half", "empty", "unknown operator", "too few outputs", "another output"],
)
def test_a_graph_that_is_none_of_ours(tiny, tmp_path, change, error):
    folder = tmp_path / "bundle"
    shutil.copytree(tiny.path, folder)
    file = folder / "model.onnx"
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(error):
        make_engine(EngineName.OPENVINO, write_manifest(folder, tiny.manifest.model_dump()))


def test_its_tools_are_never_loaded(tiny):
    """They report to its maker; half of the time of its import is theirs."""
    make_engine(EngineName.OPENVINO, tiny)
    loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
    assert "openvino" in loaded
    assert "openvino_telemetry" not in loaded
    assert sys.modules["openvino.tools.ovc"] is None


def test_what_it_raises_in_a_run_is_ours(tiny):
    engine = make_engine(EngineName.OPENVINO, tiny)

    class Broken:
        def infer(self, *given, **named):
            raise RuntimeError("Exception from src/plugins/intel_cpu")

    engine._request = Broken()
    with pytest.raises(EngineFailed):
        engine.run(unlike_images(64))


def test_an_engine_that_is_not_installed(tiny, monkeypatch):
    monkeypatch.delitem(sys.modules, "networks.engines.openvino", raising=False)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(EngineFailed, match="openvino is not installed"):
        make_engine(EngineName.OPENVINO, tiny)
