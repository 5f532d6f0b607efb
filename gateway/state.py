"""What a running gateway writes about itself into its spool, and what `lucency gateway status` makes of it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from core.settings import Settings
from gateway.spool import held_in
from lucency.stack.state import is_locked

FILE = "state.json"
BEAT_S = 2.0
# A gateway that wrote nothing for so long does not do its work, whatever its process looks like.
STALE_S = 20.0


def spool_folder(settings: Settings) -> Path:
    """Where the spool is: the setting, or `gateway` in the home."""
    return settings.gateway_spool or settings.home / "gateway"


def write_state(folder: Path, state: dict[str, Any]) -> None:
    """Replace the state file at once (mode 0600)."""
    made = folder / f".{FILE}"
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(state | {"beat_at": time.time()}, file)
    made.replace(folder / FILE)


def read_state(folder: Path) -> dict[str, Any]:
    """What was last written; empty where nothing was."""
    try:
        found: dict[str, Any] = json.loads((folder / FILE).read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return found


def status_of(settings: Settings) -> dict[str, Any]:
    """The gateway as seen from outside: running and healthy or not, what waits, what was refused, the last error."""
    folder = spool_folder(settings)
    state = read_state(folder)
    running = folder.exists() and is_locked(folder)
    waiting, refused = held_in(folder / "waiting"), held_in(folder / "refused")
    beat = float(state.get("beat_at", 0.0))
    return {
        "running": running,
        "healthy": running and bool(state.get("healthy")) and time.time() - beat < STALE_S,
        "ae_title": state.get("ae_title", settings.gateway_ae_title),
        "host": state.get("host", settings.gateway_host),
        "port": state.get("port", settings.gateway_port),
        "tls": settings.gateway_tls_certificate is not None,
        "waiting": waiting.files,
        "waiting_bytes": waiting.bytes,
        "oldest_seconds": None if waiting.oldest is None else round(max(0.0, time.time() - waiting.oldest), 1),
        "refused": refused.files,
        "refused_for": reasons_in(folder / "refused"),
        "api_out": bool(running and state.get("api_out")),
        "since_start": state.get("counts", {}),
        "last_error": state.get("last_error"),
    }


def reasons_in(folder: Path) -> dict[str, int]:
    """How many were refused by cause."""
    counts: dict[str, int] = {}
    for path in folder.glob("*.json"):
        try:
            code = str(json.loads(path.read_text())["code"])
        except (OSError, ValueError, KeyError):
            continue
        counts[code] = counts.get(code, 0) + 1
    return dict(sorted(counts.items()))
