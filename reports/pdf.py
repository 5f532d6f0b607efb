"""A result as a PDF of one or two A4 pages: pictures, findings with both decisions in words, doubts, model, times.

It can be read in black and white. On each page stand the disclaimer and the Job's id. The same record gives the same
bytes.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, KeepTogether, PageTemplate, Paragraph, Spacer, Table

from core.identity import Identity
from core.result_record import Pictures, ReportedFinding, ResultRecord
from core.vocabulary import DISCLAIMER, Decision, ThreeWay
from reports import wording
from reports.codes import readable
from reports.marks import software
from reports.pdf_figure import Figure, Panel, heated, plain
from reports.pdf_fonts import BOLD, REGULAR, markup, register

MARGIN = 15 * mm
WIDTH = A4[0] - 2 * MARGIN
# What stands above and below on every page.
HEAD, FOOT = 20.0, 18.0
FIGURE_HEIGHT = 285.0
# Where many findings follow, the pictures leave them room on the page.
FIGURE_HEIGHT_WITH_MANY = 200.0
MANY = 8
LONGEST_CELL = 600
MORE_FIGURES, MORE_HEIGHT = 6, 170.0
BODY = ParagraphStyle("body", fontName=REGULAR, fontSize=8, leading=10.5)
SMALL = ParagraphStyle("small", parent=BODY, fontSize=7, leading=9)
HEADING = ParagraphStyle("heading", parent=BODY, fontName=BOLD, fontSize=9, leading=12, spaceBefore=6, spaceAfter=2)
CELL = ParagraphStyle("cell", parent=BODY, fontSize=8, leading=10)
GRID = [
    ("LINEBELOW", (0, 0), (-1, -1), 0.3, colors.grey),
    ("LINEABOVE", (0, 0), (-1, 0), 0.8, colors.black),
    ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
    ("VALIGN", (0, 0), (-1, -1), "MIDDLE"),
    ("TOPPADDING", (0, 0), (-1, -1), 1.5),
    ("BOTTOMPADDING", (0, 0), (-1, -1), 2.0),
    ("LEFTPADDING", (0, 0), (-1, -1), 3),
    ("RIGHTPADDING", (0, 0), (-1, -1), 3),
]
PLAIN = [command for command in GRID if not str(command[0]).startswith("LINE")]
DECISIONS = {Decision.POSITIVE.value: "POSITIVE", Decision.NEGATIVE.value: "negative"}
THREE_WAYS = {
    ThreeWay.POSITIVE.value: "POSITIVE",
    ThreeWay.NEGATIVE.value: "negative",
    ThreeWay.REFER.value: "REFER to a person",
}


def draw(record: ResultRecord, pictures: Pictures, identity: Identity | None = None) -> bytes:
    """The whole file. The patient stands on it only where `identity` is given. Raises ImageInvalid."""
    register()
    buffer = io.BytesIO()
    document = BaseDocTemplate(
        buffer,
        pagesize=A4,
        title=f"AI result, job {record.job_id}",
        author="Lucency",
        subject=f"AI-generated result of {record.model_name} {record.model_version}. {DISCLAIMER}",
        creator="Lucency",
        lang="en",
        displayDocTitle=1,
        invariant=1,
        pageCompression=1,
        initialFontName=REGULAR,
    )
    frame = Frame(
        *(MARGIN, MARGIN + FOOT, WIDTH, A4[1] - 2 * MARGIN - HEAD - FOOT),
        **dict.fromkeys(("leftPadding", "rightPadding", "topPadding", "bottomPadding"), 0),
    )
    document.addPageTemplates(PageTemplate(frames=[frame]))
    document.build([*_story(record, pictures, identity)], canvasmaker=_framed(record))
    return buffer.getvalue()


def _story(record: ResultRecord, pictures: Pictures, identity: Identity | None) -> Iterator[Flowable]:
    yield _patient(record, identity)
    yield Spacer(0, 6)
    yield from _figures(record, pictures)
    yield Paragraph("Findings", HEADING)
    yield _findings(record)
    sentences = [text for finding in record.judged if (text := wording.three_way(finding))]
    if sentences:
        yield Paragraph("Decision with stated coverage, in words", HEADING)
        for text in (*sentences, wording.coverage(record)):
            yield Paragraph(markup(text), BODY)
    title = "Is the input of the kind that the model knows?"
    bold = wording.doubtful(record)
    doubts = [Paragraph(markup(text, bold=bold), BODY) for text in wording.sanity(record)]
    yield KeepTogether([Paragraph(title, HEADING), *doubts])
    yield KeepTogether([Paragraph("Image and model", HEADING), _particulars(record)])
    yield from _more_figures(record, pictures)
    if record.limits:
        yield Paragraph("Limits of the model, as its card states them", HEADING)
        for limit in record.limits:
            yield Paragraph("• " + markup(limit), SMALL)


def _patient(record: ResultRecord, identity: Identity | None) -> Table:
    """Whom it is of; without an Identity that it is of nobody named here."""
    if identity is None:
        image = f"De-identified image {record.image.image_id}"
        return Table([[_cell(image)]], colWidths=[WIDTH], style=[*PLAIN, ("BOX", (0, 0), (-1, -1), 0.5, colors.grey)])
    name = " / ".join(
        group.replace("^", " ").strip() for group in identity.patient_name.split("=") if group.strip("^ ")
    )
    issuer = f" ({identity.issuer_of_patient_id})" if identity.issuer_of_patient_id else ""
    cells = [
        ("Patient", name or "not named"),
        ("Born, sex", f"{_date(identity.patient_birth_date)}, {identity.patient_sex or 'not stated'}"),
        ("Patient ID", f"{identity.patient_id}{issuer}"),
        ("Accession", identity.accession_number or "not stated"),
        ("Study", f"{identity.study_description or 'without description'}, {_date(identity.study_date)}"),
        ("Referred by", identity.referring_physician_name.split("=")[0].replace("^", " ").strip() or "not stated"),
    ]
    pairs = [(_cell(title, bold=True), _cell(text)) for title, text in cells]
    rows = [[*pairs[left], *pairs[left + 1]] for left in (0, 2, 4)]
    widths = [56, WIDTH * 0.55 - 56, 62, WIDTH * 0.45 - 62]
    return Table(rows, colWidths=widths, style=[*PLAIN, ("BOX", (0, 0), (-1, -1), 0.8, colors.black)])


def _figures(record: ResultRecord, pictures: Pictures) -> Iterator[Flowable]:
    height = FIGURE_HEIGHT_WITH_MANY if len(record.judged) > MANY else FIGURE_HEIGHT
    shown = record.shown
    panels: list[Panel] = [plain(record, pictures)]
    if shown is None:
        yield Figure(panels, record, width=WIDTH, height=height)
        yield Paragraph("No heatmap was asked for.", SMALL)
        return
    panels.append(heated(record, pictures, shown, caption=f"What spoke for: {readable(shown.label)}"))
    yield Figure(panels, record, width=WIDTH, height=height)
    boxes = "; ".join(
        f"{number}: columns {box.x:.0f}–{box.x + box.width:.0f}, rows {box.y:.0f}–{box.y + box.height:.0f}, "
        f"highest heat {box.score:.2f}"
        for number, box in enumerate(shown.regions, start=1)
    )
    text = (
        "What spoke for the finding most lies inside the lines: solid at ¾ of the highest heat, dashed at ½; colours "
        "run from dark purple (little) to bright yellow (most). It shows where the network looked, not where "
        "a lesion is. "
    )
    yield Paragraph(markup(text + (f"Boxes, in pixels: {boxes}." if boxes else "No box.")), SMALL)


def _more_figures(record: ResultRecord, pictures: Pictures) -> Iterator[Flowable]:
    """What else was explained, small, most probable first."""
    others = [one for one in record.findings if one.explained and one is not record.shown]
    others = sorted(others, key=lambda one: (-one.probability, one.label))[:MORE_FIGURES]
    if not others:
        return
    panels = [
        heated(record, pictures, one, caption=f"{readable(one.label)}, {wording.percent(one.probability)}")
        for one in others
    ]
    figures = [
        Figure(panels[start : start + 3], record, width=WIDTH, height=MORE_HEIGHT, places=3)
        for start in range(0, len(panels), 3)
    ]
    first, *rest = figures
    yield KeepTogether([Paragraph("What spoke for other labels", HEADING), first])
    yield from rest


def _findings(record: ResultRecord) -> Table:
    judged = record.judged
    if not judged:
        return _classes(record)
    head = ["Finding", "Probability", "Threshold", "At threshold", "With coverage", "Stability"]
    rows = [[_cell(title, bold=True) for title in head], *([*_row(finding)] for finding in judged)]
    widths = [WIDTH * part for part in (0.24, 0.2, 0.12, 0.14, 0.2, 0.1)]
    return Table(rows, colWidths=widths, repeatRows=1, style=GRID)


def _row(finding: ReportedFinding) -> Iterator[Any]:
    positive = finding.decision == Decision.POSITIVE
    three_way = finding.three_way
    yield _cell(readable(finding.label), bold=positive)
    yield Bar(finding.probability, finding.threshold)
    yield _cell(wording.percent(finding.threshold))
    yield _cell(DECISIONS.get(finding.decision, finding.decision), bold=positive)
    yield _cell(
        "–" if three_way is None else THREE_WAYS.get(three_way["decision"], "–"),
        bold=three_way is not None and three_way["decision"] != ThreeWay.NEGATIVE,
    )
    yield _cell("–" if finding.stability is None else f"{finding.stability:.2f}")


def _classes(record: ResultRecord) -> Table:
    """Of a model without Findings: its classes, else regions, most probable first; it decides nothing."""
    classes = record.probabilities or record.region_probabilities
    ordered = sorted(classes.items(), key=lambda entry: (-entry[1], entry[0]))
    rows = [[_cell(title, bold=True) for title in ("Class", "Probability")]]
    rows += [[_cell(readable(label)), Bar(probability, None)] for label, probability in ordered[:20]]
    return Table(rows, colWidths=[WIDTH * 0.5, WIDTH * 0.5], repeatRows=1, style=GRID)


def _particulars(record: ResultRecord) -> Table:
    image = record.image
    of = ", ".join(filter(None, (image.modality, image.body_part)))
    rules = "; ".join(f"{readable(label)}: {rule}" for label, rule in record.rules.items())
    entries = [
        ("Region seen", wording.region(record)),
        ("Image", f"{of + ', ' if of else ''}{record.columns} × {record.rows} pixels, {image.media_kind}"),
        ("Model", f"{record.model_name} {record.model_version}, engine {record.engine}"),
        ("Model's digest", f"sha256 {record.model_digest}"),
        ("Software", software(record) or "not known"),
        ("Thresholds", rules or "as in the table; the model does not state how they were chosen"),
        ("Received", wording.moment(record.submitted_at)),
        ("Judged", wording.moment(record.predicted_at)),
        ("Durations", wording.timings(record)),
        ("Job", str(record.job_id)),
    ]
    rows = [[_cell(title, bold=True), _cell(text)] for title, text in entries]
    return Table(rows, colWidths=[80, WIDTH - 80], style=[*PLAIN, ("VALIGN", (0, 0), (-1, -1), "TOP")])


def _cell(text: str, *, bold: bool = False) -> Paragraph:
    # A row of a table cannot be divided between pages.
    shown = text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 1]}…"
    return Paragraph(markup(shown, bold=bold), CELL)


def _date(value: str) -> str:
    """DICOM's DA as ISO 8601; what is none stays as it is."""
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if len(value) == 8 and value.isdigit() else value or "not stated"


