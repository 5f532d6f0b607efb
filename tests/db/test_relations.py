"""What else a change of Jobs touches: of their own Site, and of no other."""

from __future__ import annotations

from uuid import UUID

from db.repositories import relations
from db.session import Database, Session
from db.tables import Batch, BatchItem, Study
from tests.factories import make_image, make_job, make_site


def furnish(session: Session, site: UUID) -> tuple[UUID, set[str]]:
    """A Job of an image of a Study, in a Batch; and the topics of both."""
    study = Study(site_id=site, study_instance_uid="1.2.3")
    batch = Batch(site_id=site, request_hash="h", files=1)
    session.add_all([study, batch])
    session.flush()
    image = make_image(session, site)
    image.study_id = study.id
    job = make_job(session, site, image_id=image.id)
    session.add(BatchItem(batch_id=batch.id, position=0, sealed_path=b"p", sha256="a" * 64, state="job", job_id=job.id))
    session.flush()
    return job.id, {f"batches:{batch.id}", f"studies:{study.id}"}


def test_only_the_sites_own_are_told(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        other = make_site(session).id
        mine, topics = furnish(session, site)
        theirs, others = furnish(session, other)
        assert relations.of_jobs(session, site_id=site, job_ids=[mine]) == topics
        assert relations.of_jobs(session, site_id=site, job_ids=[mine, theirs]) == topics
        assert relations.of_jobs(session, site_id=other, job_ids=[mine, theirs]) == others
