"""What the JSON of every feature is built on. Every name is part of the API: add, never rename."""

from __future__ import annotations

from typing import Any

from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, ConfigDict, Field

JsonObject = dict[str, Any]
NAME_LENGTH = 200


class Schema(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProblemView(Schema):
    """RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str


class CheckView(Schema):
    status: str = Field(description="`up` or `down`.")
    detail: str | None = None


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


def as_json(view: Any) -> Any:
    """Plain JSON values of a view, for responses that are built by hand."""
    return jsonable_encoder(view)


def json_body(model: type[BaseModel]) -> dict[str, Any]:
    """What OpenAPI says of a body that is read by `receive_json`: the model's schema, its definitions put in place."""
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})

    def placed(node: Any) -> Any:
        if isinstance(node, dict):
            named = node.get("$ref", "").rpartition("/")[2]
            return placed(definitions[named]) if named else {name: placed(value) for name, value in node.items()}
        return [placed(one) for one in node] if isinstance(node, list) else node

    return {"requestBody": {"required": True, "content": {"application/json": {"schema": placed(schema)}}}}
