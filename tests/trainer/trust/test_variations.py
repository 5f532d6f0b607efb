"""The same picture otherwise written, on generated images: what a variation is, and that spreads are counted right."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imaging.decode import decode
from networks.bundle import Bundle
from networks.engines import Engine
from tests.data import encoded, generated_radiograph
from tests.trainer.trust.conftest import Seeing, bones
from trainer.trust.variations import measure_variations, variations

pytestmark = [
    pytest.mark.keras,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning"),
]
LABEL = "fracture"


def picture() -> np.ndarray:
    """Smooth enough that a JPEG of it is near."""
    return cv2.GaussianBlur(generated_radiograph(300, 220, seed=9), (0, 0), 1.2)


# By kind, the grey values that a variation may be away on average; what moves is compared where it came to lie.
@pytest.mark.parametrize(("kind", "most"), [("encoding", 1.0), ("jpeg", 2.5), ("window", 35.0)])
def test_variations_are_the_same_picture(kind: str, most: float) -> None:
    plain = picture()
    for write in variations()[kind]:
        again = decode(write(plain), longest_side=512).pixels
        assert again.shape == plain.shape
        assert np.abs(again.astype(int) - plain).mean() <= most


def test_a_lossless_encoding_differs_by_rounding_alone() -> None:
    plain = picture()
    again = decode(variations()["encoding"][0](plain), longest_side=512)
    assert again.photometric_interpretation == "MONOCHROME1"
    assert np.abs(again.pixels.astype(int) - plain).max() <= 1


def test_scales_shifts_and_turns() -> None:
    plain = picture()
    shapes = [decode(write(plain), longest_side=512).pixels.shape for write in variations()["scale"]]
    assert shapes == [(210, 154), (255, 187), (360, 264), (420, 308)]
    down = decode(variations()["shift"][0](plain), longest_side=512).pixels
    assert np.array_equal(down[1:], plain[:-1])
    turned = [decode(write(plain), longest_side=512).pixels for write in variations()["rotation"]]
    assert all(picture.shape == plain.shape for picture in turned)
    back = cv2.warpAffine(turned[3], cv2.getRotationMatrix2D((109.5, 149.5), -5, 1.0), (220, 300))
    inside = np.s_[60:240, 50:170]
    assert np.abs(back[inside].astype(int) - plain[inside]).mean() < 4


def test_a_spread_is_that_of_the_engines_answers(bundle: Bundle, engine: Engine, see: Seeing) -> None:
    seen = see(bones(3, seed=6))
    figures = measure_variations(bundle, engine, seen, label=LABEL)
    index = bundle.labels.index(LABEL)

    def answer(data: bytes) -> float:
        tensor, _ = bundle.preprocessing.apply(
            decode(data, longest_side=bundle.preprocessing.source_longest_side).pixels
        )
        return float(engine.run(tensor[None]).probabilities[0, index])

    for kind, writers in variations().items():
        spreads, unlike = [], []
        for pixels in bones(3, seed=6):
            answers = [answer(encoded(pixels)), *(answer(write(pixels)) for write in writers)]
            spreads.append(max(answers) - min(answers))
            unlike.append(len({value >= bundle.threshold(LABEL) for value in answers}) > 1)
        assert figures[kind]["spread"] == pytest.approx(np.mean(spreads), abs=2e-4)
        assert figures[kind]["decided_otherwise"] == pytest.approx(np.mean(unlike), abs=1e-4)
        assert figures[kind]["spread"] <= figures["all"]["spread"]
        assert figures[kind]["spread_of_95_percent"] <= figures["all"]["spread_of_95_percent"] + 1e-9
    assert (figures["n"], figures["label"]) == (3, LABEL)
