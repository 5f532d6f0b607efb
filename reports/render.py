"""The one entry to all forms of a result. What a form needs is imported when it is first asked for, for highdicom,
reportlab and the FHIR models are heavy, and no process but the one that renders shall carry them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from core.identity import Identity
from core.result_record import Pictures, ResultRecord
from core.vocabulary import ReportKind

# Raise it when a change in `reports` makes other bytes of the same record.
REVISION = 2


@dataclass(frozen=True, slots=True)
class Rendered:
    """A report's bytes, their media type, and how a file of it is named after the job's id."""

    content: bytes
    media_type: str
    suffix: str


def render(
    kind: ReportKind, record: ResultRecord, pictures: Pictures | None, identity: Identity | None = None
) -> Rendered:
    """`record` in the form `kind`: the same bytes for the same arguments.

    `pictures` may be None for forms without (`kind.form.pictures`). With `identity` the report names the patient and
    the original UIDs, in those forms that do (`kind.form.identity`). Raises ImageInvalid for damaged pictures, and
    NotFound for a form that this result cannot have: a presentation state of what is not a DICOM image.
    """
    return Rendered(_MAKERS[kind](record, pictures, identity), kind.form.media_type, kind.form.suffix)


_Maker = Callable[[ResultRecord, Pictures | None, Identity | None], bytes]


def _json(record: ResultRecord, _pictures: Pictures | None, _identity: Identity | None) -> bytes:
    from reports.document import as_json

    return as_json(record)


def _csv(record: ResultRecord, _pictures: Pictures | None, _identity: Identity | None) -> bytes:
    from reports.tables import as_csv

    return as_csv(record)


def _overlay(record: ResultRecord, pictures: Pictures | None, _identity: Identity | None) -> bytes:
    from reports.overlay import draw_result

    return draw_result(record, _given(pictures))


def _sr(record: ResultRecord, _pictures: Pictures | None, identity: Identity | None) -> bytes:
    from reports.structured_report import make

    return make(record, identity)


def _sc(record: ResultRecord, pictures: Pictures | None, identity: Identity | None) -> bytes:
    from reports.secondary_capture import make

    return make(record, _given(pictures), identity)


def _gsps(record: ResultRecord, _pictures: Pictures | None, identity: Identity | None) -> bytes:
    from reports.presentation_state import make

    return make(record, identity)


def _pdf(record: ResultRecord, pictures: Pictures | None, identity: Identity | None) -> bytes:
    from reports.pdf import draw

    return draw(record, _given(pictures), identity)


def _fhir(record: ResultRecord, _pictures: Pictures | None, identity: Identity | None) -> bytes:
    from reports.fhir import bundle

    return bundle(record, identity)


def _given(pictures: Pictures | None) -> Pictures:
    if pictures is None:
        raise ValueError("This form of a result is drawn from its pictures")
    return pictures


_MAKERS: dict[ReportKind, _Maker] = {
    ReportKind.JSON: _json,
    ReportKind.OVERLAY: _overlay,
    ReportKind.PDF: _pdf,
    ReportKind.SR: _sr,
    ReportKind.SC: _sc,
    ReportKind.GSPS: _gsps,
    ReportKind.FHIR: _fhir,
    ReportKind.CSV: _csv,
}