class Bar(Flowable):  # type: ignore[misc]
    """A probability as a number and a bar from 0 to 1, with a tick at the threshold."""

    LENGTH, HEIGHT, TEXT = 48.0, 6.0, 42.0

    def __init__(self, probability: float, threshold: float | None) -> None:
        super().__init__()
        self._probability, self._threshold = probability, threshold

    def wrap(self, _width: float, _height: float) -> tuple[float, float]:
        return self.TEXT + self.LENGTH, 10.0

    def draw(self) -> None:
        canvas = self.canv
        canvas.setFillColorRGB(0, 0, 0)
        canvas.setFont(REGULAR, 8)
        canvas.drawRightString(self.TEXT - 6, 2.2, wording.percent(self._probability))
        canvas.setFillColorRGB(0.35, 0.35, 0.35)
        canvas.rect(self.TEXT, 2, self.LENGTH * self._probability, self.HEIGHT, fill=1, stroke=0)
        canvas.setStrokeColorRGB(0, 0, 0)
        canvas.setLineWidth(0.4)
        canvas.rect(self.TEXT, 2, self.LENGTH, self.HEIGHT)
        if self._threshold is not None:
            canvas.setLineWidth(1.2)
            at = self.TEXT + self.LENGTH * self._threshold
            canvas.line(at, 0.5, at, 3.5 + self.HEIGHT)


