"""What is no bone radiograph, for sanity scores to learn from: generated images, and the photographs of scikit-learn.

Outlier exposure (Hendrycks et al. 2019, arXiv 1812.04606) needs variety, not realism: what is learnt must hold for
sources never seen, and no real image of another kind (tomograms, scintigrams, other photographs) is used.
Every maker takes a random generator and gives (h, w) uint8.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_sample_images

from trainer.trust.phantoms import chest, scintigram, tomogram, ultrasound

Random = np.random.Generator
Pixels = NDArray[np.uint8]
Maker = Callable[[Random], Pixels]
SIDES = (160, 640)
FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX)
LETTERS = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .,:;-()/"))


def make_outliers(makers: dict[str, Maker], count: int, *, seed: int) -> tuple[list[Pixels], list[str]]:
    """`count` images, the makers taking turns, and each one's kind; the same for the same seed."""
    random = np.random.default_rng(seed)
    kinds = [list(makers)[index % len(makers)] for index in range(count)]
    return [makers[kind](random) for kind in kinds], kinds


def noise(random: Random) -> Pixels:
    """Noise of any spectrum 1/f^β with β in [0, 3], normal or uniform, coarse or fine, or single bright pixels."""
    size = _size(random)
    kind = random.integers(4)
    if kind == 0:
        return _grey(_spectral(random, size, random.uniform(0.3, 3.0)), random)
    if kind == 1:
        field = random.normal(0, 1, size) if random.random() < 0.5 else random.uniform(-1, 1, size)
        return _grey(field, random)
    if kind == 2:
        cell = int(random.integers(2, 40))
        coarse = random.uniform(0, 1, (size[0] // cell + 1, size[1] // cell + 1)).astype(np.float32)
        interpolation = (cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC)[random.integers(3)]
        return _grey(cv2.resize(coarse, size[::-1], interpolation=interpolation), random)
    sparse = (random.random(size) < random.uniform(0.001, 0.2)).astype(np.float64)
    return np.asarray(sparse * random.integers(100, 256), dtype=np.uint8)


def plain(random: Random) -> Pixels:
    """A flat image, or a gradient along a line or from a centre, with or without a little noise."""
    height, width = _size(random)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    kind, angle = random.integers(3), random.uniform(0, 2 * np.pi)
    if kind == 0:
        field = np.zeros((height, width))
    elif kind == 1:
        field = x * np.cos(angle) + y * np.sin(angle)
    else:
        field = np.hypot(x - random.random(), y - random.random()) * random.choice([-1, 1])
    low, high = np.sort(random.uniform(0, 255, 2))
    scaled = low + (high - low) * (field - field.min()) / max(float(np.ptp(field)), 1e-6)
    return _clipped(scaled + random.normal(0, random.choice([0.0, 2.0, 8.0]), (height, width)))


def scene(random: Random) -> Pixels:
    """Dead leaves: overlapping textured shapes of all sizes, whose statistics are a photograph's (Lee et al. 2001)."""
    height, width = _size(random)
    picture = _spectral(random, (height, width), 1.5) * 30 + random.uniform(40, 215)
    texture = _spectral(random, (height, width), random.uniform(0.8, 2.0))
    longest = max(height, width)
    for radius in np.sort(longest / 2 * random.uniform(0.02, 1, int(random.integers(20, 160))) ** 3)[::-1]:
        mask = np.zeros((height, width), dtype=np.uint8)
        centre = (int(random.integers(width)), int(random.integers(height)))
        size = (max(2, int(radius)), max(2, int(radius * random.uniform(0.3, 1))))
        if random.random() < 0.5:
            cv2.ellipse(mask, centre, size, random.uniform(0, 360), 0, 360, 1, -1)
        else:
            corners = cv2.boxPoints((centre, size, random.uniform(0, 360)))
            cv2.fillPoly(mask, [corners.astype(np.int32)], 1)
        inside = mask > 0
        shade = random.uniform(0, 255) + texture[inside] * random.uniform(0, 30)
        picture[inside] = shade
    if random.random() < 0.7:
        picture *= 1 + random.uniform(0, 0.6) * _spectral(random, (height, width), 3.0)
    return _clipped(cv2.GaussianBlur(picture, (0, 0), random.uniform(0.4, 1.5)))


def photograph(random: Random) -> Pixels:
    """A part of one of scikit-learn's two photographs, mirrored and with its contrast changed at random."""
    grey = _photographs()[random.integers(2)]
    height, width = (int(side * random.uniform(0.3, 1)) for side in grey.shape)
    top, left = (
        int(random.integers(0, full - part + 1)) for full, part in zip(grey.shape, (height, width), strict=True)
    )
    part = grey[top : top + height, left : left + width]
    if random.random() < 0.5:
        part = part[:, ::-1]
    return _clipped(part * random.uniform(0.6, 1.3) + random.uniform(-30, 30))


def page(random: Random) -> Pixels:
    """Text and boxes, dark on light or light on dark: a scan, a form, a screen."""
    height, width = _size(random)
    back = int(random.choice([random.integers(200, 256), random.integers(0, 60)]))
    ink = 255 - back + int(random.integers(-20, 20))
    picture = np.full((height, width), back, dtype=np.uint8)
    for _ in range(int(random.integers(0, 8))):
        corner = (int(random.integers(width)), int(random.integers(height)))
        other = (int(random.integers(width)), int(random.integers(height)))
        cv2.rectangle(picture, corner, other, int(random.integers(256)), int(random.choice([-1, 1, 2])))
    scale = random.uniform(0.4, 1.6)
    font = int(random.choice(FONTS))
    step = int(28 * scale)
    for y in range(step, height, step):
        if random.random() < 0.85:
            letters = "".join(random.choice(LETTERS, int(random.integers(3, 60))))
            cv2.putText(picture, letters, (int(random.integers(0, 30)), y), font, scale, ink, 1, cv2.LINE_AA)
    return picture


def drawing(random: Random) -> Pixels:
    """Lines, curves, bars or a chequered board."""
    height, width = _size(random)
    back = (0, 255, int(random.integers(256)))[random.integers(3)]
    picture = np.full((height, width), back, dtype=np.uint8)
    if random.random() < 0.2:
        cell = int(random.integers(6, 80))
        y, x = np.mgrid[0:height, 0:width] // cell
        board = np.where((x + y) % 2 == 0, back, 255 - back)
        return np.asarray(board, dtype=np.uint8)
    for _ in range(int(random.integers(4, 60))):
        points = np.stack([random.integers(0, width, 5), random.integers(0, height, 5)], axis=1).astype(np.int32)
        shade, thickness = int(random.integers(256)), int(random.integers(1, 6))
        shape = random.integers(4)
        if shape == 0:
            cv2.polylines(picture, [points], False, shade, thickness, cv2.LINE_AA)
        elif shape == 1:
            cv2.circle(picture, points[0].tolist(), int(random.integers(3, height // 3)), shade, thickness, cv2.LINE_AA)
        elif shape == 2:
            cv2.rectangle(picture, points[0].tolist(), points[1].tolist(), shade, int(random.choice([-1, thickness])))
        else:
            cv2.line(picture, points[0].tolist(), points[1].tolist(), shade, thickness, cv2.LINE_AA)
    return picture


# What is no radiograph at all.
NOT_RADIOGRAPHS: dict[str, Maker] = {
    "noise": noise,
    "plain": plain,
    "scene": scene,
    "photograph": photograph,
    "page": page,
    "drawing": drawing,
    "tomogram": tomogram,
    "ultrasound": ultrasound,
    "scintigram": scintigram,
}
# Radiographs, but of no bone region.
OTHER_RADIOGRAPHS: dict[str, Maker] = {"chest": chest, "chest negative": lambda random: 255 - chest(random)}


@cache
def _photographs() -> list[Pixels]:
    return [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in load_sample_images().images]


def _size(random: Random) -> tuple[int, int]:
    height, width = random.integers(*SIDES, 2)
    return int(height), int(width)


def _spectral(random: Random, size: tuple[int, int], exponent: float) -> NDArray[np.float64]:
    """Normal noise whose power falls with 1/f^`exponent`, mean 0 and deviation 1."""
    spectrum = np.fft.rfft2(random.normal(0, 1, size))
    frequency = np.hypot(np.fft.fftfreq(size[0])[:, None], np.fft.rfftfreq(size[1])[None, :])
    frequency[0, 0] = 1.0
    field = np.fft.irfft2(spectrum / frequency ** (exponent / 2), s=size)
    return np.asarray((field - field.mean()) / max(float(field.std()), 1e-9))


def _grey(field: NDArray[np.floating], random: Random) -> Pixels:
    """A field of any range as grey values of a random mean and contrast."""
    normal = (field - field.mean()) / max(float(field.std()), 1e-9)
    return _clipped(normal * random.uniform(10, 90) + random.uniform(40, 215))


def _clipped(field: NDArray[np.floating]) -> Pixels:
    return np.asarray(np.clip(field, 0, 255), dtype=np.uint8)
