"""The JSON of health, readiness and the index."""

from __future__ import annotations

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from api.schemas import CheckView, Schema
from core.version import VERSION
from core.vocabulary import DISCLAIMER


class ReadinessView(Schema):
    status: str = Field(description="`ready`, or `unavailable` with status 503.")
    checks: dict[str, CheckView]


class HealthView(Schema):
    status: str = "ok"
    # For people who look which release answers. Programs have it of `/` and of the contract itself.
    version: SkipJsonSchema[str] = VERSION


class IndexView(Schema):
    name: str = "Lucency"
    version: str
    docs: str = "/docs"
    openapi: str = "/openapi.json"
    disclaimer: str = DISCLAIMER
