"""The other images that belong to one: of its Study, and of the same patient at other times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

# Of each image the Job that shows most: one with a result before one without, then the newest. What may have a name in
# its pixels is left out until it is released. A patient is known by the pseudonym beside the sealed identity.
_OTHERS = text("""
SELECT image.id AS image_id, image.study_id, image.study_id IS NOT DISTINCT FROM CAST(:study AS uuid) AS same_study,
    image.rows, image.columns, image.body_part, image.attributes, image.created_at, best.id AS job_id,
    best.state AS job_state
FROM image JOIN LATERAL (
    SELECT job.id, job.state FROM job WHERE job.image_id = image.id
    ORDER BY job.state = 'succeeded' DESC, job.created_at DESC, job.id DESC LIMIT 1
) AS best ON true
WHERE image.id IN (
    SELECT member.id FROM image AS member WHERE member.study_id = CAST(:study AS uuid)
    UNION
    SELECT held.image_id FROM sealed_identity AS own
    JOIN sealed_identity AS held ON held.site_id = own.site_id AND held.patient = own.patient
    WHERE own.image_id = :image AND own.site_id = :site AND own.patient <> ''
) AND image.site_id = :site AND image.id <> :image AND NOT image.quarantined
ORDER BY same_study DESC, image.created_at DESC, image.id DESC LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class OtherImage:
    """An image beside the one that was asked about, with its best Job. `attributes`: DICOM JSON, as stored."""

    image_id: UUID
    study_id: UUID | None
    same_study: bool
    rows: int
    columns: int
    body_part: str | None
    attributes: dict[str, Any]
    created_at: datetime
    job_id: UUID
    job_state: str


def others(session: Session, *, site_id: UUID, image_id: UUID, study_id: UUID | None, limit: int) -> list[OtherImage]:
    """Up to `limit` of them: of the same Study first, the newest first."""
    rows = session.execute(_OTHERS, {"site": site_id, "image": image_id, "study": study_id, "limit": limit})
    # An image without a Study is of none with another.
    return [
        OtherImage(
            **dict(row)
            | {"attributes": row["attributes"] or {}, "same_study": row["same_study"] and study_id is not None}
        )
        for row in rows.mappings()
    ]
