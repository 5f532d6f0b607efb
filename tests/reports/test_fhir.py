"""The FHIR Bundle, checked by fhir.resources' models and by its own references."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from core.identity import Identity
from core.result_record import ResultRecord
from core.vocabulary import DISCLAIMER, ReportKind
from reports.render import render
from tests.reports.records import chest, finding, identity, raster, record

ODD = Identity(patient_name="^^^^=", patient_birth_date="19701399", patient_sex="X", patient_id="  ")


def made(of: ResultRecord, who: Identity | None = None) -> dict[str, Any]:
    content = render(ReportKind.FHIR, of, None, who).content
    assert content == render(ReportKind.FHIR, of, None, who).content
    Bundle.model_validate_json(content)
    document: dict[str, Any] = json.loads(content)
    return document


def of_type(document: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [entry["resource"] for entry in document["entry"] if entry["resource"]["resourceType"] == name]


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["reference"]} if "reference" in value else set()
        return own.union(*(references(part) for part in value.values()))
    return set().union(*(references(part) for part in value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("who", [None, identity(), ODD, Identity()], ids=["stored", "home", "odd", "empty"])
@pytest.mark.parametrize("of", [record(), chest(), raster(), record(findings=(), probabilities={"a": 1.0})])
def test_every_bundle_is_valid_and_whole(of: ResultRecord, who: Identity | None) -> None:
    document = made(of, who)
    urls = [entry["fullUrl"] for entry in document["entry"]]
    assert len(urls) == len(set(urls))
    assert references(document) <= set(urls)
    [report] = of_type(document, "DiagnosticReport")
    assert report["status"] == "preliminary"
    assert DISCLAIMER in report["conclusion"]
    assert len(report["result"]) == len(of_type(document, "Observation"))
    assert {one["status"] for one in of_type(document, "Observation")} == {"preliminary"}
    for resource in (report, *of_type(document, "Observation")):
        assert resource["meta"]["security"][0]["code"] == "AIAST"
    assert len(of_type(document, "ImagingStudy")) == (of.image.media_kind == "dicom")


def test_an_observation_says_what_the_finding_does() -> None:
    [fracture] = of_type(made(record()), "Observation")
    [code] = fracture["code"]["coding"]
    assert (code["system"], code["code"]) == ("http://snomed.info/sct", "72704001")
    assert fracture["valueCodeableConcept"]["coding"][0]["display"] == "Present"
    assert fracture["interpretation"][0]["coding"][0]["code"] == "IND"
    assert fracture["bodySite"]["coding"][0]["code"] == "61685007"
    quantities = {
        part["code"]["coding"][0]["display"]: part["valueQuantity"]["value"]
        for part in fracture["component"]
        if "valueQuantity" in part
    }
    assert quantities["Probability"] == 0.83
    assert quantities["Threshold Value"] == 0.5
    assert quantities["Stated coverage"] == 0.9
    assert sum("valueString" in part for part in fracture["component"]) == 2
    [negative] = of_type(made(record(findings=(finding(probability=0.1, three_way=None),))), "Observation")
    assert negative["valueCodeableConcept"]["coding"][0]["display"] == "Absent"
    assert negative["interpretation"][0]["coding"][0]["code"] == "NEG"


def test_the_patient_is_named_at_home_only() -> None:
    who = identity()
    document = made(record(), who)
    [patient] = of_type(document, "Patient")
    assert patient["name"][0]["family"] == "Yamada"
    assert patient["name"][1]["text"] == "太郎 山田"
    assert (patient["birthDate"], patient["gender"]) == ("1970-01-31", "male")
    assert patient["identifier"] == [{"value": "P-0815", "assigner": {"display": "St. Elsewhere"}}]
    [study] = of_type(document, "ImagingStudy")
    assert study["identifier"][0]["value"] == f"urn:oid:{who.study_instance_uid}"
    assert study["series"][0]["instance"][0]["uid"] == who.sop_instance_uid
    stored = render(ReportKind.FHIR, record(), None).content.decode()
    for secret in (who.patient_id, "Yamada", who.study_instance_uid, who.accession_number):
        assert secret not in stored
    assert "urn:oid:2.25.1003" in stored
    [odd] = of_type(made(record(), ODD), "Patient")
    assert not {"name", "birthDate", "gender", "identifier"} & odd.keys()


def test_the_device_is_the_model() -> None:
    [device] = of_type(made(record()), "Device")
    assert device["deviceName"] == [{"name": "lucency", "type": "model-name"}]
    assert device["version"] == [{"value": "2"}, {"type": {"text": "Lucency"}, "value": "0.0.7"}]
    assert record().model_digest in device["identifier"][0]["value"]
    assert [note["text"] for note in device["note"]] == [DISCLAIMER, *record().limits]
    [old] = of_type(made(record(release=None)), "Device")
    assert old["version"] == [{"value": "2"}]
