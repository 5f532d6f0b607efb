"""A result as DICOM Secondary Capture (PS3.3 A.8.1): the radiograph with heatmap, boxes and its figures, in RGB.

Its pixels say that it is AI-generated; no identity is among them, so BurnedInAnnotation is NO. It refers to the image
that it was made of.
"""

from __future__ import annotations

from dataclasses import asdict

import cv2
import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from core.identity import Identity
from core.result_record import Pictures, ResultRecord
from core.vocabulary import DISCLAIMER, ReportKind
from imaging.projection import project
from reports.heatmap import decode_heatmap
from reports.identifiers import instance_uid, series_uid
from reports.layout import BAND, BAR, Layout
from reports.marks import BANNER, MANUFACTURER, series_description, series_number, software_versions
from reports.origin import as_file, enter, is_dicom, referenced, side
from reports.overlay import BACKGROUND, Picture, blended, caption_of, colour_bar_of, draw_region, grey_of

OPACITY = 0.4


def make(record: ResultRecord, pictures: Pictures, identity: Identity | None = None) -> bytes:
    """A Part 10 file, Explicit VR Little Endian. Raises ImageInvalid where a picture is damaged."""
    home = identity is not None
    picture, image = compose(record, pictures), referenced(record, identity)
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.SOPClassUID = SecondaryCaptureImageStorage
    made.SOPInstanceUID = instance_uid(record, ReportKind.SC, home=home)
    made.StudyInstanceUID = image.StudyInstanceUID
    made.SeriesInstanceUID = series_uid(record, ReportKind.SC, home=home)
    made.SeriesNumber, made.InstanceNumber = series_number(ReportKind.SC), 1
    made.SeriesDescription = series_description(ReportKind.SC)
    made.Modality, made.ConversionType = "OT", "WSD"
    made.Laterality = side(record)
    made.Manufacturer = made.SecondaryCaptureDeviceManufacturer = MANUFACTURER
    made.ManufacturerModelName = made.SecondaryCaptureDeviceManufacturerModelName = record.model_name
    made.SoftwareVersions = made.SecondaryCaptureDeviceSoftwareVersions = software_versions(record)
    made.DeviceSerialNumber = record.model_digest
    made.ImageType = ["DERIVED", "SECONDARY"]
    made.BurnedInAnnotation = "NO"
    made.PatientOrientation = None
    made.DerivationDescription = f"AI-generated heatmap and regions. {DISCLAIMER}"
    made.ImageComments = f"AI-generated. {DISCLAIMER} Lucency job {record.job_id}"
    if is_dicom(record):
        made.SourceImageSequence = [_source(image)]
    _set_pixels(made, picture)
    enter(made, record, identity)
    made.DateOfSecondaryCapture, made.TimeOfSecondaryCapture = made.ContentDate, made.ContentTime
    return as_file(made)


def compose(record: ResultRecord, pictures: Pictures) -> Picture:
    """(height, width, 3) BGR by `Layout`: caption, radiograph with heatmap and boxes, colour bar, banner."""
    layout, shown = Layout.of(record), record.shown
    size = layout.rows, layout.columns
    grey = cv2.resize(grey_of(pictures.preview), size[::-1], interpolation=cv2.INTER_CUBIC)
    canvas = np.full((layout.height, layout.width, 3), BACKGROUND, dtype=np.uint8)
    inner = canvas[layout.top : layout.top + layout.rows, layout.left : layout.left + layout.columns]
    if shown is None:
        inner[:] = grey[:, :, None]
        caption = "radiograph without explanation"
    else:
        heat = project(decode_heatmap(pictures.heatmaps[shown.label]), window=record.window, size=size)
        inner[:] = blended(np.asarray(grey, dtype=np.uint8), heat, OPACITY)
        canvas[layout.top : layout.top + layout.rows, -BAR:] = colour_bar_of(layout.rows)
        for box in shown.regions:
            draw_region(canvas, asdict(layout.place(box)), scale_x=1.0, scale_y=1.0)
        caption = f"{shown.label} {shown.probability:.1%} (threshold {shown.threshold:.1%}): {shown.decision}"
    foot = layout.top + layout.rows
    for top, text in (
        (0, caption),
        (foot, BANNER),
        (foot + BAND, f"{record.model_name} {record.model_version}, job {record.job_id}"),
    ):
        band = caption_of(text, layout.width)
        canvas[top : top + band.shape[0]] = band
    return canvas


def _source(image: Dataset) -> Dataset:
    """PS3.3 C.7.6.1.1.4, with the purpose (121322, DCM) of CID 7202."""
    purpose, item = Dataset(), Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "121322", "DCM"
    purpose.CodeMeaning = "Source image for image processing operation"
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [purpose]
    return item


def _set_pixels(made: Dataset, picture: Picture) -> None:
    """8-bit RGB, colour by pixel (PS3.3 C.7.6.3), padded to an even length."""
    made.Rows, made.Columns = picture.shape[:2]
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    pixels = np.ascontiguousarray(picture[:, :, ::-1]).tobytes()
    made.PixelData = pixels + bytes(len(pixels) % 2)
    made["PixelData"].VR = "OB"
