"""One C-STORE: the data set goes to the spool fragment by fragment as it came, and the status says what became of it.

Statuses are those of PS3.4 section B.2.3 and PS3.7 annex C.
"""

from __future__ import annotations

import contextlib
import errno
import queue
import time
from collections.abc import Callable
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dsutils import create_file_meta, encode_file_meta
from pynetdicom.pdu_primitives import P_DATA

from core.logs import logger
from gateway.dataset import Unreadable, uids_of
from gateway.spool import Incoming, Spool

log = logger(__name__)

SUCCESS: Final = 0x0000
SOP_CLASS_NOT_SUPPORTED: Final = 0x0122
OUT_OF_RESOURCES: Final = 0xA700
DOES_NOT_MATCH: Final = 0xA900
CANNOT_UNDERSTAND: Final = 0xC000
TOO_LARGE: Final = 0xC001

PREAMBLE = b"\0" * 128 + b"DICM"


class StorageScp:
    """Where received data sets go, and who is told of a kept one."""

    def __init__(self, spool: Spool, *, limit: int, sop_classes: frozenset[str], kept: Callable[[str], None]) -> None:
        self.spool = spool
        self.limit = limit
        self._sop_classes = sop_classes
        self._kept = kept

    def store(self, event: Any) -> int:
        """The handler of a C-STORE request: success only when the instance is durable."""
        began = time.monotonic()
        request, context = event.request, event.context
        incoming = request._dataset_file
        status = self._judge(request, context, incoming)
        if status == SUCCESS:
            try:
                self._kept(self.spool.keep(incoming))
            except OSError as error:
                log.warning("spool_failed", error=type(error).__name__, errno=error.errno)
                status = OUT_OF_RESOURCES
        log.info(
            "instance_received",
            status=f"{status:#06x}",
            bytes=getattr(incoming, "size", 0),
            transfer_syntax=str(context.transfer_syntax),
            milliseconds=round((time.monotonic() - began) * 1000, 1),
        )
        return status

    def _judge(self, request: Any, context: Any, incoming: Incoming | None) -> int:
        sop_class = str(request.AffectedSOPClassUID)
        if sop_class not in self._sop_classes:
            return SOP_CLASS_NOT_SUPPORTED
        if sop_class != context.abstract_syntax:
            return DOES_NOT_MATCH
        if incoming is None or not incoming.head:
            return CANNOT_UNDERSTAND if incoming is None or incoming.failure is None else _failed(incoming.failure)
        if incoming.failure is not None:
            return _failed(incoming.failure)
        try:
            found = uids_of(bytes(incoming.head), transfer_syntax=str(context.transfer_syntax))
        except Unreadable:
            return CANNOT_UNDERSTAND
        return SUCCESS if found == (sop_class, str(request.AffectedSOPInstanceUID)) else DOES_NOT_MATCH


def _failed(failure: Exception) -> int:
    if isinstance(failure, OSError) and failure.errno == errno.EFBIG:
        return TOO_LARGE
    log.warning("out_of_resources", error=type(failure).__name__, errno=getattr(failure, "errno", None))
    return OUT_OF_RESOURCES


class SpoolingProvider(DIMSEServiceProvider):  # type: ignore[misc]
    """pynetdicom's DIMSE provider, with data sets on the disk from their first fragment.

    Its own way to that end, STORE_RECV_CHUNKED_DATASET, writes to the system's temporary folder without a bound, ends
    the association when the disk is full, and leaves the file behind when a peer goes away.
    """

    def __init__(self, association: Any, scp: StorageScp) -> None:
        super().__init__(association)
        self._scp = scp

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take one P-DATA; a message is complete with its last fragment."""
        if self.message is None:
            message = DIMSEMessage()
            message._data_set_file = _Deferred(message, self.assoc, self._scp)
            self.message: Any = message
        super().receive_primitive(primitive)

    def discard(self) -> None:
        """Drop what was not received to its end, or not served: the association is over."""
        message, self.message = self.message, None
        if message is not None and message._data_set_file is not None:
            message._data_set_file.close()
        with contextlib.suppress(queue.Empty):
            while True:
                _, request = self.msg_queue.get(block=False)
                if getattr(request, "_dataset_file", None) is not None:
                    request._dataset_file.close()


class _Deferred(Incoming):
    """An Incoming that opens its file at the first fragment, when the command and the agreed syntax are known."""

    def __init__(self, message: DIMSEMessage, association: Any, scp: StorageScp) -> None:
        super().__init__(scp.spool, limit=scp.limit)
        self._message: DIMSEMessage | None = message
        self._association = association

    def write(self, fragment: bytes) -> int:
        """Append a fragment of the data set."""
        if self._message is not None:
            message, self._message = self._message, None
            self._begin(message)
        return super().write(fragment)

    def _begin(self, message: DIMSEMessage) -> None:
        """Write the file meta information (PS3.10 section 7.1) for the syntax in which the data set comes."""
        contexts = {context.context_id: context for context in self._association.accepted_contexts}
        context = contexts.get(getattr(message, "context_id", None))
        sop_class = getattr(message.command_set, "AffectedSOPClassUID", None)
        sop_instance = getattr(message.command_set, "AffectedSOPInstanceUID", None)
        if context is None or not sop_class or not sop_instance:
            self.failure = ValueError("a data set without a C-STORE command")
            return
        syntax = context.transfer_syntax[0]
        meta = create_file_meta(
            sop_class_uid=UID(sop_class), sop_instance_uid=UID(sop_instance), transfer_syntax=UID(syntax)
        )
        self.begin(meta=PREAMBLE + encode_file_meta(meta), salt=f"{sop_instance}\0{syntax}\0".encode())
