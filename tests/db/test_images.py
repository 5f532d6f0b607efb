"""Images: get-or-create by content, one content for a SOP Instance UID, and the lock on a content's name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest

from core.errors import InstanceConflict
from db.repositories import images
from db.session import Database
from tests.factories import make_image, make_site


def test_the_same_upload_eight_times_at_once(database: Database, site: UUID) -> None:
    def add(_: int) -> tuple[UUID, UUID | None]:
        with database.unit_of_work() as session:
            made = make_image(session, site, sha256="a" * 64, sop_instance_uid="1.2", study_instance_uid="1")
            return made.id, made.study_id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(add, range(24)))) == 1


def test_one_instance_has_one_content(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        make_image(session, site, sop_instance_uid="1.2")
        make_image(session, make_site(session).id, sop_instance_uid="1.2")  # another Site's is another
    with pytest.raises(InstanceConflict), database.unit_of_work() as session:
        make_image(session, site, sop_instance_uid="1.2")


def test_is_known(database: Database, site: UUID) -> None:
    with database.unit_of_work() as session:
        known = make_image(session, site).sha256
        other = make_site(session).id
        assert images.is_known(session, site_id=site, sha256=known)
        assert not images.is_known(session, site_id=site, sha256="f" * 64)
        assert not images.is_known(session, site_id=other, sha256=known)


def test_a_locked_content_makes_another_wait(database: Database, site: UUID) -> None:
    def lock(sha256: str) -> bool:
        with database.unit_of_work() as session:
            images.lock_content(session, site_id=site, sha256=sha256)
        return True

    with ThreadPoolExecutor(2) as pool:
        with database.unit_of_work() as session:
            images.lock_content(session, site_id=site, sha256="a" * 64)
            waiting = pool.submit(lock, "a" * 64)
            assert pool.submit(lock, "b" * 64).result(timeout=10)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.3)
        assert waiting.result(timeout=10)
