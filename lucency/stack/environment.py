"""Settings as the environment of a child process, and as the home's `lucency.env`."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from core.settings import Settings
from lucency.stack.servers import write_private


def environment_of(settings: Settings) -> dict[str, str]:
    """The LUCENCY_* variables that make a child process see the same settings (secrets included)."""
    values: dict[str, str] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if value is None:
            continue
        plain = value.get_secret_value() if isinstance(value, SecretStr) else value
        values[f"LUCENCY_{name.upper()}"] = str(plain)
    return values


def write_environment_file(path: Path, values: dict[str, str]) -> None:
    """Write `NAME='value'` lines, mode 0600. Values hold no quote: they are URLs, numbers and tokens."""
    write_private(path, "".join(f"{name}='{value}'\n" for name, value in sorted(values.items())))
