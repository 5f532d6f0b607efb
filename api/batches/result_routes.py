"""The results of a whole Batch: CSV, NDJSON, and a zip with pictures and reports. Streamed, whatever the size."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from api.batches.exports import Export
from api.batches.routes import record_export
from api.dependencies import Caller, CallerOf
from core.vocabulary import ReportKind, Scope
from db.repositories import batches, policies

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["batches"])

CSV, NDJSON, ZIP = "text/csv; charset=utf-8", "application/x-ndjson", "application/zip"


def _documented(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string"}}}}}


def _export(caller: Caller, batch_id: UUID, *, form: str) -> Export:
    """Checked and recorded before the first byte is sent. Raises NotFound, IdentityKeyMissing."""
    backends = caller.backends
    with caller.session(Scope.READ) as (session, principal):
        batches.get(session, site_id=principal.site_id, batch_id=batch_id)
        key = policies.site_key(session, site_id=principal.site_id, installation=backends.installation)
        record_export(session, principal, batch_id, form=form)
        return Export(backends, principal.site_id, batch_id, key)


def _headers(batch_id: UUID, suffix: str) -> dict[str, str]:
    return {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="batch-{batch_id}.{suffix}"'}


@router.get("/results.csv", response_class=StreamingResponse, responses=_documented("text/csv"))
def results_csv(caller: CallerOf, batch_id: UUID) -> StreamingResponse:
    """One row a file, in the manifest's order."""
    export = _export(caller, batch_id, form="csv")
    return StreamingResponse(export.csv(), media_type=CSV, headers=_headers(batch_id, "csv"))


@router.get("/results.ndjson", response_class=StreamingResponse, responses=_documented(NDJSON))
def results_ndjson(caller: CallerOf, batch_id: UUID) -> StreamingResponse:
    """One line a file, in the manifest's order, with the whole result."""
    export = _export(caller, batch_id, form="ndjson")
    return StreamingResponse(export.ndjson(), media_type=NDJSON, headers=_headers(batch_id, "ndjson"))


@router.get("/results.zip", response_class=StreamingResponse, responses=_documented(ZIP))
async def results_zip(
    caller: CallerOf,
    batch_id: UUID,
    report: Annotated[list[ReportKind] | None, Query(description="Default: overlay and pdf.", max_length=8)] = None,
) -> StreamingResponse:
    """`results.csv`, and of each job that succeeded its reports, without patients' names."""
    kinds = list(dict.fromkeys(report or (ReportKind.OVERLAY, ReportKind.PDF)))
    export = await anyio.to_thread.run_sync(lambda: _export(caller, batch_id, form="zip"))
    return StreamingResponse(export.zip(kinds), media_type=ZIP, headers=_headers(batch_id, "zip"))
