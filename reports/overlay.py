"""A Finding's heatmap over its radiograph, as people look at it.

Colours run blue – cyan – green – yellow – red from 0 to 1 (the "jet" map that Grad-CAM is usually shown in).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import ImageInvalid
from core.result_record import Pictures, ResultRecord
from imaging.projection import Window, project
from reports.heatmap import decode_heatmap

# A smaller radiograph is enlarged to this before anything is drawn, so that text stays readable.
SHORTEST_LONG_SIDE = 512
# Heat from which on the colours stand at full strength; below it they fade away, so that the radiograph stays what it
# is wherever the network did not look.
FULL_FROM = 0.3
BACKGROUND = (24, 24, 24)
INK = (235, 235, 235)
FONT = cv2.FONT_HERSHEY_SIMPLEX

Picture = NDArray[np.uint8]
Region = Mapping[str, float]


def colours(heatmap: NDArray[np.float32]) -> Picture:
    """(h, w) in [0, 1] → (h, w, 3) BGR."""
    # The ends of the map are so dark that 1 and 0 look like holes: only from pure blue to pure red.
    levels = np.rint(32 + np.clip(heatmap, 0, 1) * 191).astype(np.uint8)
    return np.asarray(cv2.applyColorMap(levels, cv2.COLORMAP_JET), dtype=np.uint8)


def draw_overlay(  # noqa: PLR0913 - how a picture looks has many independent sides
    preview: bytes,
    heatmap_png: bytes,
    *,
    window: Window,
    regions: Sequence[Region] = (),
    rows: int | None = None,
    columns: int | None = None,
    opacity: float = 0.4,
    caption: str = "",
    colour_bar: bool = True,
) -> bytes:
    """An RGB PNG: the preview with the heatmap at `opacity`, boxes, a caption above and a colour bar beside it.

    `regions` have x, y, width, height and perhaps score, in pixels of the full-size image (`rows` × `columns`; by
    default those of the preview). Raises ImageInvalid where the preview or the heatmap is damaged.
    """
    grey = grey_of(preview)
    full_rows, full_columns = rows or grey.shape[0], columns or grey.shape[1]
    scale = max(1.0, SHORTEST_LONG_SIDE / max(grey.shape))
    size = (max(1, round(grey.shape[0] * scale)), max(1, round(grey.shape[1] * scale)))
    grey = cv2.resize(grey, (size[1], size[0]), interpolation=cv2.INTER_CUBIC) if scale > 1 else grey
    heat = project(decode_heatmap(heatmap_png), window=window, size=size)
    picture = blended(grey, heat, opacity)
    for region in regions:
        draw_region(picture, region, scale_x=size[1] / full_columns, scale_y=size[0] / full_rows)
    if colour_bar:
        picture = np.hstack([picture, colour_bar_of(size[0])])
    if caption:
        picture = np.vstack([caption_of(caption, picture.shape[1]), picture])
    _, png = cv2.imencode(".png", picture)
    return png.tobytes()


def strength(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """(h, w) in [0, 1] → how much of the colours is mixed in there, of 0 to 1: nothing where nothing is hot."""
    return np.asarray(np.clip(heat / FULL_FROM, 0, 1), dtype=np.float32)


def draw_colours(heat: NDArray[np.float32]) -> bytes:
    """(h, w) in [0, 1] → the colours that an overlay mixes into its radiograph, as an RGBA PNG: as transparent as the
    overlay is.
    """
    picture = cv2.cvtColor(colours(heat), cv2.COLOR_BGR2BGRA)
    picture[:, :, 3] = np.rint(strength(heat) * 255)
    _, png = cv2.imencode(".png", picture)
    return png.tobytes()


def draw_result(record: ResultRecord, pictures: Pictures) -> bytes:
    """An RGB PNG of the result's one picture: what it shows first, with boxes; the radiograph alone where nothing was
    explained. Raises ImageInvalid.
    """
    shown = record.shown
    if shown is None:
        return draw_radiograph(pictures.preview)
    return draw_overlay(
        pictures.preview,
        pictures.heatmaps[shown.label],
        window=record.window,
        regions=[asdict(box) for box in shown.regions],
        rows=record.rows,
        columns=record.columns,
        caption=f"{shown.label} {shown.probability:.1%}",
    )


def draw_radiograph(preview: bytes) -> bytes:
    """The preview alone, as an 8-bit grey PNG. Raises ImageInvalid where it is damaged."""
    _, png = cv2.imencode(".png", grey_of(preview))
    return png.tobytes()


def grey_of(preview: bytes) -> Picture:
    """The preview's pixels (h, w). Raises ImageInvalid where it is damaged."""
    try:
        pixels = cv2.imdecode(np.frombuffer(preview, np.uint8), cv2.IMREAD_GRAYSCALE) if preview else None
    except cv2.error as error:
        raise ImageInvalid("The preview is damaged") from error
    if pixels is None:
        raise ImageInvalid("The preview is damaged")
    return np.asarray(pixels, dtype=np.uint8)


def blended(grey: Picture, heat: NDArray[np.float32], opacity: float) -> Picture:
    """(h, w) of both → (h, w, 3) BGR."""
    weight = opacity * strength(heat)
    ground = grey * (1 - weight)
    # One colour at a time: numpy takes four times as long over rows of three.
    planes = [np.rint(plane * weight + ground).astype(np.uint8) for plane in cv2.split(colours(heat))]
    return np.asarray(cv2.merge(planes), dtype=np.uint8)


def draw_region(picture: Picture, region: Region, *, scale_x: float, scale_y: float) -> None:
    """A white box on a black one, readable on any colour, with its score where there is room."""
    left, top = round(region["x"] * scale_x), round(region["y"] * scale_y)
    right = round((region["x"] + region["width"]) * scale_x) - 1
    bottom = round((region["y"] + region["height"]) * scale_y) - 1
    for ink, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.rectangle(picture, (left, top), (right, bottom), ink, thickness, cv2.LINE_AA)
    if "score" in region:
        at = (left + 4, top - 6 if top > 20 else top + 16)
        for ink, thickness in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(picture, f"{region['score']:.2f}", at, FONT, 0.45, ink, thickness, cv2.LINE_AA)


@lru_cache(maxsize=8)
def colour_bar_of(height: int) -> Picture:
    """(height, 64, 3), read-only: the colours of 1 (top) to 0 (bottom), labelled."""
    panel = np.full((height, 64, 3), BACKGROUND, dtype=np.uint8)
    margin = min(12, height // 4)
    length = max(height - 2 * margin, 1)
    panel[margin : margin + length, 10:26] = colours(np.linspace(1, 0, length, dtype=np.float32)[:, None])
    for value in (0.0, 0.25, 0.5, 0.75, 1.0) if height >= 120 else (0.0, 1.0):
        y = round(margin + (1 - value) * (length - 1))
        cv2.line(panel, (26, y), (29, y), INK, 1)
        cv2.putText(panel, f"{value:g}", (32, min(y + 4, height - 2)), FONT, 0.35, INK, 1, cv2.LINE_AA)
    panel.setflags(write=False)
    return panel


def caption_of(text: str, width: int) -> Picture:
    """One line above the picture, made smaller until it fits. Signs that the font lacks become question marks."""
    band = np.full((26, width, 3), BACKGROUND, dtype=np.uint8)
    plain = text.encode("ascii", "replace").decode()
    (length, _), _ = cv2.getTextSize(plain, FONT, 0.5, 1)
    size = min(0.5, 0.5 * (width - 16) / max(length, 1))
    cv2.putText(band, plain, (8, 18), FONT, size, INK, 1, cv2.LINE_AA)
    return band
