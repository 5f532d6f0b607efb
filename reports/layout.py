"""Where things lie in the picture of a Secondary Capture: known from the record alone, so that an SR of a PNG can point
into it without drawing it.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.result_record import Box, ResultRecord
from imaging.aspect import aspect_of_attributes, square_size

LONGEST_SIDE = 1024
# Enough for the banner's text at a readable size; a slimmer radiograph is set in the middle.
LEAST_WIDTH = 512
BAND = 28
BAR = 64


def shown_size(record: ResultRecord) -> tuple[int, int]:
    """(rows, columns) of the radiograph in square pixels: the proportions in which it is drawn. Boxes stay in its own
    pixels, `record.rows` × `record.columns` of them.
    """
    return square_size(record.rows, record.columns, aspect_of_attributes(record.image.attributes))


@dataclass(frozen=True, slots=True)
class Layout:
    """The radiograph's rectangle in a picture `width` × `height`, and its scales from full-size pixels."""

    left: int
    top: int
    columns: int
    rows: int
    width: int
    height: int
    scale_x: float
    scale_y: float

    @classmethod
    def of(cls, record: ResultRecord) -> Layout:
        """A band above for the caption, two below for the banner, the colour bar beside."""
        shown = shown_size(record)
        scale = LONGEST_SIDE / max(shown)
        rows, columns = max(1, round(shown[0] * scale)), max(1, round(shown[1] * scale))
        width = max(columns, LEAST_WIDTH - BAR) + BAR
        return cls(
            left=(width - BAR - columns) // 2,
            top=BAND,
            columns=columns,
            rows=rows,
            width=width,
            height=rows + 3 * BAND,
            scale_x=columns / record.columns,
            scale_y=rows / record.rows,
        )

    def place(self, box: Box) -> Box:
        """A box of full-size pixels in pixels of the picture."""
        return Box(
            x=self.left + box.x * self.scale_x,
            y=self.top + box.y * self.scale_y,
            width=box.width * self.scale_x,
            height=box.height * self.scale_y,
            score=box.score,
        )
