"""A tiny Bundle with random weights, its engine, and generated images seen by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.vocabulary import EngineName
from networks.bundle import Bundle
from networks.engines import Engine, make_engine
from tests.bundles import tiny_bundle
from tests.data import encoded, generated_radiograph
from trainer.datasets import Record
from trainer.trust.observation import Observation, observe

Pixels = NDArray[np.uint8]
Seeing = Callable[[list[Pixels]], Observation]


@pytest.fixture(scope="package")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle") / "tiny")


@pytest.fixture(scope="package")
def engine(bundle: Bundle) -> Engine:
    return make_engine(EngineName.ONNXRUNTIME, bundle)


@pytest.fixture(scope="package")
def see(bundle: Bundle, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Seeing:
    """Images written as files and seen as a trainer sees them; every second one is fractured."""

    def seen(images: list[Pixels]) -> Observation:
        folder = tmp_path_factory.mktemp("images")
        return observe(bundle, engine, [_record(folder / f"{i}.png", pixels, i) for i, pixels in enumerate(images)])

    return seen


def bones(count: int, *, seed: int, rows: int = 120, columns: int = 90) -> list[Pixels]:
    """Generated radiographs, all different."""
    return [generated_radiograph(rows, columns, seed=1000 * seed + index) for index in range(count)]


def _record(file: Path, pixels: Pixels, index: int) -> Record:
    file.write_bytes(encoded(pixels))
    columns = {"fractured": str(index % 2), "region": "leg", "hardware": str(int(index % 3 == 0))}
    return Record(file=file, name=file.name, columns=columns, group=str(index // 2))
