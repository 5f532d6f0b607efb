"""DeliveryRules: where a Site's results go by themselves. Every change leaves an audit record."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from core.errors import NameTaken, NotFound
from core.vocabulary import AuditAction, DeliveryKind
from db.repositories import audit
from db.tables import DeliveryRule

CHANGEABLE = ("name", "target", "secret", "reports", "events", "with_identity", "enabled")


def context_of(rule_id: UUID) -> str:
    """The context that a rule's secret is sealed and opened with."""
    return f"delivery rule {rule_id}"


def add(
    session: Session,
    *,
    rule_id: UUID,
    site_id: UUID,
    actor: str,
    kind: DeliveryKind,
    values: dict[str, Any],
) -> DeliveryRule:
    """A new rule with the columns of CHANGEABLE in `values`; `secret` is sealed with `context_of(rule_id)`.

    Raises Conflict where the Site has a rule of this name.
    """
    rule = DeliveryRule(id=rule_id, site_id=site_id, kind=kind.value, **values)
    session.add(rule)
    _flush(session)
    session.refresh(rule)
    _note(session, rule, actor, "added", {"kind": kind.value, "with_identity": bool(rule.with_identity)})
    return rule


def listing(session: Session, *, site_id: UUID) -> list[DeliveryRule]:
    """The Site's rules by age."""
    query = select(DeliveryRule).where(DeliveryRule.site_id == site_id)
    return list(session.scalars(query.order_by(DeliveryRule.created_at, DeliveryRule.id)))


def get(session: Session, *, site_id: UUID, rule_id: UUID) -> DeliveryRule:
    """Raises NotFound, also for another Site's."""
    rule = session.get(DeliveryRule, rule_id)
    if rule is None or rule.site_id != site_id:
        raise NotFound
    return rule


def change(session: Session, *, site_id: UUID, rule_id: UUID, actor: str, values: dict[str, Any]) -> DeliveryRule:
    """Set the columns of CHANGEABLE that `values` names; the target is tried again at once.

    Raises NotFound, Conflict.
    """
    rule = get(session, site_id=site_id, rule_id=rule_id)
    changed = [name for name in CHANGEABLE if name in values]
    for name in changed:
        setattr(rule, name, values[name])
    rule.failures, rule.closed_until = 0, None
    _flush(session)
    _note(session, rule, actor, "changed", {"fields": changed, "with_identity": rule.with_identity})
    return rule


def remove(session: Session, *, site_id: UUID, rule_id: UUID, actor: str) -> None:
    """The rule goes, and its deliveries with it. Raises NotFound."""
    rule = get(session, site_id=site_id, rule_id=rule_id)
    session.delete(rule)
    _note(session, rule, actor, "removed", {})


def _flush(session: Session) -> None:
    try:
        session.flush()
    except IntegrityError as error:
        raise NameTaken("The site has a delivery rule of this name.") from error


def _note(session: Session, rule: DeliveryRule, actor: str, what: str, detail: dict[str, Any]) -> None:
    audit.append(
        session,
        site_id=rule.site_id,
        actor=actor,
        action=AuditAction.SITE_CHANGED,
        subject=f"delivery_rule {rule.id}",
        detail={"what": what, **detail},
    )
