"""Figures of a network's input by which drift is seen: another detector, another windowing, another mix of pictures.

They are of the part that the radiograph covers, so none depends on the letterbox. No TensorFlow.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from networks.image_statistics import covered
from networks.preprocessing import Window

# Grey values up to here count as black, and from here on as white.
BLACK, WHITE = 2, 253
QUANTILES = {"p05": 0.05, "p50": 0.5, "p95": 0.95}
DIGITS = 4


def input_statistics(tensor: NDArray[np.uint8], window: Window, *, rows: int, columns: int) -> dict[str, float]:
    """By name, of a (size, size, 1) uint8 input and the full size of its image in pixels.

    `mean`, `deviation`, `p05`, `p50`, `p95`: grey values as parts of 255. `black`, `white`: shares of saturated pixels,
    in [0, 1]. `aspect`: columns over rows. `longest_side`: pixels.
    """
    share = np.bincount(covered(tensor, window).ravel(), minlength=256).astype(np.float64)
    share /= share.sum()
    grey = np.arange(256) / 255
    mean = float(share @ grey)
    cumulated = np.cumsum(share)
    found = {
        "mean": mean,
        "deviation": float(np.sqrt(share @ (grey - mean) ** 2)),
        **{name: float(np.searchsorted(cumulated, part - 1e-9)) / 255 for name, part in QUANTILES.items()},
        "black": float(share[: BLACK + 1].sum()),
        "white": float(share[WHITE:].sum()),
        "aspect": columns / rows,
        "longest_side": float(max(rows, columns)),
    }
    return {name: round(value, DIGITS) for name, value in found.items()}
