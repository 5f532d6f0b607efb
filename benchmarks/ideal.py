"""The ideal worker: decode, preprocess, infer with Grad-CAM, cut regions and encode what is stored, in a bare loop.

A process of its own: each line of its input is a number of images to do; it answers with the seconds that they took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from core.settings import limit_threads

BATCH = 8


def run(bundle_folder: Path, inputs: Path) -> None:
    """Serve standard input with the files of the folder `inputs`, which are kept in memory."""
    limit_threads(1)
    import numpy as np  # noqa: PLC0415 - after the threads are limited

    from core.vocabulary import EngineName  # noqa: PLC0415
    from imaging.decode import decode  # noqa: PLC0415
    from networks.bundle import Bundle  # noqa: PLC0415
    from networks.engines import make_engine  # noqa: PLC0415
    from networks.regions import normalise, regions_of_interest  # noqa: PLC0415
    from reports.heatmap import encode_heatmap, encode_preview  # noqa: PLC0415

    bundle = Bundle.load(bundle_folder)
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=1)
    files = [path.read_bytes() for path in sorted(inputs.iterdir())]
    preprocessing, label = bundle.preprocessing, bundle.labels.index(bundle.finding_labels[0])

    def batch(first: int, count: int) -> None:
        radiographs, tensors = [], []
        for index in range(first, first + count):
            radiograph = decode(files[index % len(files)], longest_side=preprocessing.source_longest_side)
            radiographs.append((radiograph, *preprocessing.apply(radiograph.pixels)))
            tensors.append(radiographs[-1][1])
        activations = engine.run(np.stack(tensors)).class_activations
        for (radiograph, _, window), activation in zip(radiographs, activations, strict=True):
            heatmap = normalise(activation[label])
            regions_of_interest(heatmap, window=window, rows=radiograph.rows, columns=radiograph.columns)
            encode_heatmap(heatmap)
            encode_preview(radiograph.pixels)

    batch(0, BATCH)
    answer("ready")
    for line in sys.stdin:
        count, started = int(line), time.perf_counter()
        for first in range(0, count, BATCH):
            batch(first, min(BATCH, count - first))
        answer(str(time.perf_counter() - started))


def answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
