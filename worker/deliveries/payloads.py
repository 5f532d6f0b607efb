"""What a delivery carries: read in one transaction, then rendered with nothing open.

An Identity is opened only where the rule sends the result home, and each opening is an audit record of the same
transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.delivery_secrets import DeliverySecret
from core.errors import DeliveryRefused, ImageInvalid, InputIntegrity, NotFound
from core.identity import Identity
from core.result_record import ResultRecord
from core.sealing import InstallationKey, SiteKey
from core.settings import Settings
from core.vocabulary import AuditAction, ReportKind
from db.repositories import audit, delivery_rules, identities, jobs, policies, results
from db.repositories.deliveries import Claim
from db.session import Database, Session
from storage.pictures import PictureSource

ACTOR = "worker"


@dataclass(frozen=True, slots=True)
class Payload:
    """A delivery with all that it needs, patient data among it: never logged. `record` is None for webhooks."""

    state: str
    finished_at: datetime
    secret: DeliverySecret | None
    record: ResultRecord | None
    identity: Identity | None

    def __repr__(self) -> str:
        return "Payload(…)"


@dataclass(frozen=True, slots=True)
class Sending:
    """What a way out is given to send: `instances` where its kind carries reports, else what the payload tells of.

    It must be through in `seconds`. `private`: whether targets may have private addresses.
    """

    claim: Claim
    payload: Payload
    instances: Sequence[bytes]
    seconds: float
    private: bool

    def __repr__(self) -> str:
        return "Sending(…)"


def load(database: Database, settings: Settings, claim: Claim) -> Payload:
    """Read what `claim` is of. Raises DeliveryRefused where there is no such thing, IdentityKeyMissing, SealBroken."""
    with database.unit_of_work() as session:
        try:
            job = jobs.get(session, site_id=claim.site_id, job_id=claim.job_id)
            record = (
                None
                if not claim.kind.form.reports
                else results.record(session, site_id=claim.site_id, job_id=claim.job_id)
            )
        except NotFound as error:
            raise DeliveryRefused("The job or its result is gone.") from error
        key = None
        if claim.secret is not None or claim.with_identity:
            installation = InstallationKey.of(settings)
            key = policies.site_key(session, site_id=claim.site_id, installation=installation)
        opened = claim.with_identity and record is not None and key is not None
        return Payload(
            state=job.state,
            finished_at=job.finished_at or job.created_at,
            secret=_secret(claim, key),
            record=record,
            identity=_identity(session, claim, record, key) if opened and record and key else None,
        )


def _secret(claim: Claim, key: SiteKey | None) -> DeliverySecret | None:
    if claim.secret is None or key is None:
        return None
    return DeliverySecret.from_bytes(key.open(claim.secret, context=delivery_rules.context_of(claim.rule_id)))


def _identity(session: Session, claim: Claim, record: ResultRecord, key: SiteKey) -> Identity:
    image_id = record.image.image_id
    sealed = identities.sealed_of(session, site_id=claim.site_id, image_id=image_id)
    if sealed is None:
        raise DeliveryRefused("The image came without an identity, or it was erased: there is no patient to send to.")
    identity = Identity.from_bytes(key.open(sealed, context=identities.context_of(image_id)))
    audit.append(
        session,
        site_id=claim.site_id,
        actor=ACTOR,
        action=AuditAction.IDENTITY_OPENED,
        subject=f"image {image_id}",
        detail={"delivery": str(claim.delivery_id), "rule": str(claim.rule_id), "attempt": claim.attempt},
    )
    return identity


def rendered(payload: Payload, kinds: Sequence[ReportKind], source: PictureSource) -> list[bytes]:
    """The payload's reports, the same bytes each time. Raises DeliveryRefused for what this result cannot give."""
    # Heavy libraries are loaded with the first delivery, not in every process.
    from reports.render import render  # noqa: PLC0415

    record = payload.record
    if record is None:
        raise DeliveryRefused("The job has no result.")
    try:
        pictures = source.fetch(record) if any(kind.form.pictures for kind in kinds) else None
        return [render(kind, record, pictures, payload.identity).content for kind in kinds]
    except (NotFound, InputIntegrity, ImageInvalid) as error:
        raise DeliveryRefused("The result cannot be given in a form that the rule asks for.") from error
