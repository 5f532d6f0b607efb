"""The shipped Bundle's sanity on real radiographs of `pydicom-data` that it was not fitted to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.vocabulary import EngineName, SanityFlag
from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import Engine, make_engine
from networks.sanity import SanityModel, SanityVerdict
from tests.data import pydicom_file

DEFAULT = Path(__file__).parents[2] / "bundles" / "default"


@pytest.fixture(scope="module")
def default() -> tuple[Bundle, Engine, SanityModel]:
    bundle = Bundle.load(DEFAULT)
    model = SanityModel.load(bundle)
    if model is None:
        pytest.skip("the shipped Bundle was exported before there were sanity scores")
    return bundle, make_engine(EngineName.ONNXRUNTIME, bundle), model


def verdict(default: tuple[Bundle, Engine, SanityModel], pixels: NDArray[np.uint8]) -> SanityVerdict:
    bundle, engine, model = default
    tensor, window = bundle.preprocessing.apply(pixels)
    features = engine.run(tensor[None]).features
    assert features is not None
    rows, columns = pixels.shape
    return model.judge(features[0], tensor, window=window, rows=rows, columns=columns)


def read(name: str, bundle: Bundle) -> NDArray[np.uint8]:
    return decode(pydicom_file(name).read_bytes(), longest_side=bundle.preprocessing.source_longest_side).pixels


def test_a_lower_leg_is_accepted(default: tuple[Bundle, Engine, SanityModel]) -> None:
    """Of all sanity flags none, though the plate beside the leg is bright."""
    assert verdict(default, read("RG3_UNCR.dcm", default[0])).accepted


def test_a_chest_is_of_no_supported_region(default: tuple[Bundle, Engine, SanityModel]) -> None:
    raised = {found.flag for found in verdict(default, read("RG1_UNCR.dcm", default[0])).raised}
    assert SanityFlag.UNSUPPORTED_REGION in raised


def test_noise_and_tiny_images_are_refused(default: tuple[Bundle, Engine, SanityModel]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (400, 300), dtype=np.uint8)
    assert SanityFlag.NOT_RADIOGRAPH in {found.flag for found in verdict(default, noise).raised}
    leg = np.ascontiguousarray(read("RG3_UNCR.dcm", default[0])[::32, ::32])
    assert SanityFlag.TOO_SMALL in {found.flag for found in verdict(default, leg).raised}
