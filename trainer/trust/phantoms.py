"""Phantoms: generated pictures with the build of a chest radiograph, tomogram, ultrasound or bone scan.

Each takes a random generator and gives (h, w) uint8, bright = dense. They are crude on purpose: what a sanity score
learns from them must be the build and not the texture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Pixels = NDArray[np.uint8]
SIDE = 384


def chest(random: Random) -> Pixels:
    """A bright trunk that fills the image, two dark lungs crossed by ribs, a bright heart and spine, collar bones."""
    height = int(SIDE * random.uniform(0.85, 1.2))
    width = int(SIDE * random.uniform(0.85, 1.2))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    y, x = y / height, x / width
    middle = random.uniform(0.46, 0.54)
    tissue = random.uniform(120, 190)
    picture = tissue + 25 * (y - 0.5)
    picture -= random.uniform(60, 140) * (np.abs(x - middle) > 0.40 + 0.12 * y)  # air beside the neck and flanks
    lungs = np.zeros_like(picture)
    for side in (-1, 1):
        centre = middle + side * random.uniform(0.19, 0.24)
        across, down = random.uniform(0.13, 0.18), random.uniform(0.27, 0.37)
        wide = across * (0.65 + 0.6 * y)
        lungs = np.maximum(lungs, _soft(1 - ((x - centre) / wide) ** 2 - ((y - random.uniform(0.42, 0.5)) / down) ** 2))
    picture -= random.uniform(70, 130) * lungs
    for index in range(int(random.integers(7, 11))):
        level = 0.12 + index * random.uniform(0.065, 0.08)
        arc = level + random.uniform(0.25, 0.5) * np.maximum(np.abs(x - middle) - 0.05, 0) ** 1.6
        picture += random.uniform(12, 35) * np.exp(-(((y - arc) / 0.012) ** 2)) * (np.abs(x - middle) < 0.38)
    heart = _soft(
        1
        - ((x - middle - random.uniform(0.02, 0.07)) / random.uniform(0.1, 0.16)) ** 2
        - ((y - random.uniform(0.58, 0.68)) / random.uniform(0.12, 0.18)) ** 2
    )
    picture += random.uniform(40, 100) * heart
    picture += random.uniform(30, 80) * np.exp(-(((x - middle) / 0.045) ** 2))
    picture += random.uniform(30, 80) * _soft(8 * (y - random.uniform(0.72, 0.85)))
    for side in (-1, 1):
        line = 0.13 - side * (x - middle) * random.uniform(0.1, 0.3)
        picture += random.uniform(15, 40) * np.exp(-(((y - line) / 0.015) ** 2)) * (side * (x - middle) > 0.03)
    return _finished(picture, random, noise=random.uniform(1, 6))


def tomogram(random: Random) -> Pixels:
    """A slice through a head or trunk: nested ellipses of several densities on black."""
    height, width = (int(SIDE * random.uniform(0.7, 1.2)) for _ in range(2))
    picture = np.full((height, width), random.choice([0.0, 0.0, 20.0]))
    centre = (width * random.uniform(0.45, 0.55), height * random.uniform(0.45, 0.55))
    axes = (width * random.uniform(0.3, 0.47), height * random.uniform(0.3, 0.47))
    tilt = random.uniform(-15, 15)
    rim, inner = random.uniform(90, 255), random.uniform(50, 160)
    _ellipse(picture, centre, axes, tilt, rim)
    thickness = random.uniform(0.86, 0.97)
    _ellipse(picture, centre, (axes[0] * thickness, axes[1] * thickness), tilt, inner)
    for _ in range(int(random.integers(4, 26))):
        angle, radius = random.uniform(0, 2 * np.pi), random.uniform(0, 0.65)
        place = (centre[0] + axes[0] * radius * np.cos(angle), centre[1] + axes[1] * radius * np.sin(angle))
        size = (axes[0] * random.uniform(0.03, 0.3), axes[1] * random.uniform(0.03, 0.3))
        _ellipse(picture, place, size, random.uniform(0, 180), inner + random.uniform(-70, 90))
    blurred = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.6, 2.5))
    texture = cv2.GaussianBlur(random.normal(0, 1, picture.shape), (0, 0), random.uniform(0.6, 4))
    body = blurred > 15
    return _finished(blurred + body * texture * random.uniform(5, 60), random, noise=random.uniform(0, 6))


def ultrasound(random: Random) -> Pixels:
    """A fan of speckle on black, with dark and bright areas."""
    height, width = int(SIDE * random.uniform(0.7, 1)), int(SIDE * random.uniform(0.9, 1.3))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    apex = (width * random.uniform(0.4, 0.6), -height * random.uniform(0.02, 0.4))
    radius = np.hypot(x - apex[0], y - apex[1])
    angle = np.arctan2(x - apex[0], y - apex[1])
    fan = (np.abs(angle) < random.uniform(0.4, 0.9)) & (radius < height * random.uniform(0.95, 1.3))
    speckle = cv2.GaussianBlur(random.exponential(1, (height, width)), (0, 0), random.uniform(0.8, 2.5))
    slow = cv2.GaussianBlur(random.normal(0, 1, (height, width)), (0, 0), random.uniform(10, 30))
    envelope = np.exp(slow / max(float(slow.std()), 1e-9) * random.uniform(0.3, 0.9))
    return _finished(fan * speckle * envelope * random.uniform(40, 110), random, noise=0)


def scintigram(random: Random) -> Pixels:
    """Counts: faint spots and a few hot ones of a body's outline, narrow and grainy, on black or on white."""
    height, width = int(SIDE * random.uniform(0.7, 1.3)), int(SIDE * random.uniform(0.3, 1))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    rate = random.uniform(0.2, 2) * _soft(
        1 - ((x / width - 0.5) / random.uniform(0.15, 0.4)) ** 2 - ((y / height - 0.5) / random.uniform(0.35, 0.6)) ** 2
    )
    for _ in range(int(random.integers(3, 30))):
        place = (random.normal(0.5, 0.13) * width, random.uniform(0.05, 0.95) * height)
        spread = random.uniform(0.01, 0.06) * height
        rate += random.uniform(0.5, 12) * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * spread**2))
    coarse = int(random.integers(1, 4))
    small = cv2.resize(rate, (max(8, width // coarse), max(8, height // coarse)), interpolation=cv2.INTER_AREA)
    counts = random.poisson(np.maximum(small, 0) * random.uniform(1, 8)).astype(np.float64)
    picture = cv2.resize(counts, (width, height), interpolation=cv2.INTER_LINEAR)
    return _finished(picture * 255 / max(1.0, float(np.percentile(picture, random.uniform(95, 99.9)))), random, noise=0)


def _soft(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """From below 0 (outside, 0) to above 0.3 (inside, 1)."""
    return np.clip(field / 0.3, 0, 1)


def _ellipse(
    picture: NDArray[np.float64], centre: tuple[float, float], axes: tuple[float, float], angle: float, shade: float
) -> None:
    place, size = (round(centre[0]), round(centre[1])), (max(1, round(axes[0])), max(1, round(axes[1])))
    cv2.ellipse(picture, place, size, angle, 0, 360, shade, -1, cv2.LINE_8)


def _finished(picture: NDArray[np.float64], random: Random, *, noise: float) -> Pixels:
    """Blurred a little, with noise, contrast at random."""
    smooth = cv2.GaussianBlur(picture, (0, 0), random.uniform(0.5, 1.5))
    grainy = smooth + random.normal(0, noise, picture.shape)
    return np.asarray(np.clip(grainy * random.uniform(0.8, 1.15), 0, 255), dtype=np.uint8)
