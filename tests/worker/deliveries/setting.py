"""Results to deliver: jobs with a result, their radiographs in the store, their image's identity sealed."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pydicom.uid import generate_uid
from uuid_utils.compat import uuid7

from core.delivery_secrets import DeliverySecret
from core.identity import Identity
from core.sealing import InstallationKey
from core.settings import Settings
from core.vocabulary import DeliveryKind, JobState, MediaKind
from db.repositories import deliveries, delivery_rules, identities, jobs, policies
from db.session import Database
from db.tables import Delivery
from storage.s3 import S3Store
from storage.store import image_key
from tests.data import encoded, generated_radiograph
from tests.factories import make_image, make_job, make_model, make_outcome

DX = "1.2.840.10008.5.1.4.1.1.1.1"
CANARY = "Zyxwvut^Canary"
QUICK = {
    "lease": 5.0,
    "sweep": 0.2,
    "delivery_timeout": 3.0,
    "delivery_retry_base": 0.2,
    "delivery_retry_cap": 0.5,
    "delivery_attempts": 6,
    "delivery_private_addresses": True,
}
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Desk:
    """Makes rules and results of one Site, and looks at their deliveries."""

    settings: Settings
    database: Database
    store: S3Store
    site: UUID

    def rule(self, kind: DeliveryKind, target: dict[str, Any], **values: Any) -> tuple[UUID, DeliverySecret]:
        """A rule, with a signing key that is used by webhooks alone."""
        rule_id = uuid7()
        secret = values.pop("secret", DeliverySecret.new_signing_key())
        columns: dict[str, Any] = {
            "name": str(rule_id),
            "target": target,
            "reports": [],
            "events": ["succeeded"],
            "with_identity": False,
            "enabled": True,
        }
        with self.database.unit_of_work() as session:
            key = self._key(session)
            sealed = key.seal(secret.to_bytes(), context=delivery_rules.context_of(rule_id)) if secret else None
            delivery_rules.add(
                session,
                rule_id=rule_id,
                site_id=self.site,
                actor="tests",
                kind=kind,
                values=columns | values | {"secret": sealed},
            )
        return rule_id, secret

    def result(self, *, identity: bool = False) -> UUID:
        """The id of a job that has just succeeded on a DICOM image."""
        with self.database.unit_of_work() as session:
            image = make_image(
                session,
                self.site,
                media_kind=MediaKind.DICOM,
                modality="DX",
                sop_class_uid=DX,
                sop_instance_uid=generate_uid(),
                study_instance_uid=generate_uid(),
            )
            image.series_instance_uid = generate_uid()
            session.flush()
            if identity:
                sealed = self._key(session).seal(self.identity().to_bytes(), context=identities.context_of(image.id))
                identities.keep(session, site_id=self.site, image_id=image.id, sealed=sealed)
            make_job(session, self.site, image_id=image.id)
            (held,) = jobs.claim(session, owner="tests", limit=1, lease_s=60)
            model = make_model(session).id
        content = encoded(generated_radiograph(640, 480))
        self.store.put_bytes(image_key(self.site, held.sha256), content, content_type="image/png")
        with self.database.unit_of_work() as session:
            assert jobs.succeed(session, [make_outcome(held, model)])
        return held.job_id

    def identity(self) -> Identity:
        """Whose image it is, made up."""
        number = next(_numbers)
        return Identity(
            sop_class_uid=DX,
            sop_instance_uid=generate_uid(),
            series_instance_uid=generate_uid(),
            study_instance_uid=generate_uid(),
            patient_name=CANARY,
            patient_id=f"CANARY-{number}",
            patient_birth_date="19700101",
            patient_sex="F",
            study_date="20260101",
            study_time="120000",
            accession_number=f"CANARY-A{number}",
        )

    def deliveries(self, job_id: UUID) -> list[Delivery]:
        with self.database.unit_of_work() as session:
            return deliveries.of_job(session, site_id=self.site, job_id=job_id)

    def states(self, job_id: UUID) -> list[str]:
        return [one.state for one in self.deliveries(job_id)]

    def cancelled(self) -> UUID:
        """The id of a job that was cancelled."""
        with self.database.unit_of_work() as session:
            job = jobs.cancel(session, site_id=self.site, job_id=make_job(session, self.site).id)
            assert job.state == JobState.CANCELLED
            return job.id

    def _key(self, session: Any) -> Any:
        return policies.site_key(session, site_id=self.site, installation=InstallationKey.of(self.settings))
