"""The answer to a STOW-RS request: what was stored, and what was not and why (PS3.18 section 10.5.3, annex I)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.dicomweb.urls import Urls
from core import errors
from core.errors import LucencyError

Json = dict[str, Any]

# PS3.3 C.14.1.1 and PS3.4 table B.2-1. B000: the stored instance is de-identified.
COERCED = 0xB000
OUT_OF_RESOURCES = 0xA700
MISMATCH = 0xA900
STUDY_MISMATCH = 0xA901
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
SOP_CLASS_UNSUPPORTED = 0x0122
NOT_UNDERSTOOD = 0xC000
TRANSFER_SYNTAX_UNSUPPORTED = 0xC122

_REASONS: tuple[tuple[type[LucencyError], int], ...] = (
    (errors.StudyMismatch, STUDY_MISMATCH),
    (errors.InstanceConflict, DUPLICATE_INSTANCE),
    (errors.TransferSyntaxUnsupported, TRANSFER_SYNTAX_UNSUPPORTED),
    (errors.NotApplicable, SOP_CLASS_UNSUPPORTED),
    (errors.BurnedInPhi, SOP_CLASS_UNSUPPORTED),
    (errors.PixelsInconsistent, MISMATCH),
    (errors.PixelsTooLarge, OUT_OF_RESOURCES),
    (errors.UploadTooLarge, OUT_OF_RESOURCES),
    (errors.UploadTooSlow, OUT_OF_RESOURCES),
    (errors.QuotaExceeded, OUT_OF_RESOURCES),
    (errors.Unavailable, OUT_OF_RESOURCES),
    (errors.InputRejected, NOT_UNDERSTOOD),
)


def reason_of(error: LucencyError) -> int:
    """The Failure Reason that says nearest what `error` says."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), PROCESSING_FAILURE)


@dataclass(frozen=True, slots=True)
class StoredReference:
    """An instance that is stored, by the UIDs that it is stored under."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one part. `sop_class_uid` and `sop_instance_uid` are those of the file that came, where it says.

    Just one of `stored` and `error` is set.
    """

    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    stored: StoredReference | None = None
    error: LucencyError | None = None


def status_of(outcomes: list[Outcome]) -> int:
    """PS3.18 table 10.5.3-1: 202 where some are stored, be it with warnings; 409 where none is. All stored without a
    warning would be 200: de-identification coerces, so each has one.
    """
    return 202 if any(outcome.stored is not None for outcome in outcomes) else 409


def receipt(outcomes: list[Outcome], urls: Urls) -> Json:
    """The Store Instances Response Module (PS3.18 table I.2-1) as DICOM JSON."""
    made: Json = {}
    stored = [(outcome, outcome.stored) for outcome in outcomes if outcome.stored is not None]
    if len(studies := {reference.study_instance_uid for _outcome, reference in stored}) == 1:
        made["00081190"] = _value("UR", urls.study(studies.pop()))
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    named = [_failure(outcome) for outcome in failed if outcome.sop_instance_uid]
    if named:
        made["00081198"] = {"vr": "SQ", "Value": named}
    if stored:
        made["00081199"] = {"vr": "SQ", "Value": [_reference(*pair, urls=urls) for pair in stored]}
    unnamed = [_reason(outcome) for outcome in failed if not outcome.sop_instance_uid]
    if unnamed:
        made["0008119A"] = {"vr": "SQ", "Value": unnamed}
    return made


def _reference(outcome: Outcome, reference: StoredReference, *, urls: Urls) -> Json:
    url = urls.instance(reference.study_instance_uid, reference.series_instance_uid, reference.sop_instance_uid)
    made = {
        "00081150": _value("UI", reference.sop_class_uid),
        "00081155": _value("UI", reference.sop_instance_uid),
        "00081190": _value("UR", url),
        "00081196": _value("US", COERCED),
    }
    if outcome.sop_instance_uid and outcome.sop_instance_uid != reference.sop_instance_uid:
        # So that the sender can tell which of its own this is.
        original = {"00080018": _value("UI", outcome.sop_instance_uid)}
        coerced = {
            "04000550": {"vr": "SQ", "Value": [original]},
            "04000563": _value("LO", "Lucency"),
            "04000565": _value("CS", "COERCE"),
        }
        made["04000561"] = {"vr": "SQ", "Value": [coerced]}
    return made


def _failure(outcome: Outcome) -> Json:
    made = {"00081155": _value("UI", outcome.sop_instance_uid), **_reason(outcome)}
    return {"00081150": _value("UI", outcome.sop_class_uid), **made} if outcome.sop_class_uid else made


def _reason(outcome: Outcome) -> Json:
    code = reason_of(outcome.error) if outcome.error is not None else PROCESSING_FAILURE
    return {"00081197": _value("US", code)}


def _value(vr: str, value: str | int) -> Json:
    return {"vr": vr, "Value": [value]}
