"""What a rule keeps sealed: keys that sign, and for how long the one before still does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.delivery_secrets import OVERLAP, DeliverySecret

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def test_the_key_before_signs_for_a_day() -> None:
    old = DeliverySecret.new_signing_key()
    new = old.rotated(now=NOW)
    assert OVERLAP.total_seconds() == 24 * 3600
    for later, keys in (
        (timedelta(), (new.current, old.current)),
        (OVERLAP - timedelta(seconds=1), (new.current, old.current)),
        (OVERLAP, (new.current,)),
        (timedelta(days=365), (new.current,)),
    ):
        assert new.signing_keys(now=NOW + later) == keys
        assert DeliverySecret.from_bytes(new.to_bytes()).signing_keys(now=NOW + later) == keys
    # Rotated twice, the first one is gone at once.
    assert old.current not in new.rotated(now=NOW).signing_keys(now=NOW)
    assert old.signing_keys(now=NOW) == (old.current,)