def _framed(record: ResultRecord) -> type:
    """A canvas that heads and foots each page, when the number of pages is known."""

    class Framed(Canvas):  # type: ignore[misc]
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 - reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._pages:
                self.__dict__.update(page)
                _frame(self, record, len(self._pages))
                super().showPage()
            super().save()

    return Framed


def _frame(canvas: Any, record: ResultRecord, pages: int) -> None:
    top, foot = A4[1] - MARGIN, MARGIN
    canvas.setFillColorRGB(0, 0, 0)
    canvas.setFont(BOLD, 12)
    canvas.drawString(MARGIN, top - 6, "Lucency: AI result of one radiograph")
    canvas.setFont(BOLD, 8)
    mark = "AI-GENERATED · NOT FOR PRIMARY DIAGNOSIS"
    width = canvas.stringWidth(mark, BOLD, 8) + 8
    canvas.setLineWidth(1)
    canvas.rect(A4[0] - MARGIN - width, top - 10, width, 15)
    canvas.drawCentredString(A4[0] - MARGIN - width / 2, top - 5.5, mark)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, foot + 12, A4[0] - MARGIN, foot + 12)
    canvas.setFont(BOLD, 7.5)
    canvas.drawString(MARGIN, foot + 3, DISCLAIMER)
    canvas.setFont(REGULAR, 7)
    canvas.drawString(MARGIN, foot - 6, f"Job {record.job_id}")
    canvas.drawRightString(A4[0] - MARGIN, foot - 6, f"page {canvas.getPageNumber()} of {pages}")
