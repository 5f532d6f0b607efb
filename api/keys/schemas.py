"""The JSON of API keys."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas import NAME_LENGTH, Body, Schema
from core.vocabulary import Scope


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
