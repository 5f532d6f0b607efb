"""The ideal worker: decode, preprocess, infer with Grad-CAM and encode the heatmap in a bare loop, one process a core."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from core.settings import limit_threads


def run(bundle_folder: Path, inputs: Path, count: int) -> float:
    """Seconds for `count` images out of the folder `inputs`."""
    limit_threads(1)
    import numpy as np

    from core.vocabulary import EngineName
    from imaging.decode import decode
    from networks.bundle import Bundle
    from networks.engines import make_engine
    from networks.regions import normalise
    from reports.heatmap import encode_heatmap

    bundle = Bundle.load(bundle_folder)
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=1)
    engine.warm_up([8])
    files = [path.read_bytes() for path in sorted(inputs.iterdir())]
    label = bundle.labels.index(bundle.finding_labels[0])

    def batch(first: int) -> None:
        tensors = []
        for index in range(first, first + 8):
            radiograph = decode(files[index % len(files)], longest_side=bundle.preprocessing.source_longest_side)
            tensors.append(bundle.preprocessing.apply(radiograph.pixels)[0])
        for activation in engine.run(np.stack(tensors)).class_activations:
            encode_heatmap(normalise(activation[label]))

    batch(0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    started = time.perf_counter()
    for first in range(0, count, 8):
        batch(first)
    return time.perf_counter() - started


if __name__ == "__main__":
    seconds = run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(f"{seconds}\n")
