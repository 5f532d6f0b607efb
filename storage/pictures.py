"""The stored pictures that a report is drawn from."""

from __future__ import annotations

from core.errors import InputIntegrity, ObjectMissing
from core.result_record import Pictures, ResultRecord
from storage.store import ObjectStore


def fetch(store: ObjectStore, record: ResultRecord) -> Pictures:
    """The preview and every heatmap of `record`. Raises InputIntegrity where one is missing, StoreUnavailable."""
    try:
        return Pictures(
            preview=store.get(record.preview_key),
            heatmaps={
                finding.label: store.get(finding.heatmap_key)
                for finding in record.findings
                if finding.heatmap_key is not None
            },
        )
    except ObjectMissing as error:
        raise InputIntegrity("The result's stored pictures are missing.") from error
