"""Every kind of task through both engines: the same answers, features, marginals that sum, routes that are kept."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.errors import BundleInvalid
from core.vocabulary import Decision, EngineName, ThreeWay
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.manifest import MANIFEST_NAME, parse_manifest
from tests.bundles import KINDS, MURA_REGIONS, classifier_of, fields_of, sigmoid, unlike_images
from tests.engines import ENGINES, GRAPH_ENGINES

pytestmark = pytest.mark.keras


def _close(found, expected):
    assert expected.max() > 0
    assert np.abs(found - expected).max() <= 1e-4 * expected.max()


@pytest.mark.parametrize("graph_engine", GRAPH_ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_engines_agree(tiny_bundles, kind, graph_engine):
    bundle = Bundle.load(tiny_bundles(kind))
    batch = unlike_images(bundle.preprocessing.size)
    graph, keras = (make_engine(name, bundle).run(batch) for name in (graph_engine, EngineName.TENSORFLOW))
    labels, grid = len(bundle.labels), bundle.manifest.explanation.grid
    assert graph.probabilities.shape == (len(batch), labels)
    assert graph.class_activations.shape == (len(batch), labels, *grid)
    np.testing.assert_allclose(graph.probabilities, keras.probabilities, atol=1e-4)
    _close(graph.class_activations, keras.class_activations)
    assert graph.features.shape == (len(batch), 16)
    np.testing.assert_allclose(graph.features, keras.features, atol=1e-4)
    for output in (graph, keras):
        assert {a.dtype for a in (output.probabilities, output.class_activations, output.features)} == {np.dtype("f4")}
    # Not the same answer to everything: the kinds are told apart by images that are.
    assert graph.probabilities.std(axis=0).max() > 0.1


def test_features_are_what_the_heads_stand_on(tiny_bundles):
    import keras

    bundle = Bundle.load(tiny_bundles("classes"))
    batch = unlike_images(64)
    extractor = keras.models.load_model(bundle.file("model.keras"), compile=False).feature_extractor()
    output = make_engine(EngineName.ONNXRUNTIME, bundle).run(batch)
    np.testing.assert_allclose(output.features, extractor.predict(batch, verbose=0), atol=1e-5)


@pytest.mark.parametrize("name", GRAPH_ENGINES)
def test_a_graph_of_the_first_release_has_no_features(tiny_bundles, tmp_path, name):
    import onnx

    from networks.bundle import write_manifest

    old = tmp_path / "old"
    shutil.copytree(tiny_bundles("regional"), old)
    whole = onnx.load(str(old / "model.onnx"))
    cut = onnx.utils.Extractor(whole).extract_model(["image"], ["probabilities", "class_activations"])
    onnx.save(cut, str(old / "model.onnx"))
    fields = json.loads((old / MANIFEST_NAME).read_text())
    bundle = write_manifest(old, {name: value for name, value in fields.items() if name not in {"format", "files"}})
    output = make_engine(name, bundle).run(unlike_images(64))
    assert output.features is None
    assert output.probabilities.shape == (9, 6)


def test_marginals_are_sums_of_calibrated_probabilities(tiny_bundles):
    bundle = Bundle.load(tiny_bundles("classes"))
    output = make_engine(EngineName.ONNXRUNTIME, bundle).run(unlike_images(64))
    columns = {label: output.probabilities[:, index] for index, label in enumerate(bundle.labels)}
    for marginal in bundle.manifest.marginals:
        summed = sum(columns[member] for member in marginal.members)
        np.testing.assert_allclose(columns[marginal.label], summed, atol=1e-6)
    np.testing.assert_allclose(sum(columns[region] for region in MURA_REGIONS), 1.0, atol=1e-5)
    assert bundle.finding_labels == ("abnormal",)
    assert bundle.manifest.region_labels == MURA_REGIONS


@pytest.mark.parametrize("name", ENGINES)
def test_each_radiograph_goes_to_its_specialist(tiny_bundles, name):
    """A batch equals the router's answer and, row by row, that of the specialist which the router named."""
    from networks.engines.onnx import OnnxEngine

    bundle = Bundle.load(tiny_bundles("hierarchical"))
    manifest, batch = bundle.manifest, unlike_images(64)
    output = make_engine(name, bundle).run(batch)
    routed = OnnxEngine(bundle, part=manifest.part).run(batch)
    used = set()
    for row in range(len(batch)):
        regions = dict(zip(manifest.part.labels, map(float, routed.probabilities[row]), strict=True))
        route = bundle.route(regions)
        used.add(route.specialist)
        assert route.probability == max(regions.values())
        own = OnnxEngine(bundle, part=manifest.specialist(route.specialist)).run(batch[row : row + 1])
        expected = np.concatenate([own.probabilities[0], routed.probabilities[row]])
        np.testing.assert_allclose(output.probabilities[row], expected, atol=1e-4)
        heat = np.concatenate([own.class_activations[0], routed.class_activations[row]])
        np.testing.assert_allclose(output.class_activations[row], heat, atol=1e-4 * float(heat.max()))
    assert len(used) > 1
    np.testing.assert_allclose(output.features, routed.features, atol=1e-4)


