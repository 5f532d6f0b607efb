"""A result as DICOM Comprehensive SR, by TID 1500 "Measurement Report" (PS3.16 annex A).

A measurement group for each Finding: its code and body site, the probability, the threshold, the decisions, and the
highest region of interest as a polyline on the referenced image; each further region has a group of its own. What
made it stands as a device observer (TID 1004) and in each group as an algorithm (TID 4019). The document is
PRELIMINARY and UNVERIFIED, and says in its series description and in a comment that it is no primary diagnosis.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard

from core.identity import Identity
from core.result_record import Box, ReportedFinding, ResultRecord
from core.vocabulary import DISCLAIMER, Decision, ReportKind, ThreeWay
from reports import codes
from reports.identifiers import instance_uid, series_uid, uid
from reports.layout import Layout
from reports.marks import MANUFACTURER, series_description, series_number, software_versions
from reports.origin import as_file, enter, is_dicom, private_scheme, referenced

Group: TypeAlias = "MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations"
THREE_WAY = {
    ThreeWay.POSITIVE.value: codes.PRESENT,
    ThreeWay.NEGATIVE.value: codes.ABSENT,
    ThreeWay.REFER.value: codes.INDETERMINATE,
}


def make(record: ResultRecord, identity: Identity | None = None) -> bytes:
    """A Part 10 file. It joins the study of the referenced image, with `identity` under the original UIDs."""
    home = identity is not None
    image = referenced(record, identity)
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(record)),
        procedure_reported=_coded(codes.RADIOGRAPHY),
        imaging_measurements=[*_groups(record, image)],
        title=standard.DCM.ImagingMeasurementReport,
    )
    report[0].ContentSequence.extend(_comment(text) for text in _remarks(record))
    document = ComprehensiveSR(
        evidence=[image],
        content=report,
        series_instance_uid=series_uid(record, ReportKind.SR, home=home),
        series_number=series_number(ReportKind.SR),
        sop_instance_uid=instance_uid(record, ReportKind.SR, home=home),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=record.model_name,
        software_versions=software_versions(record),
        device_serial_number=record.model_digest,
        series_description=series_description(ReportKind.SR),
        is_complete=True,
    )
    document.CodingSchemeIdentificationSequence = [private_scheme()]
    enter(document, record, identity)
    return as_file(document)


def _groups(record: ResultRecord, image: Dataset) -> Iterator[Group]:
    layout = Layout.of(record)
    for finding in record.judged:
        boxes = finding.regions if is_dicom(record) else tuple(layout.place(box) for box in finding.regions)
        yield _finding(record, finding, image, boxes[0] if boxes else None)
        for number, box in enumerate(boxes[1:], start=2):
            yield _further(record, finding, image, box, number)
    if not record.judged:
        for label, probability in (record.probabilities or record.region_probabilities).items():
            yield _class(record, label, probability, image)
    flags = (record.sanity or {}).get("flags", [])
    if flags:
        yield MeasurementsAndQualitativeEvaluations(
            tracking_identifier=_tracking(record, "radiograph"),
            finding_type=_coded(codes.RADIOGRAPH),
            algorithm_id=_algorithm(record),
            qualitative_evaluations=[_evaluation(codes.INPUT_FLAG, codes.of_flag(flag["code"])) for flag in flags],
            source_images=[_source(image)],
        )


def _finding(record: ResultRecord, finding: ReportedFinding, image: Dataset, box: Box | None) -> Group:
    measurements = [
        _measured(codes.PROBABILITY, finding.probability),
        _measured(codes.THRESHOLD, finding.threshold),
    ]
    positive = finding.decision == Decision.POSITIVE
    evaluations = [_evaluation(codes.DECISION, codes.PRESENT if positive else codes.ABSENT)]
    if finding.three_way is not None:
        evaluations.append(_evaluation(codes.THREE_WAY, THREE_WAY[finding.three_way["decision"]]))
        if finding.three_way["coverage"] is not None:
            measurements.append(_measured(codes.COVERAGE, finding.three_way["coverage"]))
    if finding.stability is not None:
        measurements.append(_measured(codes.STABILITY, finding.stability))
    fields: dict[str, Any] = {
        "tracking_identifier": _tracking(record, finding.label),
        "finding_type": _coded(codes.of_finding(finding.label)),
        "finding_sites": _sites(record),
        "algorithm_id": _algorithm(record, finding),
        "qualitative_evaluations": evaluations,
    }
    if box is None:
        return MeasurementsAndQualitativeEvaluations(
            measurements=measurements, source_images=[_source(image)], **fields
        )
    measurements.append(_measured(codes.HEAT, box.score))
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        measurements=measurements, referenced_region=_polyline(box, image), **fields
    )


def _further(record: ResultRecord, finding: ReportedFinding, image: Dataset, box: Box, number: int) -> Group:
    """One more place of the same Finding; its probability is not repeated, for it is that of the whole image."""
    return PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(record, f"{finding.label}, region {number}"),
        finding_type=_coded(codes.of_finding(finding.label)),
        finding_sites=_sites(record),
        algorithm_id=_algorithm(record),
        measurements=[_measured(codes.HEAT, box.score)],
        referenced_region=_polyline(box, image),
    )


def _class(record: ResultRecord, label: str, probability: float, image: Dataset) -> Group:
    """Of a model without Findings: one of the classes, undecided."""
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=_tracking(record, label),
        finding_type=_coded(codes.of_region(label) or codes.of_finding(label)),
        algorithm_id=_algorithm(record),
        measurements=[_measured(codes.PROBABILITY, probability)],
        source_images=[_source(image)],
    )


def _polyline(box: Box, image: Dataset) -> ImageRegion:
    """Closed, clockwise from the top left corner; (column, row) with pixel edges on whole numbers (C.10.5.1.2)."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    corners = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return ImageRegion(
        graphic_type=GraphicTypeValues.POLYLINE,
        graphic_data=np.array(corners, dtype=np.float64),
        source_image=SourceImageForRegion(image.SOPClassUID, image.SOPInstanceUID),
    )


