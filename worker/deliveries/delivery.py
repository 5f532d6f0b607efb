"""One delivery: read, render, send, record. It may be sent twice, never lost: the target tells the same thing by its id
(the message's, or the instances' UIDs).
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from core.errors import DatabaseUnavailable, DeliveryFailed, IdentityKeyMissing, LucencyError, SealBroken
from core.logs import logger
from core.settings import Settings
from core.vocabulary import AuditAction
from db.repositories import audit, deliveries
from db.repositories.deliveries import Claim
from db.session import Database
from storage.pictures import PictureSource
from worker.deliveries import payloads
from worker.deliveries.http_post import Deadline
from worker.deliveries.payloads import Sending

log = logger(__name__)

# What a lease leaves to record the outcome (s).
MARGIN_S = 2.0


def lease_of(settings: Settings) -> float:
    """How long a claimed delivery is held (s): a job's lease to read and render, the time to send, and the margin."""
    return settings.lease + settings.delivery_timeout + MARGIN_S


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Sends claimed deliveries with this process's connections; safe in many threads."""

    database: Database
    pictures: PictureSource
    settings: Settings

    def deliver(self, claim: Claim) -> None:
        """Send it and record what became of it. Never raises: a lost record is a lease that ends."""
        begun = Deadline(lease_of(self.settings) - MARGIN_S)
        try:
            self._send(claim, begun)
        except LucencyError as error:
            self._fail(claim, error)
        except Exception:
            log.exception("delivery_broke", **claim.log_context())
            self._fail(claim, DeliveryFailed("The delivery broke on our side."))
        else:
            self._succeed(claim)

    def _send(self, claim: Claim, begun: Deadline) -> None:
        settings = self.settings
        payload = payloads.load(self.database, settings, claim)
        instances = payloads.rendered(payload, claim.reports, self.pictures) if claim.kind.form.reports else []
        seconds = min(settings.delivery_timeout, begun.left())
        # By its name, and only now: pynetdicom waits for the first rule that needs it.
        way_out = import_module(f"worker.deliveries.{claim.kind}")
        way_out.deliver(Sending(claim, payload, instances, seconds, private=settings.delivery_private_addresses))

    def _succeed(self, claim: Claim) -> None:
        try:
            with self.database.unit_of_work() as session:
                if not deliveries.delivered(session, claim):
                    log.warning("delivery_fence_lost", **claim.log_context())
                    return
                audit.append(
                    session,
                    site_id=claim.site_id,
                    actor=payloads.ACTOR,
                    action=AuditAction.RESULT_DELIVERED,
                    subject=f"job {claim.job_id}",
                    detail={
                        "delivery": str(claim.delivery_id),
                        "rule": str(claim.rule_id),
                        "kind": claim.kind.value,
                        "with_identity": claim.with_identity,
                    },
                )
        except DatabaseUnavailable:
            log.exception("delivery_not_recorded", **claim.log_context())
            return
        log.info("delivered", **claim.log_context())

    def _fail(self, claim: Claim, error: LucencyError) -> None:
        settings = self.settings
        # Ours to mend, not the target's fault: the delivery waits for it.
        if isinstance(error, IdentityKeyMissing | SealBroken):
            error = DeliveryFailed(error.detail)
        try:
            with self.database.unit_of_work() as session:
                state = deliveries.failed(
                    session,
                    claim,
                    error=error,
                    attempts=settings.delivery_attempts,
                    retry_base=settings.delivery_retry_base,
                    retry_cap=settings.delivery_retry_cap,
                )
        except DatabaseUnavailable:
            log.exception("delivery_failure_not_recorded", **claim.log_context())
            return
        log.warning(
            "delivery_failed",
            error_code=error.code,
            state=None if state is None else str(state),
            cause=None if error.__cause__ is None else type(error.__cause__).__name__,
            **claim.log_context(),
        )
