"""Random changes of training images: the edges of a plate, and what files do to pictures."""

from __future__ import annotations

import numpy as np
import pytest

from networks.image_statistics import exposed
from tests.data import generated_radiograph
from trainer.input_pipeline.augment import augment
from trainer.recipes.phases import Augmentation

SIZE, PAD = 96, 0


def letterboxed() -> np.ndarray:
    """(SIZE, SIZE, 1): dark air about a bone, in the middle of a letterbox."""
    image = np.full((SIZE, SIZE, 1), PAD, np.uint8)
    part = np.pad(generated_radiograph(76, 40), ((0, 0), (10, 10)), constant_values=25)
    image[10:86, 18:78, 0] = part
    return image


def changed(seed: int, **values: float) -> np.ndarray:
    return augment(letterboxed(), Augmentation(**values), random=np.random.default_rng(seed), pad=PAD)


def test_a_plate_has_bright_edges_within_the_picture():
    plain = letterboxed()
    for seed in range(20):
        image = changed(seed, plate=0.999)
        differs = image != plain
        assert differs.any()
        assert image[differs].min() >= 190
        assert not differs[:10].any()  # the letterbox stays
        assert not differs[:, :18].any()
        assert differs.mean() < 0.25
        # What sanity takes for the unexposed edges is what was put there.
        assert (exposed(image[10:86, 18:78, 0]) == 0)[differs[10:86, 18:78, 0]].mean() > 0.4


def test_its_share_of_the_images_has_one_and_the_others_are_as_before():
    plain = letterboxed()
    with_plate = sum(bool((changed(seed, plate=0.25) != plain).any()) for seed in range(400))
    assert 70 <= with_plate <= 130
    assert np.array_equal(changed(1), plain)
    assert np.array_equal(changed(3, rotation=15), changed(3, rotation=15, plate=1e-12))


def test_the_same_seed_gives_the_same_plate():
    assert np.array_equal(changed(5, plate=0.999), changed(5, plate=0.999))


@pytest.mark.parametrize(("change", "most"), [("resample", 12), ("jpeg", 12), ("exposure", 90)])
def test_what_files_do_changes_a_little_of_the_picture_and_nothing_of_the_letterbox(change: str, most: float):
    plain = letterboxed().astype(int)
    apart = []
    for seed in range(20):
        image = changed(seed, **{change: 0.999 if change != "exposure" else 0.4}).astype(int)
        assert (image[:10] == PAD).all()
        assert (image[:, :18] == PAD).all()
        difference = np.abs(image - plain)[10:86, 18:78]
        assert difference.mean() < most
        apart.append(difference.mean())
    assert np.ptp(apart) > 0  # more or less of it
    assert min(apart) >= 0
    assert max(apart) > 0.5


def test_an_exposure_keeps_the_order_of_grey_values_and_both_ends():
    ramp = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    for seed in range(10):
        table = augment(ramp, Augmentation(exposure=0.5), random=np.random.default_rng(seed), pad=0).ravel().astype(int)
        assert (table[0], table[255]) == (0, 255)
        assert (np.diff(table) >= 0).all()


def test_all_together_from_one_seed():
    asked = {"plate": 0.5, "resample": 0.5, "jpeg": 0.5, "exposure": 0.3, "rotation": 10.0}
    assert np.array_equal(changed(5, **asked), changed(5, **asked))
    assert np.array_equal(changed(3, rotation=15), changed(3, rotation=15, resample=1e-12, jpeg=1e-12))
