"""What decoding costs for each transfer syntax: at full size, and at the size that the network asks for."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from benchmarks.timing import alternating
from core.errors import LucencyError
from imaging.decode import decode

FULL = 1 << 16


def per_syntax(files: Mapping[str, bytes], *, seconds: float, longest_side: int) -> dict[str, Any]:
    """Medians in ms by name, of `seconds` for each file; an error's code where a file cannot be decoded."""
    measured: dict[str, Any] = {}
    for name, data in files.items():
        try:
            found = alternating(
                {
                    "reduced": partial(decode, data, longest_side=longest_side),
                    "full": partial(decode, data, longest_side=FULL),
                },
                seconds=seconds,
                least=1,
            )
        except LucencyError as error:
            measured[name] = {"error": error.code}
            continue
        measured[name] = {
            "bytes": len(data),
            "reduced_ms": round(found["reduced"], 2),
            "full_ms": round(found["full"], 2),
            "ratio": round(found["reduced"] / found["full"], 3),
        }
    return measured
