"""The DICOM listener: who may associate, what is negotiated, and the bounds that hold whatever a peer sends."""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import re
import socket
import ssl
import sys
import threading
import time
from typing import Any

import pynetdicom._config
from pynetdicom import AE, evt
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from core.errors import GatewayFailed
from core.logs import logger
from core.settings import Settings
from core.transfer_syntaxes import SUPPORTED
from gateway.storage_scp import SUCCESS, SpoolingProvider, StorageScp

log = logger(__name__)

VERIFICATION = "1.2.840.10008.1.1"
COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_FOR_PRESENTATION = "1.2.840.10008.5.1.4.1.1.1.1"
DIGITAL_FOR_PROCESSING = "1.2.840.10008.5.1.4.1.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"

# PS3.8 section 9.3.4: rejected permanently, by the service user, for a reason that the standard does not list.
REJECTED, BY_USER, NO_REASON = 0x01, 0x01, 0x01
# An A-ASSOCIATE-RQ of 128 contexts with all our syntaxes is some 200 kB.
LONGEST_NEGOTIATION = 1024 * 1024
ASSOCIATE_TIMEOUT = 15.0
# Connections that have not associated count too: more than this many a permitted association are turned away.
CONNECTIONS_PER_ASSOCIATION = 2
# VR AE (PS3.5 section 6.2): no backslash, no control character; a comma separates entries of the setting.
AE_TITLE = re.compile(r"[ -+\--\[\]-~]{1,16}")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def sop_classes(settings: Settings) -> frozenset[str]:
    """The storage SOP classes that are taken."""
    always = {COMPUTED_RADIOGRAPHY, DIGITAL_FOR_PRESENTATION, DIGITAL_FOR_PROCESSING}
    return frozenset(always | ({SECONDARY_CAPTURE} if settings.gateway_accept_secondary_capture else set()))


def entries(setting: str) -> list[str]:
    """A setting's entries, which have commas between them."""
    return [entry.strip() for entry in setting.split(",") if entry.strip()]


def networks_of(setting: str) -> list[Network]:
    """Addresses and networks (CIDR). Raises GatewayFailed."""
    try:
        return [ipaddress.ip_network(entry, strict=False) for entry in entries(setting)]
    except ValueError as error:
        raise GatewayFailed(f"LUCENCY_GATEWAY_NETWORKS: {error}") from error


def peers_of(setting: str) -> list[str]:
    """AE titles. Raises GatewayFailed."""
    titles = entries(setting)
    for title in titles:
        _require_ae_title(title, "LUCENCY_GATEWAY_PEERS")
    return titles


