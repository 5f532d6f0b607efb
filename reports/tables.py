"""A result as rows of a table: CSV with a row for each Finding, NDJSON with a line for each result.

The columns are the same for every model, so that results of several can stand in one file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence

from core.result_record import Box, ReportedFinding, ResultRecord
from reports.document import as_mapping, utc

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?", re.ASCII)
COLUMNS = (
    "job_id",
    "image_id",
    "image_sha256",
    "study_instance_uid",
    "sop_instance_uid",
    "label",
    "probability",
    "threshold",
    "decision",
    "three_way",
    "coverage",
    "stability",
    "region",
    "region_probability",
    "accepted",
    "flags",
    "boxes",
    "rows",
    "columns",
    "model",
    "model_version",
    "model_digest",
    "submitted_at",
    "predicted_at",
)


def rows(record: ResultRecord) -> list[dict[str, str]]:
    """A row for each Finding. A model without Findings gives one: its most probable class, else region, undecided.

    `accepted` and `flags` are those of the input's sanity; `boxes` are `x y width height score`, split by `;`.
    """
    shared = _shared(record)
    if record.judged:
        return [{**shared, **_judged(finding)} for finding in record.judged]
    classes = record.probabilities or record.region_probabilities
    label = max(classes, key=classes.__getitem__, default="")
    row = dict.fromkeys(("threshold", "decision", "three_way", "coverage", "stability", "boxes"), "")
    return [{**shared, **row, "label": label, "probability": _number(classes.get(label))}]


def csv_text(lines: Iterable[Mapping[str, str]], *, columns: Sequence[str] = COLUMNS, header: bool = True) -> str:
    """RFC 4180, `lines` in the order of `columns`, which may have more than those here; a missing one is empty."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=columns, restval="")
    if header:
        writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def as_csv(record: ResultRecord) -> bytes:
    """The whole file of one result, UTF-8."""
    return csv_text(rows(record)).encode()


def ndjson_line(record: ResultRecord, **more: str) -> bytes:
    """One result as one line of JSON, with its line feed; `more` stands in front."""
    return (json.dumps({**more, **as_mapping(record)}, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _shared(record: ResultRecord) -> dict[str, str]:
    sanity = record.sanity
    return {
        "job_id": str(record.job_id),
        "image_id": str(record.image.image_id),
        "image_sha256": record.image.sha256,
        "study_instance_uid": record.image.study_instance_uid or "",
        "sop_instance_uid": record.image.sop_instance_uid or "",
        "region": record.region or "",
        "region_probability": _number(record.region_probability),
        "accepted": "" if sanity is None else str(bool(sanity["accepted"])).lower(),
        "flags": "" if sanity is None else " ".join(str(flag["code"]) for flag in sanity["flags"]),
        "rows": str(record.rows),
        "columns": str(record.columns),
        "model": record.model_name,
        "model_version": record.model_version,
        "model_digest": record.model_digest,
        "submitted_at": utc(record.submitted_at),
        "predicted_at": utc(record.predicted_at),
    }


def _judged(finding: ReportedFinding) -> dict[str, str]:
    three_way = finding.three_way or {}
    return {
        "label": finding.label,
        "probability": _number(finding.probability),
        "threshold": _number(finding.threshold),
        "decision": finding.decision,
        "three_way": str(three_way.get("decision") or ""),
        "coverage": _number(three_way.get("coverage")),
        "stability": _number(finding.stability),
        "boxes": ";".join(_box(box) for box in finding.regions),
    }


def _box(box: Box) -> str:
    return f"{box.x:g} {box.y:g} {box.width:g} {box.height:g} {box.score:.4f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _inert(value: str) -> str:
    """Text that a spreadsheet would run as a formula (CWE-1236) gets an apostrophe in front; a number stays one."""
    begins = value[:1] in {"=", "+", "-", "@", "\t", "\r"}
    return "'" + value if begins and not _NUMBER.fullmatch(value) else value
