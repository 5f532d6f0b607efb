"""The transaction that takes an upload in: what it stands on is asked once, under the content's lock."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.errors import IdempotencyMismatch, Unauthorized
from core.vocabulary import BurnedInPolicy
from db.repositories.images import content_name
from db.repositories.sites import Principal
from db.session import BIND
from db.tables import Image

# One round trip: the Site's role, the content's lock, and with a snapshot that is taken when it is held what is known.
# An Image made of the same file goes before one of the same stored bytes: another release may have stored others.
_ENTER = text(f"""
{BIND};
SELECT pg_advisory_xact_lock(hashtextextended(:content, 0));
SELECT
    site.disabled_at IS NULL AND (CAST(:key_id AS uuid) IS NULL OR EXISTS (
        SELECT FROM api_key WHERE id = CAST(:key_id AS uuid) AND revoked_at IS NULL
            AND (expires_at IS NULL OR expires_at > now()))) AS admitted,
    site.active_limit, site.stored_bytes_limit, coalesce(policy.burned_in, :burned_in) AS burned_in,
    (SELECT id FROM model_version WHERE state = 'active') AS model_version_id,
    (SELECT last_value + is_called::int FROM content_taken_back) AS taken_back,
    earlier.id AS earlier_id, earlier.request_hash AS earlier_hash, coalesce(made.id, held.id) AS image_id
FROM site
LEFT JOIN site_policy AS policy ON policy.site_id = site.id
LEFT JOIN job AS earlier ON earlier.site_id = site.id AND earlier.idempotency_key = :idempotency_key
LEFT JOIN LATERAL (
    SELECT id FROM image WHERE site_id = site.id AND received_sha256 = :received_sha256 ORDER BY created_at LIMIT 1
) AS made ON true
LEFT JOIN image AS held ON held.site_id = site.id AND held.sha256 = :sha256
WHERE site.id = CAST(:site AS uuid)
""")  # noqa: S608 — a constant of ours


@dataclass(frozen=True, slots=True)
class Entered:
    """What an upload meets in its own transaction, which is bound to its Site now and holds the content's lock.

    `active_limit` and `stored_bytes_limit`: the Site's own, None for none. `taken_back`: how often any object was
    removed of an upload that was refused (`images.take_back`). `earlier_id`: the Job that the same key made;
    `image_id`: the Image that this content has already.
    """

    active_limit: int | None
    stored_bytes_limit: int | None
    burned_in: BurnedInPolicy
    model_version_id: UUID | None
    taken_back: int
    earlier_id: UUID | None
    image_id: UUID | None


def enter(
    session: Session,
    principal: Principal,
    *,
    sha256: str,
    received_sha256: str,
    idempotency_key: str | None,
    request_hash: str,
) -> Entered:
    """First in the transaction. Raises Unauthorized where the caller's key or Site ended meanwhile, and
    IdempotencyMismatch where the same key asked for something else.
    """
    values: dict[str, Any] = {
        "site": str(principal.site_id),
        "key_id": principal.key_id,
        "content": content_name(principal.site_id, sha256),
        "burned_in": BurnedInPolicy.REFUSE.value,
        "idempotency_key": idempotency_key,
        "sha256": sha256,
        "received_sha256": received_sha256,
    }
    found = session.execute(_ENTER, values).mappings().one_or_none()
    if found is None or not found["admitted"]:
        raise Unauthorized
    if found["earlier_id"] is not None and found["earlier_hash"] != request_hash:
        raise IdempotencyMismatch
    kept = {field.name: found[field.name] for field in fields(Entered)}
    return Entered(**kept | {"burned_in": BurnedInPolicy(kept["burned_in"])})


def image(session: Session, image_id: UUID) -> Image:
    """The Image that `enter` named."""
    return session.scalars(select(Image).where(Image.id == image_id)).one()