def _observer(record: ResultRecord) -> ObserverContext:
    return ObserverContext(
        observer_type=standard.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=uid("model", record.model_digest),
            name=f"{MANUFACTURER} (artificial intelligence)",
            manufacturer_name=MANUFACTURER,
            model_name=f"{record.model_name} {record.model_version}",
            serial_number=record.model_digest,
        ),
    )


def _algorithm(record: ResultRecord, finding: ReportedFinding | None = None) -> AlgorithmIdentification:
    parameters = [f"bundle sha256:{record.model_digest}", f"engine {record.engine}"]
    limits = None if finding is None else finding.three_way
    if limits is not None and limits["lower"] is not None:
        parameters.append(f"referred from {limits['lower']:.6g} to {limits['upper']:.6g}")
    return AlgorithmIdentification(
        name=record.model_name,
        version=record.model_version,
        parameters=parameters,
        family=_coded(codes.ARTIFICIAL_INTELLIGENCE),
        manufacturer=MANUFACTURER,
    )


def _sites(record: ResultRecord) -> list[FindingSite] | None:
    region = codes.of_region(record.region)
    return None if region is None else [FindingSite(anatomic_location=_coded(region))]


def _tracking(record: ResultRecord, name: str) -> TrackingIdentifier:
    return TrackingIdentifier(uid=uid("tracking", record.job_id, name), identifier=name)


def _source(image: Dataset) -> SourceImageForMeasurementGroup:
    return SourceImageForMeasurementGroup(image.SOPClassUID, image.SOPInstanceUID)


def _measured(name: codes.Concept, value: float) -> Measurement:
    return Measurement(name=_coded(name), value=float(f"{value:.6g}"), unit=_coded(codes.NO_UNITS))


def _evaluation(name: codes.Concept, value: codes.Concept) -> QualitativeEvaluation:
    return QualitativeEvaluation(name=_coded(name), value=_coded(value))


def _coded(concept: codes.Concept) -> CodedConcept:
    return CodedConcept(value=concept.value, scheme_designator=concept.scheme, meaning=concept.meaning)


def _remarks(record: ResultRecord) -> list[str]:
    return [
        f"AI-generated. {DISCLAIMER}",
        f"Lucency job {record.job_id}",
        *(f"Limit of the model: {limit}" for limit in record.limits),
    ]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=_coded(codes.COMMENT), value=text, relationship_type=RelationshipTypeValues.CONTAINS)
