"""Webhooks after Standard Webhooks: a thin message that says what to ask our API for, signed with the rule's key.

No patient data is in it, and no result: a job's id, its state, and the paths to ask at.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from standardwebhooks import Webhook

from core.delivery_secrets import DeliverySecret
from core.errors import SealBroken
from worker.deliveries.http_post import Deadline, post, require_success
from worker.deliveries.payloads import Sending


@dataclass(frozen=True, slots=True)
class Message:
    """What a rule is told of a job, the same for every attempt and redelivery."""

    rule_id: UUID
    job_id: UUID
    state: str
    at: datetime

    @property
    def id(self) -> str:
        """The same for the same rule and job: receivers know by it what they have seen."""
        return f"msg_{uuid5(self.rule_id, str(self.job_id)).hex}"

    @property
    def body(self) -> str:
        path = f"/v1/jobs/{self.job_id}"
        links = {"self": path}
        if self.state == "succeeded":
            links["result"] = f"{path}/result"
        return json.dumps(
            {
                "type": f"job.{self.state}",
                "timestamp": self.at.astimezone(UTC).isoformat(),
                "data": {"job_id": str(self.job_id), "state": self.state, "links": links},
            },
            separators=(",", ":"),
        )


def deliver(sending: Sending) -> None:
    """`send` the rule's message of the job. Raises SealBroken where the rule has no key to sign it with."""
    claim, payload = sending.claim, sending.payload
    if payload.secret is None:
        raise SealBroken("The webhook's rule has no signing key.")
    message = Message(claim.rule_id, claim.job_id, payload.state, payload.finished_at)
    send(message, claim.target, payload.secret, deadline=Deadline(sending.seconds), private=sending.private)


def send(
    message: Message, target: dict[str, str], secret: DeliverySecret, *, deadline: Deadline, private: bool
) -> None:
    """POST the message. Raises as `post` and `require_success` do."""
    now = datetime.now(UTC)
    signatures = [Webhook(key).sign(message.id, now, message.body) for key in secret.signing_keys(now=now)]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "lucency",
        "webhook-id": message.id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
    answer = post(
        target["url"],
        message.body.encode(),
        headers,
        deadline=deadline,
        private=private,
        authority=target.get("tls_authority", ""),
    )
    require_success(answer)
