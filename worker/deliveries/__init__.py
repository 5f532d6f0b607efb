"""Deliveries: results on their way to PACS, DICOMweb services and webhooks."""
