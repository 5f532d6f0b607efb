"""DICOMweb (PS3.18): what the routes below /dicom-web are made of."""
