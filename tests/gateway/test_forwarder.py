"""Which answers of the API end an instance's way, and which only hold it up."""

from __future__ import annotations

import httpx2
import pytest

from gateway.forwarder import is_refusal
from lucency.client import Unreachable, error_of


def answer(status: int, code: str | None) -> httpx2.Response:
    if code is None:
        return httpx2.Response(status, text="<html>a proxy</html>")
    return httpx2.Response(status, json={"code": code, "title": code, "status": status})


@pytest.mark.parametrize(
    ("status", "code", "refused"),
    [
        (422, "pixels_inconsistent", True),
        (415, "transfer_syntax_unsupported", True),
        (413, None, True),
        (409, "instance_conflict", True),
        (422, "a_code_of_a_later_release", True),
        (409, "idempotency_in_progress", False),
        (401, "unauthorized", False),
        (403, "forbidden", False),
        (404, None, False),
        (408, "upload_too_slow", False),
        (429, "quota_exceeded", False),
        (500, "internal_error", False),
        (502, None, False),
        (503, "identity_key_missing", False),
        (507, "disk_full", False),
    ],
)
def test_only_what_is_about_the_instance_is_a_refusal(status: int, code: str | None, refused: bool) -> None:
    assert is_refusal(error_of(answer(status, code))) is refused


def test_no_answer_is_no_refusal() -> None:
    assert not is_refusal(Unreachable("nobody"))
