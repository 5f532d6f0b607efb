"""The JSON of keys, users, Sites, quotas and the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Schema
from core.vocabulary import AuditAction, Role, Scope

NAME_LENGTH = 200
# What a bigint column holds.
MOST_BYTES = 2**63 - 1
MOST_JOBS = 2**31 - 1


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class KeyRequest(Body):
    """A key to be made."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH, description="What it is for; for people alone.")
    scopes: set[Scope] = Field(min_length=1, description="What it may do: no more than who makes it.")
    expires_at: datetime | None = Field(default=None, description="With a zone; null: it does not expire.")


class KeyRotation(Body):
    """How the old secret ends."""

    overlap_hours: int = Field(default=0, ge=0, le=168, description="The old one opens for so long beside the new one.")


class KeyView(Schema):
    """A key without its secret."""

    id: UUID
    name: str
    prefix: str = Field(description="How the key begins, by which it is told from others.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    used_at: datetime | None = Field(description="When it was used last, to the minute.")


class KeyMade(KeyView):
    secret: str = Field(description="The whole key. It is shown here and nowhere else.")


class KeyList(Schema):
    items: list[KeyView]


class UserRequest(Body):
    """Someone to be let in; known by the e-mail address, or new."""

    email: str = Field(max_length=320)
    name: str = Field(default="", max_length=NAME_LENGTH, description="Of a new user; the address, if not given.")
    role: Role
    site_id: UUID | None = Field(default=None, description="Null: the Site in view. Another needs `operate`.")
    password: bool = Field(
        default=True, description="Of a new user: give it a password; else it signs in by single sign-on alone."
    )


class UserChange(Body):
    """What is to be changed; what is left out stays."""

    name: str | None = Field(default=None, max_length=NAME_LENGTH)
    role: Role | None = Field(default=None, description="At the Site.")
    site_id: UUID | None = Field(default=None, description="Null: the Site in view. Another needs `operate`.")
    disabled: bool | None = None
    operator: bool | None = Field(default=None, description="Needs `operate`.")


class PostAtSite(Schema):
    site_id: UUID
    site: str
    role: Role


class UserView(Schema):
    """A user; of its roles an administrator of a Site sees the one there."""

    id: UUID
    email: str
    name: str
    operator: bool
    disabled: bool
    locked_until: datetime | None = Field(description="After wrong passwords in a row.")
    has_password: bool
    signed_in_at: datetime | None
    created_at: datetime
    roles: list[PostAtSite]
    manageable: bool = Field(
        description="Whether the caller may rename or disable the user or give it a password: not where it is a member "
        "of other Sites too, or an operator, but for operators."
    )


class UserMade(UserView):
    password: str | None = Field(description="Its first password. It is shown here and nowhere else.")


class UserList(Schema):
    items: list[UserView]


class PasswordMade(Schema):
    password: str = Field(description="The new password. It is shown here and nowhere else.")


class QuotaFields(Body):
    active_limit: int | None = Field(
        default=None, ge=1, le=MOST_JOBS, description="Jobs that may be active at once; null: the installation's limit."
    )
    stored_bytes_limit: int | None = Field(
        default=None, ge=1, le=MOST_BYTES, description="Bytes of images that may be stored; null: no limit."
    )


class SiteRequest(QuotaFields):
    """A Site to be made."""

    name: str = Field(min_length=1, max_length=NAME_LENGTH)


class SiteChange(QuotaFields):
    """What is to be changed; what is left out stays."""

    name: str | None = Field(default=None, min_length=1, max_length=NAME_LENGTH)
    disabled: bool | None = Field(default=None, description="A disabled Site lets nobody in; its jobs go on.")


class UsageView(Schema):
    """What a Site uses of what it may."""

    active_jobs: int
    active_limit: int
    images: int
    stored_bytes: int = Field(description="Of the stored images, without pictures made of them.")
    stored_bytes_limit: int | None


class SiteRecord(Schema):
    """A Site as an operator sees it; limits are its own, those of `usage` are what holds."""

    id: UUID
    name: str
    active_limit: int | None
    stored_bytes_limit: int | None
    disabled_at: datetime | None
    created_at: datetime
    members: int
    keys: int = Field(description="That open.")
    usage: UsageView


class SiteList(Schema):
    items: list[SiteRecord]


class AuditView(Schema):
    """One record of a chain."""

    id: UUID
    number: int
    at: datetime
    actor: str = Field(description="`user <id>`, `key <id>`, `worker` or `cli`.")
    actor_name: str | None = Field(description="What the user or the key is called, where the Site knows it.")
    action: AuditAction
    subject: str
    detail: dict[str, Any]
    hash: str = Field(description="SHA-256 over this record and the hash before it, in hexadecimal.")


class AuditPage(Schema):
    items: list[AuditView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")


class AuditBreak(Schema):
    number: int
    last: int | None
    kind: str


class AuditVerification(Schema):
    """What was read of the chain, and every place where it does not hold."""

    records: int
    breaks: list[AuditBreak]
    head_number: int | None
    head_hash: str | None = Field(description="Kept elsewhere, it shows later whether the chain was written anew.")
