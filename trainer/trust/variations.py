"""How far the answers for one picture are apart that was written, windowed, scaled or laid otherwise.

Each variation is a file, decoded and preprocessed as every upload is: what is measured is the way to the answer as a
whole. A variation is no other picture: a reader would say the same of all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from imaging.decode import decode
from imaging.written import monochrome_1
from networks.bundle import Bundle
from networks.engines import Engine
from trainer.trust.observation import Observation, decision_thresholds, probabilities_of
from trainer.trust.shares import means

Pixels = NDArray[np.uint8]
Writer = Callable[[Pixels], bytes]


def variations() -> dict[str, tuple[Writer, ...]]:
    """By kind, the files that are made of (h, w) uint8, bright = dense; the plain one is not among them."""
    return {
        "encoding": (monochrome_1, _jpeg(92)),
        "jpeg": tuple(_jpeg(quality) for quality in (60, 70, 80, 95)),
        # 16 bits without a window are shown from their darkest to their brightest.
        "window": (_png_16, *map(_exposed, (-0.2, 0.2)), *map(_contrasted, (0.85, 1.15))),
        "scale": tuple(_scaled(factor) for factor in (0.7, 0.85, 1.2, 1.4)),
        "shift": tuple(_moved(*step) for step in ((1, 0), (-1, 0), (0, 1), (0, -1))),
        "rotation": tuple(_turned(degrees) for degrees in (-5.0, -2.5, 2.5, 5.0)),
    }


def measure_variations(bundle: Bundle, engine: Engine, observation: Observation, *, label: str) -> dict[str, Any]:
    """By kind, and of `all`: the mean `spread` (greatest minus least calibrated probability of `label` among the plain
    picture and its variations), the spread that 95 % of the images stay below, and the share of images that are not
    decided alike.
    """
    kinds = variations()
    writers = [writer for several in kinds.values() for writer in several]
    index = bundle.labels.index(label)
    varied = [_probabilities(bundle, engine, record.file.read_bytes(), writers) for record in observation.records]
    found = np.column_stack([observation.probabilities[:, index], np.stack(varied)[:, :, index]])
    thresholds = decision_thresholds(bundle, observation, label)
    figures: dict[str, Any] = {"label": label, "n": len(observation)}
    start = 1
    columns: dict[str, list[int]] = {"all": list(range(1 + len(writers)))}
    for kind, several in kinds.items():
        columns[kind] = [0, *range(start, start + len(several))]
        start += len(several)
    for kind, chosen in columns.items():
        values = found[:, chosen].astype(np.float64)
        spread = np.ptp(values, axis=1)
        decided = values >= thresholds[:, None]
        unlike = (decided != decided[:, :1]).any(axis=1).astype(np.float64)
        figures[kind] = means({"spread": spread, "decided_otherwise": unlike}, observation.records) | {
            "spread_of_95_percent": round(float(np.quantile(spread, 0.95)), 4)
        }
    return figures


def _probabilities(bundle: Bundle, engine: Engine, data: bytes, writers: list[Writer]) -> NDArray[np.float32]:
    """(len(writers), L) of what the `writers` make of a file's picture."""
    longest_side = bundle.preprocessing.source_longest_side
    plain = decode(data, longest_side=longest_side).pixels
    pictures = [decode(write(plain), longest_side=longest_side).pixels for write in writers]
    return probabilities_of(engine, np.stack([bundle.preprocessing.apply(picture)[0] for picture in pictures]))


def _png(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> bytes:
    _, file = cv2.imencode(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    return file.tobytes()


def _png_16(pixels: Pixels) -> bytes:
    return _png(pixels.astype(np.uint16) * 257)


def _jpeg(quality: int) -> Writer:
    def write(pixels: Pixels) -> bytes:
        _, file = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return file.tobytes()

    return write


def _exposed(bend: float) -> Writer:
    table = np.rint(255 * (np.arange(256) / 255) ** np.exp(bend)).astype(np.uint8)
    return lambda pixels: _png(table[pixels])


def _contrasted(factor: float) -> Writer:
    table = np.clip(np.rint((np.arange(256) - 127.5) * factor + 127.5), 0, 255).astype(np.uint8)
    return lambda pixels: _png(table[pixels])


def _scaled(factor: float) -> Writer:
    def write(pixels: Pixels) -> bytes:
        size = (max(1, round(pixels.shape[1] * factor)), max(1, round(pixels.shape[0] * factor)))
        return _png(
            np.asarray(
                cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC), np.uint8
            )
        )

    return write


def _moved(down: int, right: int) -> Writer:
    return lambda pixels: _png(_warped(pixels, np.array([[1.0, 0, right], [0, 1, down]])))


def _turned(degrees: float) -> Writer:
    def write(pixels: Pixels) -> bytes:
        rows, columns = pixels.shape
        return _png(_warped(pixels, cv2.getRotationMatrix2D(((columns - 1) / 2, (rows - 1) / 2), degrees, 1.0)))

    return write


def _warped(pixels: Pixels, matrix: Any) -> Pixels:
    rows, columns = pixels.shape
    moved = cv2.warpAffine(pixels, matrix, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, dtype=np.uint8)
