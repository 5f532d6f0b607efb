"""Writing a Bundle: the Keras model, the serving graph with Grad-CAM in it, and the manifest."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf
import tf2onnx

from core.errors import BundleInvalid
from core.vocabulary import DISCLAIMER
from networks.bundle import MODEL_CARD, Bundle, write_manifest
from networks.classifier import FEATURES, RadiographClassifier
from networks.engines.engine import OUTPUTS
from networks.engines.onnx import session_options
from networks.grad_cam import ExplainedClassifier
from networks.manifest import KERAS_MODEL, SERVING_GRAPH, Head, Marginal, findings_of, labels_of

OPSET = 18
INPUT = "image"
# Findings that are explained when a client names none; of fourteen it must name those it wants beyond the first.
DEFAULT_EXPLAINED = 3


def export_graph(
    classifier: RadiographClassifier,
    file: Path,
    *,
    temperatures: Mapping[str, float],
    marginals: Sequence[Marginal] = (),
) -> None:
    """Write the ONNX graph: one input (n, size, size, 1) uint8, n free; outputs as `ExplainedClassifier` gives them.

    Raises BundleInvalid where the exported graph is not of that form or disagrees with the Keras model.
    """
    explained = ExplainedClassifier(classifier, temperatures=temperatures, marginals=marginals)
    signature = [tf.TensorSpec((None, classifier.size, classifier.size, 1), tf.uint8, name=INPUT)]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator, unused-ignore]
    def serve(image: Any) -> dict[str, Any]:
        return {name: tf.identity(value, name=name) for name, value in explained(image).items()}

    model, _ = tf2onnx.convert.from_function(serve, input_signature=signature, opset=OPSET)
    _name_outputs(model)
    onnx.checker.check_model(model)
    if len(model.graph.input) != 1 or {output.name for output in model.graph.output} != set(OUTPUTS):
        raise BundleInvalid("the exported graph has other inputs or outputs than intended")
    onnx.save(model, str(file))
    _assert_agreement(explained, file, size=classifier.size)


def write_bundle(
    folder: Path, classifier: RadiographClassifier, *, fields: Mapping[str, Any], model_card: str
) -> Bundle:
    """Write a whole Bundle into `folder`, which is emptied first, and return it verified.

    `fields` are the manifest's but for `files`, `disclaimer` and `explanation` (which may be given); its heads'
    temperatures and its marginals go into the graph.
    """
    _empty(folder)
    temperatures = {head["name"]: head.get("temperature", 1.0) for head in fields["heads"]}
    marginals = [Marginal.model_validate(marginal) for marginal in fields.get("marginals", ())]
    grid = _write_part(
        folder, classifier, files=(KERAS_MODEL, SERVING_GRAPH), temperatures=temperatures, marginals=marginals
    )
    return _write_manifest(folder, fields, grid=grid, model_card=model_card)


def write_hierarchical_bundle(
    folder: Path,
    *,
    router: RadiographClassifier,
    specialists: Mapping[str, RadiographClassifier],
    fields: Mapping[str, Any],
    model_card: str,
) -> Bundle:
    """Write a Bundle of a router and one specialist a region into `folder`, which is emptied first.

    `router` has one softmax head, whose labels are the regions; `specialists` all have the same other heads. `fields`
    are as in `write_bundle`: its `heads` are the specialists' heads and the router's (with its temperature), its
    `thresholds` hold for no region in particular, and its `routing` is {"head": the router's, "refer_below": p,
    "specialists": {region: {"temperatures": {head: T}, "thresholds": {…}, "conformal": {…}}}}; the names of the files
    are filled in here. Specialists are written one after another, so a mapping that loads each when asked for it holds
    one at a time. Raises BundleInvalid where the networks do not fit together.
    """
    _empty(folder)
    routing = dict(fields["routing"])
    if set(routing["specialists"]) != set(specialists):
        raise BundleInvalid("the routing and the specialists name different regions")
    temperatures = {head["name"]: head.get("temperature", 1.0) for head in fields["heads"]}
    described = tuple(Head.model_validate(head) for head in fields["heads"])
    _require_heads(router, [head for head in described if head.name == routing["head"]])
    grid = _write_part(folder, router, files=(KERAS_MODEL, SERVING_GRAPH), temperatures=temperatures)
    written = {}
    for region in specialists:
        classifier, own = specialists[region], routing["specialists"][region]
        _require_heads(classifier, [head for head in described if head.name != routing["head"]])
        if classifier.size != router.size:
            raise BundleInvalid(f"the specialist of {region} takes another size than the router")
        files = (f"specialist-{region}.keras", f"specialist-{region}.onnx")
        if _write_part(folder, classifier, files=files, temperatures=own["temperatures"]) != grid:
            raise BundleInvalid(f"the heatmaps of the specialist of {region} have another grid than the router's")
        written[region] = {**own, "keras_model": files[0], "serving_graph": files[1]}
    routing["specialists"] = written
    return _write_manifest(folder, {**fields, "routing": routing}, grid=grid, model_card=model_card)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _require_heads(classifier: RadiographClassifier, heads: Sequence[Head]) -> None:
    found = [(head.name, head.kind, head.labels) for head in classifier.heads]
    if found != [(head.name, head.kind, head.labels) for head in heads]:
        raise BundleInvalid(f"the heads of {classifier.name} are not those that the manifest describes")


def _write_part(
    folder: Path,
    classifier: RadiographClassifier,
    *,
    files: tuple[str, str],
    temperatures: Mapping[str, float],
    marginals: Sequence[Marginal] = (),
) -> tuple[int, int]:
    """Write one network as (Keras model, serving graph); the (rows, columns) of its heatmaps."""
    # Rebuilt from its config: without the optimizer's state, and with every layer trainable again.
    clean = RadiographClassifier.from_config({**classifier.get_config(), "trainable": True})
    clean.set_weights(classifier.get_weights())
    clean.save(folder / files[0])
    export_graph(clean, folder / files[1], temperatures=temperatures, marginals=marginals)
    rows, columns = clean.get_layer(FEATURES).output.shape[1:3]
    return rows, columns


def _write_manifest(folder: Path, fields: Mapping[str, Any], *, grid: tuple[int, int], model_card: str) -> Bundle:
    (folder / MODEL_CARD).write_text(model_card, encoding="utf-8")
    heads = [Head.model_validate(head) for head in fields["heads"]]
    marginals = [Marginal.model_validate(marginal) for marginal in fields.get("marginals", ())]
    labels = labels_of(heads, marginals)
    default = (findings_of(heads, marginals) or labels[:1])[:DEFAULT_EXPLAINED]
    explanation = {"layer": FEATURES, "grid": grid, "labels": labels, "default": default}
    return write_manifest(folder, {"disclaimer": DISCLAIMER, "explanation": explanation, **fields})


def _name_outputs(model: onnx.ModelProto) -> None:
    """tf2onnx names outputs `Identity:0` and so on, in the order of their names; give them the names themselves."""
    for output, wanted in zip(model.graph.output, sorted(OUTPUTS), strict=True):
        if output.name == wanted:
            continue
        for node in model.graph.node:
            node.output[:] = [wanted if name == output.name else name for name in node.output]
            node.input[:] = [wanted if name == output.name else name for name in node.input]
        output.name = wanted


def _assert_agreement(explained: ExplainedClassifier, file: Path, *, size: int) -> None:
    """The graph must give what Keras gives, for two different images at once and for one."""
    random = np.random.default_rng(0)
    batch = random.integers(0, 256, (2, size, size, 1), dtype=np.uint8)
    expected = {name: keras.ops.convert_to_numpy(value) for name, value in explained(batch).items()}
    session = onnxruntime.InferenceSession(str(file), session_options(threads=1), providers=["CPUExecutionProvider"])
    for images, rows in ((batch, slice(0, 2)), (batch[1:], slice(1, 2))):
        for name, value in zip(OUTPUTS, session.run(OUTPUTS, {session.get_inputs()[0].name: images}), strict=True):
            tolerance = 1e-4 * max(1e-6, float(np.abs(expected[name]).max()))
            if not np.allclose(value, expected[name][rows], rtol=0, atol=tolerance):
                raise BundleInvalid(f"the exported graph's {name} differ from the Keras model's")
