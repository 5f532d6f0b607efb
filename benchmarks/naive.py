"""What one would write first: one synchronous endpoint; `model.predict`, then the textbook Grad-CAM, per request."""

from __future__ import annotations

import io
import os

import cv2
import keras
import numpy as np
import pydicom
import tensorflow as tf
from fastapi import FastAPI, Response, UploadFile
from numpy.typing import NDArray
from PIL import Image

import networks.classifier  # noqa: F401 - registers the model's class
from networks.bundle import Bundle
from networks.manifest import KERAS_MODEL

bundle = Bundle.load(os.environ["BENCHMARK_BUNDLE"])
model = keras.saving.load_model(bundle.file(KERAS_MODEL), compile=False)
layer = model.get_layer(bundle.manifest.explanation.layer)
head = bundle.finding_labels[0]
grad_model = keras.Model(model.inputs, {"features": layer.output, head: model.output[head]})
app = FastAPI()


def read(data: bytes) -> NDArray[np.uint8]:
    if data[128:132] == b"DICM":
        pixels = pydicom.dcmread(io.BytesIO(data)).pixel_array.astype(np.float32)
        scaled = 255 * (pixels - pixels.min()) / max(1.0, float(np.ptp(pixels)))
        return np.asarray(scaled, dtype=np.uint8)
    return np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=np.uint8)


def grad_cam(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    with tf.GradientTape() as tape:
        outputs = grad_model(tf.convert_to_tensor(batch), training=False)
        score = outputs[head][:, 0]
    weights = tf.reduce_mean(tape.gradient(score, outputs["features"]), axis=(0, 1, 2))
    heat = tf.nn.relu(tf.reduce_sum(outputs["features"][0] * weights, axis=-1)).numpy()
    return np.asarray(heat / heat.max() if heat.max() > 0 else heat, dtype=np.float32)


def overlay(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> bytes:
    small = cv2.resize(pixels, (410, 512), interpolation=cv2.INTER_AREA)
    levels = (255 * cv2.resize(heat, (410, 512))).astype(np.uint8)
    blended = cv2.addWeighted(
        cv2.cvtColor(small, cv2.COLOR_GRAY2BGR), 0.6, cv2.applyColorMap(levels, cv2.COLORMAP_JET), 0.4, 0
    )
    return cv2.imencode(".png", blended)[1].tobytes()


@app.post("/predict")
def predict(file: UploadFile) -> Response:
    """The overlay PNG; the probability in a header."""
    pixels = read(file.file.read())
    batch = bundle.preprocessing.apply(pixels)[0][None]
    probability = float(model.predict(batch, verbose=0)[head][0, 0])
    png = overlay(pixels, grad_cam(batch))
    return Response(png, media_type="image/png", headers={"X-Probability": str(probability)})
