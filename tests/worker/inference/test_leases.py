"""What a process holds, and what of it the heartbeat still extends."""

from __future__ import annotations

from uuid import UUID

from core.vocabulary import MediaKind
from db.repositories.jobs import Claim
from worker.inference.leases import HeldLeases


def claim(number: int, *, fence: int = 1) -> Claim:
    identifier = UUID(int=number)
    return Claim(
        job_id=identifier,
        site_id=identifier,
        fence=fence,
        attempt=1,
        crash_count=0,
        image_id=identifier,
        sha256="0" * 64,
        size_bytes=1,
        media_kind=MediaKind.PNG,
        explain=(),
        queued_ms=0.0,
    )


def test_what_is_held_too_long_is_not_extended() -> None:
    now = 0.0
    held = HeldLeases(bound_s=30, clock=lambda: now)
    first, second = claim(1), claim(2)
    held.add([first])
    now = 20.0
    held.add([second])
    now = 30.0
    assert held.extendable() == [(first.job_id, 1), (second.job_id, 1)]
    now = 30.1
    assert held.extendable() == [(second.job_id, 1)]
    # Its thread may come back yet: until the lease is lost it is held.
    assert held.holds(first)


def test_what_the_database_did_not_keep_is_forgotten() -> None:
    held = HeldLeases(bound_s=30)
    first, again, second = claim(1), claim(1, fence=2), claim(2)
    held.add([first, again, second])
    assert not held.holds(claim(2, fence=2))
    assert held.keep_only([(second.job_id, 1), (UUID(int=9), 1)], {first.job_id}) == [(second.job_id, 1)]
    assert [held.holds(one) for one in (first, again, second)] == [True, True, False]
    held.drop([first])
    assert held.all() == [(again.job_id, 2)]
