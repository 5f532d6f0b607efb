"""A result as a FHIR R4 Bundle (collection): DiagnosticReport, an Observation for each Finding, the model as Device,
the Patient, and the ImagingStudy where the image is DICOM.

The models that check it are those of R4B (4.3.0), the nearest that fhir.resources has: of these resources R4B changed
no element that is used here. Everything is preliminary and carries the security label AIAST, "asserted by artificial
intelligence".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid5

from fhir.resources.R4B.bundle import Bundle

from core.identity import Identity
from core.result_record import Box, ReportedFinding, ResultRecord
from core.vocabulary import DISCLAIMER, Decision, ThreeWay
from reports import codes, wording
from reports.codes import Concept, readable
from reports.document import utc
from reports.identifiers import SCHEME_UID, study_uid
from reports.marks import MANUFACTURER

Resource = dict[str, Any]
SYSTEMS = {
    "SCT": "http://snomed.info/sct",
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "UCUM": "http://unitsofmeasure.org",
    codes.PRIVATE_SCHEME: f"urn:oid:{SCHEME_UID}",
}
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
INTERPRETATIONS = {
    ThreeWay.POSITIVE.value: ("POS", "Positive"),
    ThreeWay.NEGATIVE.value: ("NEG", "Negative"),
    ThreeWay.REFER.value: ("IND", "Indeterminate"),
}
GENDERS = {"M": "male", "F": "female", "O": "other"}
AI = {"system": f"{TERMINOLOGY}/v3-ObservationValue", "code": "AIAST", "display": "Artificial Intelligence asserted"}


def bundle(record: ResultRecord, identity: Identity | None = None) -> bytes:
    """UTF-8 JSON, the same bytes for the same arguments; the patient is named only where `identity` is given."""
    resources = [*_resources(record, identity)]
    entries = [{"fullUrl": _url(record, name), "resource": resource} for name, resource in resources]
    whole = Bundle.model_validate(
        {
            "resourceType": "Bundle",
            "id": _id(record, "bundle"),
            "type": "collection",
            "timestamp": utc(record.predicted_at),
            "entry": entries,
        }
    )
    return str(whole.model_dump_json()).encode()


def _resources(record: ResultRecord, identity: Identity | None) -> Iterator[tuple[str, Resource]]:
    observations = [*_observations(record)]
    yield "report", _report(record, [name for name, _ in observations])
    yield "patient", _patient(record, identity)
    yield "device", _device(record)
    if _has_study(record):
        yield "study", _study(record, identity)
    yield from observations


def _report(record: ResultRecord, observations: list[str]) -> Resource:
    study = {"imagingStudy": [_reference(record, "study")]} if _has_study(record) else {}
    radiology = _coding(f"{TERMINOLOGY}/v2-0074", "RAD", "Radiology")
    return {
        "resourceType": "DiagnosticReport",
        "id": _id(record, "report"),
        "meta": {"security": [AI]},
        "identifier": [{"system": f"urn:oid:{SCHEME_UID}", "value": str(record.job_id)}],
        "status": "preliminary",
        "category": [{"coding": [radiology]}],
        "code": {"coding": [_coding("http://loinc.org", "18748-4", "Diagnostic imaging study")]},
        "subject": _reference(record, "patient"),
        "effectiveDateTime": utc(record.predicted_at),
        "issued": utc(record.predicted_at),
        "result": [_reference(record, name) for name in observations],
        "conclusion": _conclusion(record),
        **study,
    }


def _conclusion(record: ResultRecord) -> str:
    found = ", ".join(
        f"{readable(one.label)} {wording.percent(one.probability)} ({one.decision})" for one in record.judged
    )
    return " ".join([f"AI-generated. {DISCLAIMER}", f"{found}." if found else "", *wording.sanity(record)]).strip()


def _patient(record: ResultRecord, identity: Identity | None) -> Resource:
    made: Resource = {"resourceType": "Patient", "id": _id(record, "patient")}
    if identity is None:
        stored = (record.image.attributes.get("00100020") or {}).get("Value") or [None]
        return made | {"identifier": [{"value": str(stored[0] or record.image.image_id)}]}
    if identity.patient_id.strip():
        issuer = identity.issuer_of_patient_id.strip()
        made["identifier"] = [
            {"value": identity.patient_id.strip()} | ({"assigner": {"display": issuer}} if issuer else {})
        ]
    if names := [*_names(identity.patient_name)]:
        made["name"] = names
    if identity.patient_sex in GENDERS:
        made["gender"] = GENDERS[identity.patient_sex]
    if date := _date(identity.patient_birth_date):
        made["birthDate"] = date
    return made


def _names(person_name: str) -> Iterator[Resource]:
    """DICOM PN (PS3.5 6.2): groups of one name in several scripts, of family^given^middle^prefix^suffix."""
    for group in person_name.split("="):
        family, given, middle, prefix, suffix, *_ = [part.strip() for part in (group + "^^^^").split("^")]
        name: Resource = {"text": " ".join(part for part in (prefix, given, middle, family, suffix) if part)}
        if not name["text"]:
            continue
        if family:
            name["family"] = family
        for key, parts in (("given", (given, middle)), ("prefix", (prefix,)), ("suffix", (suffix,))):
            if kept := [part for part in parts if part]:
                name[key] = kept
        yield name


def _date(value: str) -> str | None:
    """DICOM's DA as FHIR's date; None of what is none."""
    whole = len(value) == 8 and value.isascii() and value.isdigit()
    valid = whole and 1 <= int(value[4:6]) <= 12 and 1 <= int(value[6:]) <= 31 and int(value[:4]) > 0
    return f"{value[:4]}-{value[4:6]}-{value[6:]}" if valid else None


def _device(record: ResultRecord) -> Resource:
    return {
        "resourceType": "Device",
        "id": _id(record, "device"),
        "identifier": [{"system": "urn:ietf:rfc:6920", "value": f"ni:///sha-256;hex:{record.model_digest}"}],
        "status": "active",
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": record.model_name, "type": "model-name"}],
        "type": _concept(codes.ARTIFICIAL_INTELLIGENCE),
        "version": [{"value": record.model_version}, *_release(record)],
        "note": [{"text": text} for text in (DISCLAIMER, *record.limits)],
    }


def _release(record: ResultRecord) -> list[Resource]:
    """Lucency's own version beside the model's; none of a result that does not tell."""
    return [] if record.release is None else [{"type": {"text": MANUFACTURER}, "value": record.release}]


def _has_study(record: ResultRecord) -> bool:
    return record.image.sop_instance_uid is not None and record.image.sop_class_uid is not None


def _study(record: ResultRecord, identity: Identity | None) -> Resource:
    image = record.image
    study = (identity and identity.study_instance_uid) or image.study_instance_uid or study_uid(record)
    series = (identity and identity.series_instance_uid) or image.series_instance_uid
    made: Resource = {
        "resourceType": "ImagingStudy",
        "id": _id(record, "study"),
        "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{study}"}],
        "status": "available",
        "subject": _reference(record, "patient"),
    }
    if identity is not None and identity.accession_number.strip():
        accession = _coding(f"{TERMINOLOGY}/v2-0203", "ACSN", "Accession ID")
        made["identifier"].append({"type": {"coding": [accession]}, "value": identity.accession_number.strip()})
    if series:
        instance = {
            "uid": (identity and identity.sop_instance_uid) or image.sop_instance_uid,
            "sopClass": {
                "system": "urn:ietf:rfc:3986",
                "code": f"urn:oid:{(identity and identity.sop_class_uid) or image.sop_class_uid}",
            },
        }
        modality = _coding(SYSTEMS["DCM"], image.modality or "OT", None)
        made["series"] = [{"uid": series, "modality": modality, "instance": [instance]}]
    return made


def _observations(record: ResultRecord) -> Iterator[tuple[str, Resource]]:
    for finding in record.judged:
        yield f"finding {finding.label}", _finding(record, finding)
    if not record.judged:
        for label, probability in (record.probabilities or record.region_probabilities).items():
            name = f"class {label}"
            concept = codes.of_region(label) or codes.of_finding(label)
            observed = _observation(record, name, concept, label)
            yield name, observed | {"component": [_measure(codes.PROBABILITY, probability)]}


def _finding(record: ResultRecord, finding: ReportedFinding) -> Resource:
    three_way = finding.three_way or {}
    positive = finding.decision == Decision.POSITIVE
    interpretation = INTERPRETATIONS[three_way.get("decision") or finding.decision]
    measures = [(codes.PROBABILITY, finding.probability), (codes.THRESHOLD, finding.threshold)]
    measures += [(codes.COVERAGE, three_way["coverage"])] if three_way.get("coverage") is not None else []
    measures += [(codes.STABILITY, finding.stability)] if finding.stability is not None else []
    made = _observation(record, f"finding {finding.label}", codes.of_finding(finding.label), finding.label)
    made["valueCodeableConcept"] = _concept(codes.PRESENT if positive else codes.ABSENT)
    made["interpretation"] = [{"coding": [_coding(f"{TERMINOLOGY}/v3-ObservationInterpretation", *interpretation)]}]
    made["component"] = [_measure(*measure) for measure in measures] + [_place(box) for box in finding.regions]
    if region := codes.of_region(record.region):
        made["bodySite"] = _concept(region)
    if text := wording.three_way(finding):
        made["note"] = [{"text": text}]
    return made


def _observation(record: ResultRecord, name: str, concept: Concept, label: str) -> Resource:
    category = _coding(f"{TERMINOLOGY}/observation-category", "imaging", "Imaging")
    derived = {"derivedFrom": [_reference(record, "study")]} if _has_study(record) else {}
    return {
        "resourceType": "Observation",
        "id": _id(record, name),
        "meta": {"security": [AI]},
        "status": "preliminary",
        "category": [{"coding": [category]}],
        "code": _concept(concept) | {"text": readable(label)},
        "subject": _reference(record, "patient"),
        "effectiveDateTime": utc(record.predicted_at),
        "issued": utc(record.predicted_at),
        "device": _reference(record, "device"),
        **derived,
    }


def _measure(name: Concept, value: float) -> Resource:
    quantity = {"value": float(f"{value:.6g}"), "unit": "1", "system": SYSTEMS["UCUM"], "code": "1"}
    return {"code": _concept(name), "valueQuantity": quantity}


def _place(box: Box) -> Resource:
    """A region of interest: R4 has no resource for one."""
    text = f"x={box.x:g} y={box.y:g} width={box.width:g} height={box.height:g} pixels, highest heat {box.score:.2f}"
    return {"code": _concept(codes.REGION_OF_INTEREST), "valueString": text}


def _concept(concept: Concept) -> Resource:
    return {"coding": [_coding(SYSTEMS[concept.scheme], concept.value, concept.meaning)]}


def _coding(system: str, code: str, display: str | None) -> Resource:
    return {"system": system, "code": code} | ({"display": display} if display else {})


def _id(record: ResultRecord, name: str) -> str:
    return str(uuid5(UUID(int=record.job_id.int), name))


def _url(record: ResultRecord, name: str) -> str:
    return f"urn:uuid:{_id(record, name)}"


def _reference(record: ResultRecord, name: str) -> Resource:
    return {"reference": _url(record, name)}
