"""The yardstick for what durability costs: FastAPI and ONNX Runtime, the same decoding, graph and overlay."""

from __future__ import annotations

import os

import numpy as np
from fastapi import FastAPI, Response, UploadFile

from core.vocabulary import EngineName
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import make_engine
from networks.regions import normalise
from reports.heatmap import encode_heatmap, encode_preview
from reports.overlay import draw_overlay

bundle = Bundle.load(os.environ["BENCHMARK_BUNDLE"])
engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=1)
engine.warm_up([1])
label = bundle.labels.index(bundle.finding_labels[0])
app = FastAPI()


@app.post("/predict")
def predict(file: UploadFile) -> Response:
    """The overlay PNG; the probability in a header."""
    radiograph = decode(file.file.read(), longest_side=bundle.preprocessing.source_longest_side)
    tensor, window = bundle.preprocessing.apply(radiograph.pixels)
    output = engine.run(np.ascontiguousarray(tensor[None]))
    heatmap = encode_heatmap(normalise(output.class_activations[0, label]))
    png = draw_overlay(encode_preview(radiograph.pixels), heatmap, window=window)
    return Response(png, media_type="image/png", headers={"X-Probability": str(output.probabilities[0, label])})