def test_a_specialist_has_its_own_limits(tiny_bundles):
    bundle = Bundle.load(tiny_bundles("hierarchical"))
    elbow, shoulder = (bundle.route({"elbow": a, "hand": 0.0, "shoulder": 1 - a}) for a in (0.9, 0.2))
    assert (elbow.specialist, shoulder.specialist) == ("elbow", "shoulder")
    assert bundle.threshold("fracture", route=elbow) == 0.3
    assert bundle.threshold("fracture", route=shoulder) == 0.5 == bundle.threshold("fracture")
    assert bundle.decide("fracture", 0.4, route=elbow) is Decision.POSITIVE
    assert bundle.decide("fracture", 0.4, route=shoulder) is Decision.NEGATIVE
    assert bundle.conformal("fracture", route=elbow).decide(0.25) is ThreeWay.POSITIVE
    assert bundle.conformal("fracture", route=shoulder).decide(0.25) is ThreeWay.NEGATIVE
    assert bundle.conformal("fracture") is None


def test_an_unsure_router_refers(tmp_path, tiny_bundles):
    document = json.loads((tiny_bundles("hierarchical") / MANIFEST_NAME).read_text())
    document["routing"]["refer_below"] = 0.8
    bundle = Bundle(tmp_path, parse_manifest(json.dumps(document).encode()), "0" * 64)
    sure, unsure = (bundle.route({"elbow": a, "hand": 1 - a, "shoulder": 0.0}) for a in (0.8, 0.79))
    assert (sure.referred, unsure.referred) == (False, True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d["routing"]["specialists"].pop("hand"), "not the labels of the router's head"),
        (lambda d: d["routing"]["specialists"]["hand"]["temperatures"].clear(), "temperatures or thresholds"),
        (lambda d: d["routing"]["specialists"]["hand"].update(thresholds={}), "temperatures or thresholds"),
        (lambda d: d["routing"].update(head="fracture"), "not the labels of the router's head"),
        (
            lambda d: d.update(marginals=[{"label": "m", "head": "region", "members": ["hand"], "role": "region"}]),
            "has no marginals",
        ),
    ],
)
def test_routing_at_odds(tiny_bundles, change, words):
    document = json.loads((tiny_bundles("hierarchical") / MANIFEST_NAME).read_text())
    change(document)
    with pytest.raises(BundleInvalid, match=words):
        parse_manifest(json.dumps(document).encode())


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_networks_that_do_not_fit_together(tmp_path: Path):
    from networks.export import write_hierarchical_bundle

    routed = {"name": "region", "kind": "softmax", "labels": ("elbow", "hand")}
    own = {"temperatures": {"fracture": 1.0}, "thresholds": {"fracture": {"value": 0.5}}}
    fields = fields_of("misfit", [sigmoid("fracture"), routed], size=64, seed=1) | {
        "thresholds": {"fracture": {"value": 0.5}},
        "routing": {"head": "region", "refer_below": 0.5, "specialists": {"elbow": own, "hand": own}},
    }
    router = classifier_of([routed], size=64, seed=1)
    fitting = classifier_of([sigmoid("fracture")], size=64, seed=2)
    for specialists, words in (
        ({"elbow": fitting}, "different regions"),
        ({"elbow": fitting, "hand": classifier_of([sigmoid("abnormal")], size=64, seed=3)}, "heads of"),
        ({"elbow": fitting, "hand": classifier_of([sigmoid("fracture")], size=96, seed=3)}, "another size"),
    ):
        with pytest.raises(BundleInvalid, match=words):
            write_hierarchical_bundle(
                tmp_path / "bundle", router=router, specialists=specialists, fields=fields, model_card=""
            )
