"""UIDs in requests and URLs in answers."""

from __future__ import annotations

import re

from fastapi import Request

from api.backends import Backends
from core.errors import IdentityKeyMissing, NotFound, RequestInvalid
from core.sealing import SiteKey
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

    def __init__(self, request: Request) -> None:
        self._root = str(request.base_url).rstrip("/") + PREFIX

    def study(self, study: str) -> str:
        return f"{self._root}/studies/{study}"

    def series(self, study: str, series: str) -> str:
        return f"{self.study(study)}/series/{series}"

    def instance(self, study: str, series: str, instance: str) -> str:
        return f"{self.series(study, series)}/instances/{instance}"


def not_found() -> NotFound:
    return NotFound("This Site has no such study, series or instance.")
