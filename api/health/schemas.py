"""The JSON of health, readiness and the index."""

from __future__ import annotations

from pydantic import Field

from api.schemas import CheckView, Schema
from core.vocabulary import DISCLAIMER


class ReadinessView(Schema):
    status: str = Field(description="`ready`, or `unavailable` with status 503.")
    checks: dict[str, CheckView]


class HealthView(Schema):
    status: str = "ok"


class IndexView(Schema):
    name: str = "Lucency"
    version: str
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    disclaimer: str = DISCLAIMER
