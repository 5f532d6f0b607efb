"""What both peers do of a radiograph, as their user would write it: decode, letterbox, the same graph, the overlay."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
import onnxruntime
import pydicom

SIDE = 512


class Network:
    """The Bundle's serving graph, on one thread."""

    def __init__(self) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(os.environ["BENCHMARK_GRAPH"], options)
        self._input = self._session.get_inputs()[0]
        self.size = int(os.environ["BENCHMARK_SIZE"])
        self.label = int(os.environ["BENCHMARK_LABEL"])

    def run(self, batch: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and heatmaps of one label, of (n, size, size, 1) uint8."""
        outputs = self._session.run(["probabilities", "class_activations"], {self._input.name: batch})
        return outputs[0][:, self.label], outputs[1][:, self.label]


def read(data: bytes) -> np.ndarray:
    """(h, w) uint8, of at most SIDE pixels."""
    if data[128:132] == b"DICM":
        pixels = pydicom.dcmread(io.BytesIO(data)).pixel_array
    else:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    scale = SIDE / max(pixels.shape)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32)
    spread = max(1.0, float(np.ptp(small)))
    return ((small - small.min()) * (255 / spread)).astype(np.uint8)


def tensor(pixels: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 1) uint8: letterboxed."""
    scale = size / max(pixels.shape)
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)[:size, :size]
    framed = np.zeros((size, size, 1), np.uint8)
    top, left = ((size - side) // 2 for side in small.shape)
    framed[top : top + small.shape[0], left : left + small.shape[1], 0] = small
    return framed


def overlay(pixels: np.ndarray, heat: np.ndarray) -> bytes:
    """A PNG of the radiograph with the heatmap over it."""
    rows, columns = pixels.shape
    side = max(rows, columns)
    levels = (255 * heat / max(float(heat.max()), 1e-9)).astype(np.uint8)
    top, left = (side - rows) // 2, (side - columns) // 2
    whole = cv2.resize(levels, (side, side))[top : top + rows, left : left + columns]
    coloured = cv2.applyColorMap(whole, cv2.COLORMAP_JET)
    blended = cv2.addWeighted(cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), 0.6, coloured, 0.4, 0)
    return cv2.imencode(".png", blended)[1].tobytes()
