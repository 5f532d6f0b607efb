"""Exit statuses of the `lucency` command (docs: API conventions)."""

from __future__ import annotations

from core.errors import Forbidden, LucencyError, Unauthorized

OK, FAILURE, USAGE, PARTIAL, AUTH, TIMEOUT = range(6)


def exit_code(error: LucencyError) -> int:
    """The exit status that stands for `error`."""
    if isinstance(error, Unauthorized | Forbidden):
        return AUTH
    return TIMEOUT if error.code == "wait_timeout" else FAILURE
