"""UIDs in requests and URLs in answers."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from fastapi import Request

from api.backends import Backends
from core.errors import IdentityKeyMissing, NotFound, RequestInvalid
from core.sealing import SiteKey
from core.settings import Settings
from db.repositories import policies
from db.repositories.sites import Principal
from db.session import Session
from imaging.uids import remapped

PREFIX = "/dicom-web"
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def require_uid(text: str) -> str:
    """Raises RequestInvalid for what is no UID (PS3.5 section 9.1)."""
    if len(text) > 64 or not text.isascii() or not _UID.fullmatch(text):
        raise RequestInvalid("A UID is at most 64 digits and dots.")
    return text


class Names:
    """The UIDs that a client may mean by one: the stored one, or the original that the Site's key remaps."""

    def __init__(self, key: SiteKey | None) -> None:
        self.key = key

    @classmethod
    def of(cls, session: Session, principal: Principal, backends: Backends) -> Names:
        """Without the installation's key only stored UIDs are known."""
        try:
            installation = backends.installation
        except IdentityKeyMissing:
            return cls(None)
        return cls(policies.site_key(session, site_id=principal.site_id, installation=installation))

    def meant(self, uid: str) -> tuple[str, ...]:
        """`uid` itself, and what it is stored as where it is an original one."""
        if self.key is None:
            return (uid,)
        return tuple(dict.fromkeys((uid, remapped(uid, self.key))))


class Urls:
    """Absolute URLs below the service's root, as the client reached it."""

    def __init__(self, request: Request, settings: Settings) -> None:
        self._root = f"{_origin(request, settings)}{PREFIX}"

    def study(self, study: str) -> str:
        return f"{self._root}/studies/{study}"

    def series(self, study: str, series: str) -> str:
        return f"{self.study(study)}/series/{series}"

    def instance(self, study: str, series: str, instance: str) -> str:
        return f"{self.series(study, series)}/instances/{instance}"


def _origin(request: Request, settings: Settings) -> str:
    """Scheme and authority of the request.

    dicomweb-client leaves the port out of its Host field: where what is left is our own address, or that of the setting
    `api_url`, the port is put back.
    """
    base = request.base_url
    if base.port is None:
        known = urlsplit(settings.api_url)
        server = request.scope.get("server") or ("", None)
        if base.hostname == server[0] and server[1] not in (None, 80, 443):
            return f"{base.scheme}://{base.netloc}:{server[1]}"
        if base.hostname == known.hostname and base.scheme == known.scheme:
            return f"{known.scheme}://{known.netloc}"
    return f"{base.scheme}://{base.netloc}"


def not_found() -> NotFound:
    return NotFound("This Site has no such study, series or instance.")
