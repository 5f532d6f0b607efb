"""The pictures of a PDF report: the radiograph, and the same with heatmap, contours and numbered boxes.

Nothing is told by colour alone: contours are drawn at half and at three quarters of the highest heat, boxes carry
numbers, and the heatmap's own colours grow lighter with the heat.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray
from reportlab.lib.utils import ImageReader
from reportlab.platypus import Flowable

from core.errors import ImageInvalid
from core.result_record import Pictures, ReportedFinding, ResultRecord
from imaging.projection import project
from reports.heatmap import decode_heatmap
from reports.layout import shown_size
from reports.overlay import Picture, grey_of
from reports.pdf_fonts import BOLD, REGULAR

LONGEST_SIDE = 900
JPEG_QUALITY = 88
STRONGEST = 0.65
# Solid and dashed.
CONTOURS = ((0.75, None), (0.5, (3, 2)))
CAPTION = 12.0
GAP = 12.0
TAG = 9.0


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture as a JPEG, its caption, and what is drawn over it in fractions of its sides."""

    jpeg: bytes
    caption: str
    finding: ReportedFinding | None = None
    contours: tuple[tuple[NDArray[np.float32], tuple[int, int] | None], ...] = ()


def plain(record: ResultRecord, pictures: Pictures) -> Panel:
    """The radiograph alone. Raises ImageInvalid."""
    grey = _sized(grey_of(pictures.preview), record)
    return Panel(_jpeg(grey), "Radiograph")


def heated(record: ResultRecord, pictures: Pictures, finding: ReportedFinding, *, caption: str) -> Panel:
    """The radiograph with the heatmap of `finding`. Raises ImageInvalid."""
    grey = _sized(grey_of(pictures.preview), record)
    heat = project(decode_heatmap(pictures.heatmaps[finding.label]), window=record.window, size=grey.shape[:2])
    colours = cv2.applyColorMap(np.rint(heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    # What is not hot stays the radiograph that it is.
    weight = (STRONGEST * np.clip(heat, 0, 1))[:, :, None]
    picture = np.rint(grey[:, :, None] * (1 - weight) + colours * weight).astype(np.uint8)
    return Panel(_jpeg(picture), caption, finding, _contours(heat))


def _sized(grey: Picture, record: ResultRecord) -> Picture:
    """At the radiograph's aspect ratio: a preview's sides are rounded."""
    rows, columns = shown_size(record)
    scale = LONGEST_SIDE / max(rows, columns)
    size = max(1, round(columns * scale)), max(1, round(rows * scale))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def _jpeg(picture: Picture) -> bytes:
    done, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise ImageInvalid("The preview is damaged")
    return bytes(jpeg.tobytes())


def _contours(heat: NDArray[np.float32]) -> tuple[tuple[NDArray[np.float32], tuple[int, int] | None], ...]:
    """Closed lines (n, 2) in fractions of width and height."""
    height, width = heat.shape
    found = []
    for level, dashes in CONTOURS:
        mask = (heat >= level).astype(np.uint8)
        lines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
        for line in lines:
            smooth = cv2.approxPolyDP(line, 1.0, closed=True)[:, 0, :].astype(np.float32)
            if len(smooth) > 2:
                found.append(((smooth + 0.5) / np.array([width, height], np.float32), dashes))
    return tuple(found)


class Figure(Flowable):  # type: ignore[misc]
    """Panels side by side, or one above the other where they are much wider than high."""

    def __init__(
        self, panels: list[Panel], record: ResultRecord, *, width: float, height: float, places: int | None = None
    ) -> None:
        """In a space `width` × `height` points for `places` panels, by default as many as there are."""
        super().__init__()
        self._panels, self._rows, self._columns = panels, record.rows, record.columns
        count = places or len(panels)
        rows, columns = shown_size(record)
        self._stacked = places is None and columns > 1.6 * rows
        across, down = (1, count) if self._stacked else (count, 1)
        cell = (width - GAP * (across - 1)) / across, (height - GAP * (down - 1)) / down - CAPTION
        scale = min(cell[0] / columns, cell[1] / rows)
        self._size = columns * scale, rows * scale
        self._cell = cell[0], self._size[1] + CAPTION
        self.width = width
        self.height = self._cell[1] * down + GAP * (down - 1)

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return self.width, self.height

    def draw(self) -> None:
        for number, panel in enumerate(self._panels):
            step = number * (self._cell[1] + GAP) if self._stacked else 0.0
            left = 0.0 if self._stacked else number * (self._cell[0] + GAP)
            left += (self._cell[0] - self._size[0]) / 2
            bottom = self.height - step - self._size[1]
            self._draw_panel(panel, left, bottom)

    def _draw_panel(self, panel: Panel, left: float, bottom: float) -> None:
        canvas, (width, height) = self.canv, self._size
        canvas.drawImage(ImageReader(io.BytesIO(panel.jpeg)), left, bottom, width, height)
        canvas.setStrokeColorRGB(0, 0, 0)
        canvas.setLineWidth(0.5)
        canvas.rect(left, bottom, width, height)
        for line, dashes in panel.contours:
            path = canvas.beginPath()
            points = [(left + x * width, bottom + (1 - y) * height) for x, y in line]
            path.moveTo(*points[0])
            for point in points[1:]:
                path.lineTo(*point)
            path.close()
            self._outlined(partial(canvas.drawPath, path), 0.6, dashes)
        for number, box in enumerate(panel.finding.regions if panel.finding else (), start=1):
            x, y = left + box.x / self._columns * width, bottom + (1 - box.y / self._rows) * height
            across, down = box.width / self._columns * width, box.height / self._rows * height
            self._outlined(partial(canvas.rect, x, y - down, across, down), 1.1, None)
            self._draw_tag(str(number), x, min(y + TAG + 1, bottom + height))
        canvas.setFillColorRGB(0, 0, 0)
        canvas.setFont(REGULAR, 7.5)
        canvas.drawCentredString(left + width / 2, bottom - CAPTION + 3, panel.caption)

    def _outlined(self, stroke: Callable[[], None], width: float, dashes: tuple[int, int] | None) -> None:
        """White on black, so that it shows on any grey."""
        canvas = self.canv
        canvas.saveState()
        canvas.setLineJoin(1)
        for grey, extra in ((0, 1.0), (1, 0.0)):
            canvas.setStrokeColorRGB(grey, grey, grey)
            canvas.setLineWidth(width + extra)
            canvas.setDash(*dashes) if dashes and grey else canvas.setDash()
            stroke()
        canvas.restoreState()

    def _draw_tag(self, text: str, left: float, top: float) -> None:
        canvas = self.canv
        canvas.setFillColorRGB(1, 1, 1)
        canvas.setStrokeColorRGB(0, 0, 0)
        canvas.setLineWidth(0.6)
        canvas.rect(left, top - TAG, TAG, TAG, fill=1)
        canvas.setFillColorRGB(0, 0, 0)
        canvas.setFont(BOLD, 6.5)
        canvas.drawCentredString(left + TAG / 2, top - TAG + 2.2, text)
