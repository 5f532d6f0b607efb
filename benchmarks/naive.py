"""What one would write first: one synchronous endpoint; `model.predict`, then the textbook Grad-CAM, per request."""

from __future__ import annotations

import io
import os
from typing import Any

import cv2
import keras
import numpy as np
import pydicom
import tensorflow as tf
from fastapi import FastAPI, Response, UploadFile
from PIL import Image

from networks.bundle import KERAS_MODEL, Bundle

bundle = Bundle.load(os.environ["NAIVE_BUNDLE"])
model = keras.saving.load_model(bundle.file(KERAS_MODEL), compile=False)
layer = model.get_layer(bundle.manifest.explanation.layer)
grad_model = keras.Model(model.inputs, [layer.output, model.outputs])
app = FastAPI()


def read(data: bytes) -> np.ndarray:
    if data[128:132] == b"DICM":
        pixels = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype(np.float32)
        return (255 * (pixels - pixels.min()) / max(1.0, float(np.ptp(pixels)))).astype(np.uint8)
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"))


@app.post("/predict")
def predict(file: UploadFile) -> Response:
    """The overlay PNG; the probability in a header."""
    pixels = read(file.file.read())
    batch = bundle.preprocessing.apply(pixels)[0][None]
    outputs: Any = model.predict(batch, verbose=0)
    first = next(iter(outputs.values())) if isinstance(outputs, dict) else outputs
    first = first[0] if isinstance(first, list) else first
    with tf.GradientTape() as tape:
        features, heads = grad_model(tf.convert_to_tensor(batch))
        score = tf.reshape(tf.nest.flatten(heads)[0], (1, -1))[:, 0]
    gradients = tape.gradient(score, features)
    weights = tf.reduce_mean(gradients, axis=(0, 1, 2))
    heat = tf.nn.relu(tf.reduce_sum(features[0] * weights, axis=-1)).numpy()
    heat = heat / heat.max() if heat.max() > 0 else heat
    small = cv2.resize(pixels, (512, 512))
    colour = cv2.applyColorMap((255 * cv2.resize(heat, (512, 512))).astype(np.uint8), cv2.COLORMAP_JET)
    overlay = cv2.addWeighted(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), 0.6, colour, 0.4, 0)
    png = cv2.imencode(".png", overlay)[1].tobytes()
    return Response(png, media_type="image/png", headers={"X-Probability": str(float(np.ravel(first)[0]))})
