"""`POST /predict`: one answer for simple clients. It goes through the same queue as every other Job."""

from __future__ import annotations

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from api.dependencies import Caller, CallerOf, IdempotencyKey
from api.jobs.routes import RETRY_AFTER, UPLOAD_BODY, loader, submit_upload, wait_for
from api.jobs.schemas import JobView
from api.jobs.views import job_path
from api.results.routes import load_result
from api.results.schemas import PredictView
from api.results.views import predict_view
from api.schemas import as_json

router = APIRouter(tags=["predict"])


@router.post("/predict", response_model=PredictView, responses={202: {"model": JobView}}, openapi_extra=UPLOAD_BODY)
async def predict(request: Request, caller: CallerOf, idempotency_key: IdempotencyKey = None) -> Response:
    """Upload one radiograph and wait for its prediction; 202 with the Job where it takes too long."""
    submitted = await submit_upload(request, caller, idempotency_key)
    backends, job = caller.backends, submitted.job
    if not job.state.terminal:
        job = await wait_for(backends, job.id, loader(caller, job.id), seconds=backends.settings.wait_limit)
    headers = {"Location": job_path(job.id), "Cache-Control": "no-store"}
    if not job.state.terminal:
        return JSONResponse(as_json(job), status_code=202, headers=headers | {"Retry-After": RETRY_AFTER})
    if job.problem is not None:
        problem = as_json(job.problem) | {"job": job_path(job.id)}
        return JSONResponse(
            problem, status_code=job.problem.status, headers=headers, media_type="application/problem+json"
        )
    view = await anyio.to_thread.run_sync(_predict_view, caller, job)
    return JSONResponse(as_json(view), headers=headers)


def _predict_view(caller: Caller, job: JobView) -> PredictView:
    return predict_view(load_result(caller, job.id))
