"""What this process sends to its databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event


def listen() -> list[str]:
    """A list that grows by all that is sent from now on."""
    sent: list[str] = []
    for name, listener in _listeners(sent).items():
        event.listen(Engine, name, listener)
    return sent


@contextmanager
def statements() -> Iterator[list[str]]:
    """All that is sent while the block runs, BEGIN and COMMIT too; of several in one round trip each."""
    sent: list[str] = []
    listeners = _listeners(sent)
    for name, listener in listeners.items():
        event.listen(Engine, name, listener)
    yield sent
    for name, listener in listeners.items():
        event.remove(Engine, name, listener)


def _listeners(sent: list[str]) -> dict[str, Any]:
    def execute(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.extend(part.strip() for part in statement.split(";") if part.strip())

    return {
        "before_cursor_execute": execute,
        "begin": lambda _connection: sent.append("BEGIN"),
        "commit": lambda _connection: sent.append("COMMIT"),
        "rollback": lambda _connection: sent.append("ROLLBACK"),
    }
