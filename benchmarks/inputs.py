"""The files that are measured: generated 2000×2500 radiographs."""

from __future__ import annotations

import io

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from tests.data import encoded, generated_radiograph

ROWS, COLUMNS = 2500, 2000


def jpeg(seed: int) -> bytes:
    return encoded(generated_radiograph(ROWS, COLUMNS, seed=seed), "JPEG", quality=90)


def raw_dicom(seed: int) -> bytes:
    """An uncompressed 12-bit CR instance."""
    data = Dataset()
    data.SOPClassUID, data.SOPInstanceUID = ComputedRadiographyImageStorage, generate_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid()
    data.Modality, data.PatientName, data.PatientID = "CR", "", ""
    data.Rows, data.Columns = ROWS, COLUMNS
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.PixelData = (generated_radiograph(ROWS, COLUMNS, seed=seed).astype(np.uint16) << 4).tobytes()
    data["PixelData"].VR = "OW"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    data.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


KINDS = {"jpeg": jpeg, "raw_dicom": raw_dicom}
