"""What a Job's change touches beside the Job."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, text
from sqlalchemy.orm import Session

_OF_JOBS = text("""
SELECT DISTINCT 'batches:' || batch.id FROM batch_item JOIN batch ON batch.id = batch_item.batch_id
WHERE batch_item.job_id = ANY (:job_ids) AND batch.site_id = :site_id
UNION ALL
SELECT DISTINCT 'studies:' || image.study_id FROM job JOIN image ON image.id = job.image_id
WHERE job.id = ANY (:job_ids) AND job.site_id = :site_id AND image.study_id IS NOT NULL
""").bindparams(bindparam("job_ids", type_=ARRAY(Uuid())))


def of_jobs(session: Session, *, site_id: UUID, job_ids: Sequence[UUID]) -> set[str]:
    """The Site's Batches and Studies that these Jobs belong to, as `batches:<id>` and `studies:<id>`."""
    return set(session.scalars(_OF_JOBS, {"job_ids": list(job_ids), "site_id": site_id}))
