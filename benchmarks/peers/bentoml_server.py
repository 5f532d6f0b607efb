"""BentoML: `bentoml serve bentoml_server:Radiographs`. Two processes, image by image, which costs less on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import bentoml
import numpy as np
from bentoml.validators import ContentType
from radiograph import Network, overlay, read, tensor


@bentoml.service(workers=2)
class Radiographs:
    def __init__(self) -> None:
        self.network = Network()

    @bentoml.api(route="/predict")
    def predict(self, file: Path, context: bentoml.Context) -> Annotated[Path, ContentType("image/png")]:
        pixels = read(file.read_bytes())
        _, heatmaps = self.network.run(np.ascontiguousarray(tensor(pixels, self.network.size)[None]))
        target = Path(context.temp_dir) / "overlay.png"
        target.write_bytes(overlay(pixels, heatmaps[0]))
        return target
