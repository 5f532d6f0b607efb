"""What people type and import: the `lucency` command, the Python client, and the local stack with its servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lucency.client import Client

__all__ = ["Client"]


def __getattr__(name: str) -> Any:
    # The command must start quickly, and httpx2 takes its time to import.
    if name == "Client":
        from lucency.client import Client  # noqa: PLC0415

        return Client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
