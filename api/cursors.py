"""Opaque cursors for newest-first lists: where the last page ended, not how many rows came before it."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from uuid import UUID

from core.errors import RequestInvalid

Position = tuple[datetime, UUID]


def encode_cursor(position: Position) -> str:
    """Opaque to clients; safe in a query string."""
    created_at, identifier = position
    text = f"{created_at.astimezone(UTC).isoformat()}|{identifier}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> Position:
    """Raises RequestInvalid for anything that `encode_cursor` did not make."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_at, _, identifier = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition("|")
        position = datetime.fromisoformat(created_at), UUID(identifier)
        if position[0].tzinfo is None:
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise RequestInvalid("The cursor is not one of ours.") from error
    return position


def encode_number(number: int) -> str:
    """Opaque to clients: where a page of a numbered list ended."""
    return base64.urlsafe_b64encode(f"#{number}".encode()).decode().rstrip("=")


def decode_number(cursor: str) -> int:
    """Raises RequestInvalid for anything that `encode_number` did not make."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        if not text.startswith("#") or not text[1:].isdecimal() or not 0 <= int(text[1:]) < 2**31:
            raise ValueError
    except (ValueError, binascii.Error) as error:
        raise RequestInvalid("The cursor is not one of ours.") from error
    return int(text[1:])
