"""The DICOM network listener: what arrives by C-STORE goes to the HTTP API."""
