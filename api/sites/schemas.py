"""The JSON of Sites, the caller's own and all, and of their quotas."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import NAME_LENGTH, Body, Schema
from core.vocabulary import BurnedInPolicy


class SiteView(Schema):
    """How the Site's data is handled."""

    id: UUID
    name: str
    burned_in: BurnedInPolicy = Field(
        description="Of an image that says that patient data may be burned into its pixels: refuse it, quarantine it "
        "(its job is held until it is released) or accept it."
    )
    retention_days: int | None = Field(description="Images and results older than this are removed; null keeps them.")


class SitePatch(BaseModel):
    """What is not named stays."""

    model_config = ConfigDict(extra="forbid")

    burned_in: BurnedInPolicy | None = None
    retention_days: int | None = Field(default=None, ge=1, le=36_500)


# What a bigint column holds.
MOST_BYTES = 2**63 - 1
MOST_JOBS = 2**31 - 1


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
