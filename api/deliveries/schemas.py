"""What clients say of deliveries, and see of them. Every name is part of the API: add, never rename."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.schemas import Schema
from core.vocabulary import DeliveryKind, DeliveryState, JobState, ReportKind

AeTitle = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[ -\[\]-~]*[!-\[\]-~][ -\[\]-~]*$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]
Certificates = Annotated[str, Field(max_length=64 * 1024, description="PEM certificates to trust, not the system's.")]


class Target(BaseModel):
    model_config = ConfigDict(extra="forbid")


class DicomTarget(Target):
    """A C-STORE SCP."""

    host: Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9._:-]+$")]
    port: Annotated[int, Field(ge=1, le=65535)]
    called_ae_title: AeTitle
    calling_ae_title: AeTitle = "LUCENCY"
    tls: bool = False
    tls_authority: Certificates = ""


class WebTarget(Target):
    """An http or https URL: the webhook's, or the root of a DICOMweb service (`/studies` is added)."""

    url: Annotated[str, Field(max_length=2000)]
    tls_authority: Certificates = ""

    @field_validator("url")
    @classmethod
    def _usable(cls, url: str) -> str:
        if not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("must be printable ASCII without spaces")
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("must be an http or https URL with a host")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError("must have neither credentials nor a fragment")
        if parts.port == 0:
            raise ValueError("must have a port from 1 to 65535")
        return url


class DeliveryRuleRequest(BaseModel):
    """A rule to make. `reports` of C-STORE and STOW: `sr`, `sc`, `gsps`. `events` of a webhook: the states it tells of.

    `with_identity`: the result is sent home, under the original UIDs and the patient's name.
    """

    model_config = ConfigDict(extra="forbid")
    name: Name
    kind: DeliveryKind
    target: DicomTarget | WebTarget
    reports: list[ReportKind] = Field(default_factory=list, max_length=10)
    events: list[JobState] = Field(default=[JobState.SUCCEEDED], min_length=1, max_length=10)
    with_identity: bool = False
    enabled: bool = True
    authorization: Annotated[str, Field(max_length=4096, pattern=r"^[ -~]+$")] | None = Field(
        default=None, description="The Authorization header of STOW requests. Kept sealed, never shown."
    )


class DeliveryRuleChange(BaseModel):
    """What is given is changed; the target is tried again at once."""

    model_config = ConfigDict(extra="forbid")
    name: Name | None = None
    target: DicomTarget | WebTarget | None = None
    reports: list[ReportKind] | None = Field(default=None, max_length=10)
    events: list[JobState] | None = Field(default=None, min_length=1, max_length=10)
    with_identity: bool | None = None
    enabled: bool | None = None
    authorization: Annotated[str, Field(max_length=4096, pattern=r"^[ -~]+$")] | None = None


class DeliveryRuleView(Schema):
    """A rule. `failures`: attempts in a row that failed; the target is left alone until `closed_until`."""

    id: UUID
    name: str
    kind: DeliveryKind
    target: dict[str, Any]
    reports: list[ReportKind]
    events: list[JobState]
    with_identity: bool
    enabled: bool
    failures: int
    closed_until: datetime | None
    created_at: datetime


class DeliveryRuleMade(DeliveryRuleView):
    """A rule as made."""

    signing_key: str | None = Field(description="The webhook's key (`whsec_…`): this is the only time it is shown.")


class DeliveryRuleList(Schema):
    items: list[DeliveryRuleView]


class SigningKeyView(Schema):
    """A new signing key; the one before signs on for 24 hours."""

    signing_key: str


class DeliveryLinks(Schema):
    self: str
    job: str
    rule: str
    redeliver: str


class DeliveryView(Schema):
    """One result's way to one target. `code` and `detail` say how the last attempt failed."""

    id: UUID
    rule_id: UUID
    job_id: UUID
    state: DeliveryState
    attempt: int
    redelivery_of: UUID | None
    created_at: datetime
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    code: str | None
    detail: str | None
    links: DeliveryLinks


class DeliveryList(Schema):
    items: list[DeliveryView]


class DeliveryPage(Schema):
    items: list[DeliveryView]
    next: str | None = Field(description="The cursor of the next page; null on the last one.")
