"""A Site's Jobs as a table, whatever their number: read a page at a time, each in a session of its own, and sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from api.backends import Backends
from db.repositories import jobs, model_versions
from db.repositories.jobs import Filter
from db.tables import Job
from reports import tables

PAGE = 1000
COLUMNS = (
    "job",
    "state",
    "created_at",
    "started_at",
    "finished_at",
    "priority",
    "attempt",
    "image",
    "study",
    "media_kind",
    "label",
    "probability",
    "decision",
    "three_way",
    "region",
    "model",
    "code",
    "replay_of",
)


@dataclass(frozen=True, slots=True)
class JobTable:
    """The jobs of a filter, newest first. Ids only: no UID, no name."""

    backends: Backends
    site_id: UUID
    wanted: Filter

    def csv(self) -> Iterator[bytes]:
        """One row a job; the header first. Jobs made meanwhile are not in it."""
        yield tables.csv_text([], columns=COLUMNS).encode()
        models: dict[UUID, str] = {}
        before = None
        while page := self._page(before, models):
            rows, before = page
            yield tables.csv_text(rows, columns=COLUMNS, header=False).encode()

    def _page(
        self, before: tuple[datetime, UUID] | None, models: dict[UUID, str]
    ) -> tuple[list[dict[str, str]], tuple[datetime, UUID]] | None:
        with self.backends.database.unit_of_work(site_id=self.site_id) as session:
            if before is None:
                models |= {row.id: f"{row.name} {row.version}" for row in model_versions.listing(session)}
            found = jobs.page(session, site_id=self.site_id, wanted=self.wanted, limit=PAGE, before=before)
            rows = [_row(job, models) for job in found]
        return (rows, (found[-1].created_at, found[-1].id)) if found else None


def _row(job: Job, models: Mapping[UUID, str]) -> dict[str, str]:
    version = job.model_version_id
    row: dict[str, object] = {
        "job": job.id,
        "state": job.state,
        "created_at": job.created_at.isoformat(),
        "started_at": job.started_at.isoformat() if job.started_at else None,
        "finished_at": job.finished_at.isoformat() if job.finished_at else None,
        "priority": job.priority,
        "attempt": job.attempt,
        "image": job.image_id,
        "study": job.image.study_id,
        "media_kind": job.image.media_kind,
        "label": job.result_label,
        "probability": None if job.result_probability is None else f"{job.result_probability:.6f}",
        "decision": job.result_decision,
        "three_way": job.result_three_way,
        "region": job.result_region,
        "model": models.get(version, str(version)) if version else None,
        "code": job.error_code,
        "replay_of": job.replay_of,
    }
    return {name: "" if value is None else str(value) for name, value in row.items()}
