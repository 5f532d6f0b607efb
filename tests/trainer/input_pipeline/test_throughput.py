"""The rates of the input pipeline are measured on its own parts."""

from __future__ import annotations

import time

from networks.preprocessing import Preprocessing
from tests.data import encoded, generated_radiograph
from trainer.datasets import Record
from trainer.input_pipeline.arrays import load_images
from trainer.input_pipeline.throughput import measure_pipeline

SMALL = Preprocessing(size=32)


class Slow:
    """100 batches a second at most."""

    def __init__(self, pixels):
        self.pixels, self.rows = pixels, 0

    def take(self, rows, *, epoch, seed):
        time.sleep(0.01)
        self.rows += len(rows)
        return self.pixels[rows]


def test_rates(tmp_path):
    for index in range(5):
        (tmp_path / f"{index}.png").write_bytes(encoded(generated_radiograph(400, 300, seed=index)))
    records = [Record(tmp_path / f"{index}.png", f"{index}.png", {}) for index in range(5)]
    images = load_images(records, SMALL, cache=tmp_path / "cache")
    slow = Slow(images.pixels)
    began = time.perf_counter()
    speed = measure_pipeline(images, slow, SMALL, batch_size=8, seconds=0.2)
    assert time.perf_counter() - began >= 0.6
    assert 0 < speed.augmented <= 800
    assert slow.rows >= 16
    assert speed.cached > speed.decoded > 0
    assert str(speed).startswith(f"decoding {speed.decoded:.0f} images/s, from the cache ")
