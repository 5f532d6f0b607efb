"""Where tests find their inputs: generated radiographs, `pydicom-data`, and the optional shared data set folder."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from core.settings import load_settings


def shared(relative: str) -> Path:
    """An absolute path below the setting LUCENCY_DATA, good to link to; the test is skipped where it is absent."""
    path = load_settings().data.resolve() / relative
    if not path.exists():
        pytest.skip(f"{relative} is not there (LUCENCY_DATA={load_settings().data})")
    return path


def pydicom_file(name: str) -> Path:
    """A file of the `pydicom-data` wheel, without pydicom's own lookup, which may download."""
    spec = importlib.util.find_spec("data_store")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0]) / "data" / name
    assert path.exists(), f"pydicom-data has no {name}"
    return path


def generated_radiograph(rows: int = 640, columns: int = 480, *, seed: int = 0) -> NDArray[np.uint8]:
    """(rows, columns) uint8: a bright shaft with a dark gap on a dim, noisy gradient; the same for the same seed."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    centre = columns / 2 + columns / 20 * np.sin(y / rows * np.pi)
    shaft = np.exp(-(((x - centre) / (columns / 9)) ** 2))
    gap = 1 - 0.7 * np.exp(-(((y - rows * random.uniform(0.3, 0.7) - (x - centre) * 0.4) / (rows / 60)) ** 2))
    picture = 35 + 30 * x / columns + 165 * shaft * gap + random.normal(0, 3, (rows, columns))
    return np.clip(picture, 0, 255).astype(np.uint8)


def encoded(pixels: NDArray[np.uint8], kind: str = "PNG", **options: object) -> bytes:
    """`pixels` as a PNG or JPEG file."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
