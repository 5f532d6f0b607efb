"""Users for tests, and browsers that they are signed in with."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import httpx2

from core.passwords import hash_password
from core.vocabulary import Role
from db.repositories import users
from db.session import Database

PASSWORD = "a pass phrase for tests"
# Hashing is slow on purpose; all users of the tests share this one.
_HASH: list[str] = []


def make_user(database: Database, email: str, *, roles: dict[UUID, Role] | None = None, operator: bool = False) -> UUID:
    """A User with PASSWORD, its roles by Site; its id."""
    if not _HASH:
        _HASH.append(hash_password(PASSWORD))
    with database.unit_of_work() as session:
        user = users.add(session, email=email, name="A Reader", operator=operator, password_hash=_HASH[0])
        for site_id, role in (roles or {}).items():
            users.set_role(session, user.id, site_id=site_id, role=role)
        return user.id


@dataclass
class Browser:
    """What a browser sends: the cookie, our own origin, and the session's CSRF token."""

    client: httpx2.Client

    def sign_in(self, email: str, password: str = PASSWORD) -> httpx2.Response:
        answered = self.client.post("/v1/session", json={"email": email, "password": password})
        self.adopt(answered)
        return answered

    def adopt(self, answered: httpx2.Response) -> None:
        """Keep the cookie and the token of a new session. (The client's own jar holds no Secure cookie over HTTP.)"""
        if answered.status_code != 200:
            return
        cookie = answered.headers.get("set-cookie", "").partition(";")[0]
        if cookie:
            self.client.headers["Cookie"] = cookie
        self.client.headers["X-CSRF-Token"] = answered.json()["csrf_token"]


def browser(url: str) -> Browser:
    """A browser on a page of `url`; close its client."""
    return Browser(httpx2.Client(base_url=url, headers={"Origin": url, "Sec-Fetch-Site": "same-origin"}, timeout=30))
