"""Answers that stream: the first piece is there before the status is said, so that what fails before it is a problem
document and no broken 200. What fails after it closes the connection, and the client sees that it lacks the end.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from fastapi.responses import StreamingResponse

from api.dicomweb.media_types import RELATED
from core.errors import NotFound

# Who may see it is checked on every request; the same URL has several forms.
PRIVATE = {"Cache-Control": "private, no-cache", "Vary": "Accept, Authorization, X-API-Key"}


@dataclass(frozen=True, slots=True)
class BodyPart:
    """One part of an answer: its Content-Type, where it can be had by itself, and its bytes."""

    content_type: str
    location: str
    content: AsyncIterator[bytes]


async def single(part: BodyPart, headers: dict[str, str]) -> Response:
    """The part as the whole body."""
    return await _streamed(part.content, part.content_type, headers)


async def related(parts: AsyncIterator[BodyPart], *, root: str, headers: dict[str, str]) -> Response:
    """All parts as multipart/related (RFC 2387); `root` is the media type that they have."""
    boundary = secrets.token_hex(16)
    return await _streamed(_framed(parts, boundary), f'{RELATED}; type="{root}"; boundary={boundary}', headers)


async def _framed(parts: AsyncIterator[BodyPart], boundary: str) -> AsyncIterator[bytes]:
    async for part in parts:
        head = f"\r\n--{boundary}\r\nContent-Type: {part.content_type}\r\nContent-Location: {part.location}\r\n\r\n"
        # With the first bytes of the part: where those cannot be had, nothing was said yet.
        pending = head.encode()
        async for piece in part.content:
            yield pending + piece
            pending = b""
        if pending:
            yield pending
    yield f"\r\n--{boundary}--\r\n".encode()


async def json_array(items: AsyncIterator[dict[str, Any]], media_type: str, headers: dict[str, str]) -> Response:
    """A JSON array, one item at a time."""
    return await _streamed(_written(items), media_type, headers)


async def _written(items: AsyncIterator[dict[str, Any]]) -> AsyncIterator[bytes]:
    separator = b"["
    async for item in items:
        yield separator + json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
        separator = b","
    yield b"]" if separator == b"," else b"[]"


async def _streamed(pieces: AsyncIterator[bytes], content_type: str, headers: dict[str, str]) -> Response:
    try:
        first = await anext(pieces)
    except StopAsyncIteration:
        raise NotFound from None

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return StreamingResponse(whole(), headers=headers | {"Content-Type": content_type})