def tls_of(settings: Settings) -> ssl.SSLContext | None:
    """TLS with our certificate; with an authority, peers need a certificate that it signed. Raises GatewayFailed.

    TLS 1.2 at least (PS3.15 annex B.12, BCP 195).
    """
    if settings.gateway_tls_certificate is None:
        if settings.gateway_tls_key is not None or settings.gateway_tls_authority is not None:
            raise GatewayFailed("TLS needs LUCENCY_GATEWAY_TLS_CERTIFICATE.")
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.gateway_tls_certificate, settings.gateway_tls_key)
        if settings.gateway_tls_authority is not None:
            context.load_verify_locations(settings.gateway_tls_authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise GatewayFailed(f"The TLS certificate, key or authority cannot be used: {error}") from error
    return context


class Listener:
    """The C-ECHO and C-STORE SCP. `port` is the one that it got."""

    def __init__(self, settings: Settings, scp: StorageScp) -> None:
        """Start to listen. Raises GatewayFailed."""
        _silence()
        _require_ae_title(settings.gateway_ae_title, "LUCENCY_GATEWAY_AE_TITLE")
        self._ae = _entity(settings)
        tls = tls_of(settings)
        networks = networks_of(settings.gateway_networks)
        address = (settings.gateway_host, settings.gateway_port)
        handlers = [
            (evt.EVT_REQUESTED, _check_address, [networks]),
            (evt.EVT_REJECTED, _tell, ["association_rejected"]),
            (evt.EVT_ESTABLISHED, _tell, ["association_established"]),
            (evt.EVT_ABORTED, _end, ["association_aborted"]),
            (evt.EVT_RELEASED, _end, ["association_released"]),
            (evt.EVT_CONN_CLOSE, _end, [None]),
            (evt.EVT_C_ECHO, lambda _event: SUCCESS),
            (evt.EVT_C_STORE, scp.store),
        ]
        try:
            self._server = self._ae.make_server(
                address,
                evt_handlers=handlers,
                ssl_context=tls,
                server_class=_Server,
                request_handler=_handler(scp, settings),
            )
        except OSError as error:
            raise GatewayFailed(f"Cannot listen on {address[0]}:{address[1]}: {error.strerror}.") from error
        self._ae._servers.append(self._server)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="listener", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        """Whether connections are being taken."""
        return self._thread.is_alive()

    def stop(self, *, patience: float) -> None:
        """Take no more connections; let associations end by themselves for `patience` s, then abort them."""
        self._server.shutdown()
        end = time.monotonic() + patience
        while (running := self._ae.active_associations) and time.monotonic() < end:
            time.sleep(0.05)
        for association in running:
            with contextlib.suppress(Exception):
                association.abort()


def _entity(settings: Settings) -> AE:
    ae = AE(ae_title=settings.gateway_ae_title)
    ae.require_called_aet = True
    ae.require_calling_aet = peers_of(settings.gateway_peers)
    ae.maximum_associations = settings.gateway_associations
    ae.maximum_pdu_size = settings.gateway_pdu_bytes
    ae.acse_timeout = ASSOCIATE_TIMEOUT
    ae.dimse_timeout = ae.network_timeout = settings.gateway_timeout
    ae.add_supported_context(VERIFICATION)
    for sop_class in sorted(sop_classes(settings)):
        ae.add_supported_context(sop_class, sorted(SUPPORTED))
    return ae


class _Server(ThreadedAssociationServer):  # type: ignore[misc]
    """pynetdicom's server, which a slow or silent peer cannot keep from taking others."""

    request_queue_size = 64

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept; the TLS handshake waits for the connection's own thread."""
        accepted, address = self.socket.accept()
        accepted.settimeout(self.ae.network_timeout)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ssl_context:
            accepted = self.ssl_context.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        return accepted, address

    def verify_request(self, request: Any, client_address: Any) -> bool:  # noqa: ARG002 - socketserver's names
        """Whether another connection may be served."""
        limit: int = CONNECTIONS_PER_ASSOCIATION * self.ae.maximum_associations + 8
        return len(self.active_associations) < limit

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - as above
        """Say what kind of error ended a connection before it had an association, as a failed handshake."""
        log.warning("connection_failed", address=client_address[0], error=_current_error())


def _handler(scp: StorageScp, settings: Settings) -> type[RequestHandler]:
    class Handler(RequestHandler):  # type: ignore[misc]
        """A connection with our spooling provider and a bound on what one PDU may take."""

        def handle(self) -> None:
            if isinstance(self.request, ssl.SSLSocket):
                self.request.settimeout(ASSOCIATE_TIMEOUT)
                self.request.do_handshake()
                self.request.settimeout(settings.gateway_timeout)
            super().handle()

        def _create_association(self) -> Any:
            association = super()._create_association()
            association.dimse = SpoolingProvider(association, scp)
            limit = max(settings.gateway_pdu_bytes, LONGEST_NEGOTIATION) + 1024
            wrapper = association.dul.socket
            wrapper.recv = lambda count: _received(wrapper.socket, count, limit=limit)
            return association

    return Handler


def _received(connection: socket.socket | None, count: int, *, limit: int) -> bytearray:
    """`count` bytes, fewer at the end of the connection. Raises OSError for a PDU longer than what was agreed.

    A PDU's header says up to 4 GiB, and pynetdicom would read that into memory, 4 KiB at a time.
    """
    if count > limit or connection is None:
        raise OSError("the PDU is longer than was agreed, or the connection is closed")
    data = bytearray(count)
    view, read = memoryview(data), 0
    while read < count:
        got = connection.recv_into(view[read:])
        if not got:
            break
        read += got
    view.release()
    del data[read:]
    return data


def _check_address(event: Any, networks: list[Network]) -> None:
    """Reject an association from outside the networks that are let in."""
    if not networks:
        return
    found = ipaddress.ip_address(event.assoc.requestor.address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None) or found
    if any(mapped in network for network in networks):
        return
    event.assoc.acse.send_reject(REJECTED, BY_USER, NO_REASON)
    _tell(event, "association_rejected")
    event.assoc.kill()


def _tell(event: Any, what: str) -> None:
    requestor = event.assoc.requestor
    title = getattr(requestor.primitive, "calling_ae_title", "") or ""
    log.info(what, peer=str(title).strip(), address=requestor.address)


def _end(event: Any, what: str | None) -> None:
    """An association is over: tell, and drop what it left half received."""
    if what is not None:
        _tell(event, what)
    event.assoc.dimse.discard()


def _require_ae_title(title: str, setting: str) -> None:
    if not AE_TITLE.fullmatch(title) or not title.strip():
        raise GatewayFailed(f"{setting}: '{title}' is no AE title (1 to 16 characters, no backslash).")


class _Anonymous(logging.Handler):
    """pynetdicom's complaints without their text, which quotes what peers send."""

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        log.warning("pynetdicom", place=f"{record.name}:{record.lineno}", error=kind)


def _silence() -> None:
    """pynetdicom logs identifiers and data; only that something was wrong, and where, reaches our log."""
    pynetdicom._config.LOG_HANDLER_LEVEL = "none"
    for name in ("pynetdicom", "pydicom"):
        found = logging.getLogger(name)
        found.handlers[:] = [_Anonymous(level=logging.WARNING)]
        found.setLevel(logging.WARNING)
        found.propagate = False


def _current_error() -> str:
    kind = sys.exc_info()[0]
    return kind.__name__ if kind else "unknown"
