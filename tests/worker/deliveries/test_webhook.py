"""Messages to receivers: the same each time, and known by what they are about."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from worker.deliveries.webhook import Message

MESSAGE = Message(UUID(int=1), UUID(int=2), "succeeded", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))


def test_a_message_is_known_by_its_rule_and_its_job() -> None:
    """A receiver drops what it has seen: another rule's message of the same job is another message."""
    assert MESSAGE.id == replace(MESSAGE).id
    assert MESSAGE.id.startswith("msg_")
    others = {replace(MESSAGE, rule_id=UUID(int=9)).id, replace(MESSAGE, job_id=UUID(int=9)).id}
    assert len({MESSAGE.id, *others}) == 3


def test_results_are_named_where_there_are_some() -> None:
    told = json.loads(MESSAGE.body)
    assert (told["type"], told["timestamp"]) == ("job.succeeded", "2026-01-02T03:04:05+00:00")
    assert told["data"]["links"] == {
        "self": f"/v1/jobs/{MESSAGE.job_id}",
        "result": f"/v1/jobs/{MESSAGE.job_id}/result",
    }
    failed = json.loads(replace(MESSAGE, state="failed").body)
    assert failed["data"]["links"] == {"self": f"/v1/jobs/{MESSAGE.job_id}"}
