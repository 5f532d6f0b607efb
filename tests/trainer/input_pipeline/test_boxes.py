"""Boxes: how they are read, and where they lie after an image was warped and laid on a grid."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from core.errors import DataInvalid
from networks.preprocessing import Preprocessing
from trainer.datasets import Record
from trainer.input_pipeline.augment import warp_matrix
from trainer.input_pipeline.boxes import Box, boxes_of, coverage, on_input, read_boxes, warped
from trainer.recipes.phases import Augmentation

SIZE = 128


def test_a_label_file_gives_its_boxes_cut_to_the_image(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("0 0.5 0.25 0.2 0.1\n\n0 0.95 0.5 0.2 1.0\n")
    first, second = read_boxes(file)
    assert (first.left, first.top, first.right, first.bottom) == pytest.approx((0.4, 0.2, 0.6, 0.3))
    assert second == Box(0.85, 0.0, 1.0, 1.0)


@pytest.mark.parametrize("line", ["0 0.5 0.5 0.1", "0 a b c d", "0 nan 0.5 0.1 0.1", "0 0.5 0.5 0 0.1"])
def test_what_is_no_box_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.txt").write_text(line)
    with pytest.raises(DataInvalid, match=r"a\.txt"):
        read_boxes(tmp_path / "a.txt")


def test_boxes_are_found_by_the_images_name(tmp_path: Path) -> None:
    (tmp_path / "IMG1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    records = [Record(Path(f"x/{name}.jpg"), name, {}) for name in ("IMG1", "IMG2")]
    assert [len(boxes) for boxes in boxes_of(records, tmp_path)] == [1, 0]
    with pytest.raises(DataInvalid):
        boxes_of(records, tmp_path / "none")


def test_a_box_lies_over_what_it_surrounds() -> None:
    """A white square in a wide image, letterboxed, is where its box is; and after each warp, too."""
    image = np.zeros((60, 120), dtype=np.uint8)
    image[20:32, 70:86] = 255
    pixels, window = Preprocessing(size=SIZE).apply(image)
    (placed,) = on_input([Box(70 / 120, 20 / 60, 86 / 120, 32 / 60)], window, size=SIZE)
    assert placed == pytest.approx(_extent(pixels[:, :, 0]), abs=1.5)
    spec = Augmentation(horizontal_flip=True, vertical_flip=True, rotation=15, zoom=0.15, shift=0.05, crop_pad=0.1)
    for seed in range(20):
        matrix = warp_matrix(spec, size=SIZE, random=np.random.default_rng(seed))
        moved = cv2.warpAffine(pixels[:, :, 0], matrix, (SIZE, SIZE))
        (box,) = warped(placed[None], matrix)
        left, top, right, bottom = _extent(moved)
        assert [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2] == pytest.approx(
            [(left + right) / 2, (top + bottom) / 2], abs=2.0
        )
        area = (box[2] - box[0]) * (box[3] - box[1])
        assert area == pytest.approx((moved > 127).sum(), rel=0.2)


def test_coverage_sums_to_one_and_lies_at_the_box() -> None:
    covered = coverage(np.array([[32.0, 64.0, 48.0, 72.0]]), size=SIZE, grid=(16, 16))
    assert covered.sum() == pytest.approx(1.0)
    row, column = np.unravel_index(covered.argmax(), covered.shape)
    assert (row, column) in {(8, 4), (8, 5)}
    assert set(np.flatnonzero(covered.any(axis=1))) == {7, 8, 9}
    assert set(np.flatnonzero(covered.any(axis=0))) == {3, 4, 5, 6}
    assert not coverage(np.empty((0, 4)), size=SIZE, grid=(16, 16)).any()
    assert not coverage(np.array([[-60.0, 0.0, -50.0, 9.0]]), size=SIZE, grid=(16, 16)).any()


def _extent(pixels: np.ndarray) -> tuple[float, float, float, float]:
    rows, columns = np.nonzero(pixels > 127)
    return columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
