"""What a result depends on beside image and ModelVersion: kept with it, so that a replay can say what differs."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from core.version import VERSION
from worker.inference.models import LoadedModel

# What decodes, resizes and multiplies; another release may give other bits.
LIBRARIES = ("numpy", "opencv-python-headless", "imagecodecs", "pillow")
CPU_INFO = Path("/proc/cpuinfo")


def produced_by(model: LoadedModel, *, batch: int, position: int) -> dict[str, Any]:
    """Engine and library versions, processor, threads, and where in which size of batch the radiograph was."""
    return {
        "engine": model.engine.version,
        "threads": model.threads,
        "batch": batch,
        "position": position,
        **_machine(),
    }


@lru_cache(maxsize=1)
def _machine() -> dict[str, Any]:
    return {"processor": _processor(), "libraries": {"lucency": VERSION} | {name: _version(name) for name in LIBRARIES}}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    """The model's name where the system tells it: libraries choose their instructions by it."""
    try:
        lines = CPU_INFO.read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine()
