"""Statistics of the picture: what they are the same for, and what they tell apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from networks.image_statistics import STATISTICS, blurredness, covered, exposed, picture_statistics
from networks.preprocessing import Preprocessing
from tests.data import generated_radiograph


def seen(pixels: np.ndarray, *, size: int = 128, pad: int = 0) -> np.ndarray:
    return picture_statistics(*Preprocessing(size=size, pad=pad).apply(pixels))


def test_they_are_as_many_and_finite_for_any_image() -> None:
    strips = [np.zeros((1, 200), np.uint8), np.full((300, 2), 255, np.uint8), np.zeros((40, 40), np.uint8)]
    for pixels in [generated_radiograph(), *strips]:
        for size in (32, 288):
            found = seen(pixels, size=size)
            assert found.shape == (STATISTICS,)
            assert found.dtype == np.float32
            assert np.isfinite(found).all()


def test_mirror_images_and_the_letterbox_change_nothing() -> None:
    pixels = generated_radiograph(256, 192)
    plain = seen(pixels)
    assert seen(pixels, pad=200) == pytest.approx(plain, abs=1e-5)
    for mirrored in (pixels[::-1], pixels[:, ::-1]):
        assert seen(np.ascontiguousarray(mirrored)) == pytest.approx(plain, abs=0.15)


def test_an_inverted_image_is_another() -> None:
    pixels = generated_radiograph(256, 192)
    assert np.abs(seen(255 - pixels) - seen(pixels)).max() > 1


def test_blurred_images_are_more_blurred_and_contrast_is_not_blur() -> None:
    sharp = generated_radiograph(256, 192)
    degrees = [blurredness(cv2.GaussianBlur(sharp, (0, 0), sigma)) for sigma in (0.01, 1, 2, 4)]
    assert degrees == sorted(degrees)
    assert degrees[-1] > degrees[0] + 0.7
    assert blurredness(sharp // 2) == pytest.approx(blurredness(sharp), abs=0.25)
    assert blurredness(np.full((50, 50), 90, np.uint8)) == 0.0


def test_the_covered_part_is_the_radiograph() -> None:
    pixels = np.full((100, 50), 9, np.uint8)
    tensor, window = Preprocessing(size=64, pad=3).apply(pixels)
    assert covered(tensor, window).shape == (64, 32)
    assert (covered(tensor, window) == 9).all()


def plate(pixels: np.ndarray, *, left: int, right: int = 0, top: int = 0) -> np.ndarray:
    """The radiograph with dark air about it, and bright strips of these depths at its sides."""
    framed = np.pad(pixels, 8, constant_values=20)
    framed[:top] = 250
    framed[:, :left] = 250
    framed[:, framed.shape[1] - right :] = 250
    return framed


@pytest.mark.parametrize("depths", [{"left": 30}, {"left": 60, "right": 50}, {"left": 40, "right": 40, "top": 30}])
def test_an_unexposed_edge_is_dark_for_them(depths: dict[str, int]) -> None:
    bone = np.pad(generated_radiograph(256, 192), 60, constant_values=20)
    shown = plate(bone, **depths)
    found = exposed(shown)
    assert found[:, : depths["left"]].max() == 0
    kept = (slice(depths.get("top", 0), None), slice(depths["left"], shown.shape[1] - depths.get("right", 0)))
    assert np.array_equal(found[kept], shown[kept])
    assert seen(shown) == pytest.approx(seen(found), abs=0.15)


def test_what_is_dense_or_inverted_is_no_unexposed_edge() -> None:
    bone = np.pad(generated_radiograph(256, 192), 30, constant_values=20)
    trunk = np.full((200, 150), 220, np.uint8)
    for pixels in (bone, 255 - bone, trunk, np.zeros((1, 40), np.uint8), np.full((3, 3), 255, np.uint8)):
        assert np.array_equal(exposed(pixels), pixels)
