"""Codes for what models say: SNOMED CT and DICOM's own (PS3.16 annex D), as DICOM and FHIR both take them.

A label without a code here, such as one of a Bundle that someone else trained, gets one of our private scheme: its
value is the label itself, so it stays machine-readable and is never mistaken for a standard concept.
"""

from __future__ import annotations

from typing import NamedTuple

PRIVATE_SCHEME = "99LUCENCY"


class Concept(NamedTuple):
    """A code's value, its coding scheme designator (PS3.16 section 8) and its meaning (at most 64 characters)."""

    value: str
    scheme: str
    meaning: str


def _sct(value: str, meaning: str) -> Concept:
    return Concept(value, "SCT", meaning)


def _dcm(value: str, meaning: str) -> Concept:
    return Concept(value, "DCM", meaning)


def private(value: str, meaning: str) -> Concept:
    """A concept of ours."""
    return Concept(value, PRIVATE_SCHEME, meaning)


PROBABILITY = _dcm("122157", "Probability")
THRESHOLD = _dcm("122411", "Threshold Value")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
COMMENT = _dcm("121106", "Comment")
# PS3.16 CID 240 and 4220.
PRESENT = _sct("52101004", "Present")
ABSENT = _sct("272519000", "Absent")
INDETERMINATE = _sct("82334004", "Indeterminate")
RADIOGRAPHY = _sct("363680008", "Radiographic imaging")
NO_UNITS = Concept("1", "UCUM", "no units")
DECISION = private("decision", "Decision at the threshold")
THREE_WAY = private("three_way", "Decision with stated coverage")
COVERAGE = private("coverage", "Stated coverage")
STABILITY = private("stability", "Agreement under small shifts")
HEAT = private("heat", "Highest heat inside the region")
REGION_OF_INTEREST = private("region", "Region of interest")
INPUT_FLAG = private("sanity", "Doubt about the input")
RADIOGRAPH = private("radiograph", "The radiograph as a whole")

FINDINGS = {
    "fracture": _sct("72704001", "Fracture"),
    "abnormal": _sct("263654008", "Abnormal"),
    "normal": _sct("17621005", "Normal"),
    "atelectasis": _sct("46621007", "Atelectasis"),
    "cardiomegaly": _sct("8186001", "Cardiomegaly"),
    "effusion": _sct("60046008", "Pleural effusion"),
    "infiltration": _dcm("112121", "Infiltrate"),
    "mass": _sct("4147007", "Mass"),
    "nodule": _sct("27925004", "Nodule"),
    "pneumonia": _sct("233604007", "Pneumonia"),
    "pneumothorax": _sct("36118008", "Pneumothorax"),
    "consolidation": _sct("95436008", "Lung consolidation"),
    "edema": _sct("19242006", "Pulmonary edema"),
    "emphysema": _sct("87433001", "Pulmonary emphysema"),
    "fibrosis": _sct("51615001", "Fibrosis of lung"),
}

# PS3.16 CID 4031 and annex L.
REGIONS = {
    "hand": _sct("85562004", "Hand"),
    "finger": _sct("7569003", "Finger"),
    "wrist": _sct("74670003", "Wrist joint"),
    "forearm": _sct("14975008", "Forearm"),
    "elbow": _sct("16953009", "Elbow joint"),
    "humerus": _sct("85050009", "Humerus"),
    "shoulder": _sct("16982005", "Shoulder"),
    "hip": _sct("29836001", "Hip"),
    # The public collections call the whole limb so, from thigh to foot.
    "leg": _sct("61685007", "Lower limb"),
    "knee": _sct("72696002", "Knee"),
    "foot": _sct("56459004", "Foot"),
    "chest": _sct("816094009", "Chest"),
}

FLAGS = {
    "not_radiograph": "Not like the radiographs that the model knows",
    "unsupported_region": "A body region that the model was not made for",
    "inverted_polarity": "Grey values seem inverted",
    "blurred": "Blurred",
    "too_small": "Too few pixels",
}


def of_finding(label: str) -> Concept:
    """A Finding's or class's code."""
    return FINDINGS.get(label) or private(label, readable(label))


def of_region(label: str | None) -> Concept | None:
    """A body region's code; None of a label that is no part of the body, such as `mixed`."""
    return REGIONS.get(label or "")


def of_flag(code: str) -> Concept:
    """What is doubtful about an input."""
    return private(code, FLAGS.get(code, readable(code)))


def readable(label: str) -> str:
    """`pleural_thickening` → `Pleural thickening`; at most 64 characters, as a code's meaning and a label have."""
    words = label.replace("_", " ").replace(".", ", ")
    return words[:1].upper() + words[1:64]
