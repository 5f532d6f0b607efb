"""The JSON of the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import Field

from api.schemas import Schema
from core.vocabulary import AuditAction


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
