"""The ideal worker: decode, preprocess, judge the input, infer with Grad-CAM image by image, in a bare loop.

What a worker must do of an image, and nothing else: it keeps, encodes and tells nothing. It is the yardstick of
`worker ÷ ideal` and stays as it is, whatever the worker saves. A process of its own: each line of its input is a number
of images to do; it answers with the seconds that they took.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from core.settings import limit_threads


def run(bundle_folder: Path, inputs: Path) -> None:
    """Serve standard input with the files of the folder `inputs`, which are kept in memory."""
    limit_threads(1)
    from core.vocabulary import EngineName  # noqa: PLC0415 - after the threads are limited
    from imaging.decode import decode  # noqa: PLC0415
    from networks.bundle import Bundle  # noqa: PLC0415
    from networks.engines import make_engine  # noqa: PLC0415
    from networks.sanity import SanityModel  # noqa: PLC0415

    bundle = Bundle.load(bundle_folder)
    engine = make_engine(EngineName.ONNXRUNTIME, bundle, threads=1)
    sanity = SanityModel.load(bundle)
    files = [path.read_bytes() for path in sorted(inputs.iterdir())]
    preprocessing = bundle.preprocessing

    def one(index: int) -> None:
        radiograph = decode(files[index % len(files)], longest_side=preprocessing.source_longest_side)
        tensor, window = preprocessing.apply(radiograph.pixels)
        output = engine.run(tensor[None])
        if sanity is not None and output.features is not None:
            sanity.judge(output.features[0], tensor, window=window, rows=radiograph.rows, columns=radiograph.columns)

    one(0)
    answer("ready")
    for line in sys.stdin:
        count, started = int(line), time.perf_counter()
        for index in range(count):
            one(index)
        answer(str(time.perf_counter() - started))


def answer(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
