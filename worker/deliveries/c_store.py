"""C-STORE as a user (PS3.4 annex B): the instances of a payload over one association."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmread
from pynetdicom import AE
from pynetdicom.association import Association

from core.errors import DeliveryFailed, DeliveryRefused
from worker.deliveries.http_post import Deadline
from worker.deliveries.payloads import Sending

# Statuses (PS3.4 table B.2-1, PS3.7 annex C). Warnings mean stored; a duplicate is there already.
SUCCESS, DUPLICATE = 0x0000, 0x0111
PROCESSING_FAILURE = 0x0110
WARNING, NO_RESOURCES = 0xB000, 0xA700


def deliver(sending: Sending) -> None:
    """`send` what a rule's delivery carries."""
    send(sending.instances, sending.claim.target, deadline=Deadline(sending.seconds))


def send(instances: Sequence[bytes], target: dict[str, Any], *, deadline: Deadline) -> None:
    """Store `instances` at the target {host, port, called_ae_title, calling_ae_title, tls, tls_authority}.

    Raises DeliveryFailed where it cannot be reached, rejects the association, or is short of resources; DeliveryRefused
    where it does not take such instances.
    """
    datasets = [dcmread(BytesIO(instance)) for instance in instances]
    with _association(datasets, target, deadline) as association:
        for dataset in datasets:
            _store(association, dataset)


@contextlib.contextmanager
def _association(datasets: Sequence[Dataset], target: dict[str, Any], deadline: Deadline) -> Iterator[Association]:
    entity = AE(ae_title=target["calling_ae_title"])
    left = deadline.left()
    entity.connection_timeout = entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = left
    for sop_class, syntax in dict.fromkeys((one.SOPClassUID, one.file_meta.TransferSyntaxUID) for one in datasets):
        entity.add_requested_context(sop_class, syntax)
    tls = _tls(target)
    try:
        association = entity.associate(
            target["host"], target["port"], ae_title=target["called_ae_title"], **({"tls_args": tls} if tls else {})
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise DeliveryFailed("The target could not be reached.") from error
    if not association.is_established:
        raise DeliveryFailed(
            "The target rejected the association."
            if association.is_rejected
            else "The target could not be reached, or broke the connection."
        )
    # Each step has its own limit in pynetdicom; this is the end of them all.
    end = threading.Timer(left, association.abort)
    end.daemon = True
    end.start()
    try:
        yield association
    finally:
        end.cancel()
        if association.is_established:
            association.release()


def _store(association: Association, dataset: Dataset) -> None:
    try:
        answer = association.send_c_store(dataset)
    except ValueError as error:
        # No presentation context: the target does not take this SOP class in this transfer syntax.
        raise DeliveryRefused("The target does not take this kind of instance.") from error
    except RuntimeError as error:
        raise DeliveryFailed("The target broke the connection.") from error
    status = answer.get("Status")
    if status is None:
        raise DeliveryFailed("The target did not answer, or broke the connection.")
    if status in (SUCCESS, DUPLICATE) or status & 0xF000 == WARNING:
        return
    said = f"The target answered with status 0x{status:04X}."
    if status == PROCESSING_FAILURE or status & 0xFF00 == NO_RESOURCES:
        raise DeliveryFailed(said)
    raise DeliveryRefused(said)


def _tls(target: dict[str, Any]) -> tuple[ssl.SSLContext, str] | None:
    if not target.get("tls"):
        return None
    try:
        return ssl.create_default_context(cadata=target.get("tls_authority") or None), target["host"]
    except (ssl.SSLError, ValueError) as error:
        raise DeliveryRefused("The rule's certificates cannot be used.") from error
