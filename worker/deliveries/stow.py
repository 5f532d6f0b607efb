"""STOW-RS as a client (PS3.18 section 10.5): all instances of a payload in one multipart/related request."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from core.delivery_secrets import DeliverySecret
from core.errors import DeliveryFailed, DeliveryRefused
from worker.deliveries.http_post import Answer, Deadline, post, require_success
from worker.deliveries.payloads import Sending

ANSWER_BYTES = 1024 * 1024
# Attributes of the Store Instances Response (PS3.18 table I.1-1).
FAILED_SOP_SEQUENCE = "00081198"
FAILURE_REASON = "00081197"
# Failure reasons (PS3.18 table I.2-2, PS3.7 annex C): the instance is there already; what may pass.
DUPLICATE = 0x0111
PROCESSING_FAILURE = 0x0110


def deliver(sending: Sending) -> None:
    """`send` what a rule's delivery carries, with the rule's Authorization."""
    deadline, secret = Deadline(sending.seconds), sending.payload.secret
    send(sending.instances, sending.claim.target, secret, deadline=deadline, private=sending.private)


def send(
    instances: Sequence[bytes],
    target: dict[str, str],
    secret: DeliverySecret | None,
    *,
    deadline: Deadline,
    private: bool,
) -> None:
    """Store `instances`; those that the target has already count as stored.

    Raises as `post` and `require_success` do, and DeliveryRefused or DeliveryFailed for what the answer says of single
    instances.
    """
    # The same payload gives the same request; a digest cannot occur inside what it is the digest of.
    boundary = hashlib.sha256(b"".join(instances)).hexdigest()
    part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    body = b"".join(part + instance + b"\r\n" for instance in instances) + f"--{boundary}--\r\n".encode()
    headers = {
        "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
        "Accept": "application/dicom+json",
        "User-Agent": "lucency",
    }
    if secret is not None:
        headers["Authorization"] = secret.current
    url = target["url"].rstrip("/")
    answer = post(
        url if url.endswith("/studies") else f"{url}/studies",
        body,
        headers,
        deadline=deadline,
        private=private,
        authority=target.get("tls_authority", ""),
        read_at_most=ANSWER_BYTES,
    )
    _judge(answer)


def _judge(answer: Answer) -> None:
    reasons = _failures(answer)
    if reasons is None:
        # Nothing is said of single instances; 409 without a word on them is one on the request.
        require_success(answer)
        return
    bad = [reason for reason in reasons if reason != DUPLICATE]
    if not bad:
        return
    said = f"The target stored not all: failure reason 0x{bad[0]:04X}."
    if any(reason == PROCESSING_FAILURE or reason & 0xFF00 == 0xA700 for reason in bad):
        raise DeliveryFailed(said, retry_after=answer.retry_after)
    raise DeliveryRefused(said)


def _failures(answer: Answer) -> list[int] | None:
    """The failure reasons in a Store Instances Response; None where it names no failed instance."""
    if answer.status not in (200, 202, 409):
        return None
    try:
        document = json.loads(answer.body)
    except ValueError:
        if answer.status == 202 and FAILED_SOP_SEQUENCE.encode() in answer.body:
            raise DeliveryRefused("The target stored not all.") from None
        return None
    if isinstance(document, list):
        document = document[0] if document else {}
    failed = _values(document, FAILED_SOP_SEQUENCE)
    return [int((_values(item, FAILURE_REASON) or [0])[0]) for item in failed] or None


def _values(item: Any, tag: str) -> list[Any]:
    """The values of an attribute in DICOM JSON (PS3.18 annex F)."""
    element = item.get(tag) if isinstance(item, dict) else None
    values = element.get("Value") if isinstance(element, dict) else None
    return values if isinstance(values, list) else []
