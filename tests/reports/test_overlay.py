from __future__ import annotations

import cv2
import numpy as np
import pytest

from core.errors import ImageInvalid
from reports.heatmap import encode_heatmap, encode_preview
from reports.overlay import blended, colour_bar_of, colours, draw_overlay, draw_radiograph, strength
from tests.data import generated_radiograph

WHOLE = (0.0, 0.0, 1.0, 1.0)
PREVIEW = encode_preview(generated_radiograph(512, 400))


def drawn(heatmap: np.ndarray, **options: object) -> np.ndarray:
    png = draw_overlay(PREVIEW, encode_heatmap(heatmap), window=WHOLE, **options)
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).astype(int)


def test_high_is_red_low_is_blue_and_nothing_stays_the_radiograph() -> None:
    heatmap = np.zeros((8, 9), np.float32)
    heatmap[:, 3:6], heatmap[:, 6:] = 0.15, 1
    picture = drawn(heatmap, colour_bar=False)
    blue, _, red = picture.transpose(2, 0, 1)
    assert (red - blue)[:, 350:].mean() > 20
    assert (blue - red)[:, 170:230].mean() > 20
    grey = cv2.imdecode(np.frombuffer(PREVIEW, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert (picture[:, :60] == grey[:, :60, None]).all()


def test_a_heatmap_of_zeros_leaves_the_radiograph() -> None:
    picture = drawn(np.zeros((8, 8), np.float32), colour_bar=False)
    grey = cv2.imdecode(np.frombuffer(PREVIEW, np.uint8), cv2.IMREAD_GRAYSCALE)
    assert (picture == grey[:, :, None]).all()


def test_regions_are_in_pixels_of_the_full_image_and_the_bar_is_beside() -> None:
    region = {"x": 800, "y": 400, "width": 400, "height": 400, "score": 0.9}
    plain = drawn(np.zeros((8, 8), np.float32))
    boxed = drawn(np.zeros((8, 8), np.float32), regions=[region], rows=2048, columns=1600)
    assert plain.shape == (512, 464, 3)
    changed = np.argwhere((plain != boxed).any(axis=2))
    assert changed.min(axis=0)[1] in range(195, 203)
    assert changed.max(axis=0)[0] in range(196, 204)


def test_the_radiograph_alone() -> None:
    picture = cv2.imdecode(np.frombuffer(draw_radiograph(PREVIEW), np.uint8), cv2.IMREAD_UNCHANGED)
    assert (picture == cv2.imdecode(np.frombuffer(PREVIEW, np.uint8), cv2.IMREAD_GRAYSCALE)).all()
    with pytest.raises(ImageInvalid):
        draw_radiograph(b"no picture")


def test_colours_are_mixed_as_written() -> None:
    """Grey and colour by weight, to the pixel: pictures of one heatmap stay the same ones."""
    rng = np.random.default_rng(3)
    grey = rng.integers(0, 256, (37, 41)).astype(np.uint8)
    heat = rng.random((37, 41)).astype(np.float32)
    for opacity in (0.0, 0.3, 0.4, 1.0):
        weight = opacity * strength(heat)[:, :, None]
        mixed = grey[:, :, None] * (1 - weight) + colours(heat) * weight
        assert (blended(grey, heat, opacity) == np.rint(mixed).astype(np.uint8)).all()


def test_a_colour_bar_is_drawn_once() -> None:
    bar = colour_bar_of(150)
    assert colour_bar_of(150) is bar
    assert not bar.flags.writeable
