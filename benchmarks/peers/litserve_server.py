"""LitServe: `python litserve_server.py PORT`. Two processes, batches of at most 16.

A file comes as base64 in JSON, as in its own examples: what came as a form does not reach its workers (0.2.19).
"""

from __future__ import annotations

import base64
import sys

import litserve
import numpy as np
from fastapi import Response
from radiograph import Network, overlay, read, tensor


class Radiographs(litserve.LitAPI):
    def setup(self, device: str) -> None:  # noqa: ARG002
        self.network = Network()

    def decode_request(self, request: dict[str, str]) -> np.ndarray:
        return read(base64.b64decode(request["file"]))

    def batch(self, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return inputs

    def predict(self, inputs: list[np.ndarray]) -> list[bytes]:
        _, heatmaps = self.network.run(np.stack([tensor(one, self.network.size) for one in inputs]))
        return [overlay(one, heat) for one, heat in zip(inputs, heatmaps, strict=True)]

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        return output

    def encode_response(self, output: bytes) -> Response:
        return Response(output, media_type="image/png")


if __name__ == "__main__":
    server = litserve.LitServer(
        Radiographs(max_batch_size=16, batch_timeout=0.005), accelerator="cpu", workers_per_device=2
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
