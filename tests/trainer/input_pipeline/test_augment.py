"""Random changes of training images: the edges of a plate."""

from __future__ import annotations

import numpy as np

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
