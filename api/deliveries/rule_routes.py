"""DeliveryRules: where a Site's results go by themselves. For administrators of the Site."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from urllib.parse import urlsplit
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Request, Response
from uuid_utils.compat import uuid7

from api.backends import Backends
from api.deliveries.schemas import (
    DeliveryRuleChange,
    DeliveryRuleList,
    DeliveryRuleMade,
    DeliveryRuleRequest,
    DeliveryRuleView,
    DicomTarget,
    SigningKeyView,
    WebTarget,
)
from api.dependencies import Caller, CallerOf
from api.schemas import json_body
from api.uploads.request_body import receive_json
from core.addresses import is_allowed, literal
from core.delivery_secrets import DeliverySecret
from core.errors import IdentityKeyMissing, RequestInvalid, TargetRefused
from core.sealing import SiteKey
from core.vocabulary import DICOM_REPORTS, DeliveryKind, JobState, Scope
from db.repositories import delivery_rules, policies
from db.session import Session
from db.tables import DeliveryRule

router = APIRouter(prefix="/v1/delivery-rules", tags=["delivery-rules"])

# A target may carry certificates.
BODY_BYTES = 256 * 1024
CARRIERS = " and ".join(kind.form.title for kind in DeliveryKind if kind.form.reports)


async def _rule(caller: CallerOf, request: Request) -> DeliveryRuleRequest:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, DeliveryRuleRequest, limit=BODY_BYTES)


async def _change(caller: CallerOf, request: Request) -> DeliveryRuleChange:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, DeliveryRuleChange, limit=BODY_BYTES)


def _admit(caller: Caller) -> None:
    """Before the body is read: an unknown caller's bytes are not."""
    with caller.session(Scope.ADMIN):
        pass


@router.post("", status_code=201, response_model=DeliveryRuleMade, openapi_extra=json_body(DeliveryRuleRequest))
def make(
    caller: CallerOf, response: Response, request: Annotated[DeliveryRuleRequest, Depends(_rule)]
) -> DeliveryRuleMade:
    """Make a rule. It holds for jobs that end from now on. A webhook's signing key is shown here and nowhere else."""
    _require_consistent(request.kind, request.model_dump(exclude={"kind"}), caller.backends)
    _require_target(request.kind, request.target, caller.backends)
    secret = _first_secret(request)
    rule_id = uuid7()
    values = _columns(request.model_dump(exclude={"kind", "authorization"}))
    with caller.session(Scope.ADMIN) as (session, principal):
        values["secret"] = _sealed(session, caller.backends, principal.site_id, rule_id, secret)
        rule = delivery_rules.add(
            session,
            rule_id=rule_id,
            site_id=principal.site_id,
            actor=principal.actor,
            kind=request.kind,
            values=values,
        )
        view = DeliveryRuleView.model_validate(rule)
    response.headers["Location"] = f"/v1/delivery-rules/{rule_id}"
    response.headers["Cache-Control"] = "no-store"
    shown = secret.current if secret is not None and not request.kind.form.reports else None
    return DeliveryRuleMade(**view.model_dump(), signing_key=shown)


@router.get("", response_model=DeliveryRuleList)
def listing(caller: CallerOf) -> DeliveryRuleList:
    """The Site's rules, oldest first."""
    with caller.session(Scope.ADMIN) as (session, principal):
        rules = delivery_rules.listing(session, site_id=principal.site_id)
        return DeliveryRuleList(items=[DeliveryRuleView.model_validate(rule) for rule in rules])


@router.get("/{rule_id}", response_model=DeliveryRuleView)
def one(caller: CallerOf, rule_id: UUID) -> DeliveryRuleView:
    """One rule."""
    with caller.session(Scope.ADMIN) as (session, principal):
        rule = delivery_rules.get(session, site_id=principal.site_id, rule_id=rule_id)
        return DeliveryRuleView.model_validate(rule)


@router.patch("/{rule_id}", response_model=DeliveryRuleView, openapi_extra=json_body(DeliveryRuleChange))
def change(
    caller: CallerOf, rule_id: UUID, request: Annotated[DeliveryRuleChange, Depends(_change)]
) -> DeliveryRuleView:
    """Change a rule. What waits for its target is tried again at once."""
    given = request.model_dump(exclude_none=True)
    with caller.session(Scope.ADMIN) as (session, principal):
        rule = delivery_rules.get(session, site_id=principal.site_id, rule_id=rule_id)
        kind = DeliveryKind(rule.kind)
        _require_consistent(kind, _kept(rule) | given, caller.backends)
        if request.target is not None:
            _require_target(kind, request.target, caller.backends)
        values = _columns({name: value for name, value in given.items() if name != "authorization"})
        if request.authorization is not None:
            secret = DeliverySecret(request.authorization)
            values["secret"] = _sealed(session, caller.backends, principal.site_id, rule_id, secret)
        changed = delivery_rules.change(
            session, site_id=principal.site_id, rule_id=rule_id, actor=principal.actor, values=values
        )
        return DeliveryRuleView.model_validate(changed)


@router.delete("/{rule_id}", status_code=204)
def remove(caller: CallerOf, rule_id: UUID) -> None:
    """Remove a rule with its deliveries, those that wait among them."""
    with caller.session(Scope.ADMIN) as (session, principal):
        delivery_rules.remove(session, site_id=principal.site_id, rule_id=rule_id, actor=principal.actor)


@router.post("/{rule_id}/rotate-key", response_model=SigningKeyView)
def rotate(caller: CallerOf, response: Response, rule_id: UUID) -> SigningKeyView:
    """A new signing key for a webhook. For 24 hours messages are signed with the one before, too."""
    backends = caller.backends
    with caller.session(Scope.ADMIN) as (session, principal):
        rule = delivery_rules.get(session, site_id=principal.site_id, rule_id=rule_id)
        if DeliveryKind(rule.kind).form.reports or rule.secret is None:
            raise RequestInvalid("Only webhooks have a signing key.")
        context = delivery_rules.context_of(rule_id)
        key = _site_key(session, backends, principal.site_id)
        known = DeliverySecret.from_bytes(key.open(rule.secret, context=context))
        secret = known.rotated(now=datetime.now(UTC))
        delivery_rules.change(
            session,
            site_id=principal.site_id,
            rule_id=rule_id,
            actor=principal.actor,
            values={"secret": key.seal(secret.to_bytes(), context=context)},
        )
    response.headers["Cache-Control"] = "no-store"
    return SigningKeyView(signing_key=secret.current)


def _require_consistent(kind: DeliveryKind, values: dict[str, Any], backends: Backends) -> None:
    """Raises RequestInvalid for a rule whose parts do not fit its kind."""
    reports, events = set(values["reports"]), set(values["events"])
    if any(not JobState(event).terminal for event in events):
        raise RequestInvalid("events are the states in which a job ends.")
    form = kind.form
    if not form.reports:
        if reports or values["with_identity"]:
            raise RequestInvalid(f"{form.title} carries neither reports nor identities.")
        if values.get("authorization") is not None:
            raise RequestInvalid(f"{form.title} is signed; it takes no authorization.")
        return
    if not reports or reports - DICOM_REPORTS.keys():
        *most, last = DICOM_REPORTS
        raise RequestInvalid(f"reports of {CARRIERS} are one or more of {', '.join(most)} and {last}.")
    if events != {JobState.SUCCEEDED}:
        raise RequestInvalid(f"{CARRIERS} tell of succeeded jobs alone.")
    if not form.authorization and values.get("authorization") is not None:
        raise RequestInvalid(f"{form.title} takes no authorization.")
    if values["with_identity"] and backends.identity is None:
        raise IdentityKeyMissing


def _require_target(kind: DeliveryKind, target: DicomTarget | WebTarget, backends: Backends) -> None:
    """Raises RequestInvalid for another kind's target, TargetRefused for an address that no delivery may go to.

    A name is judged when it is resolved, with each delivery.
    """
    if isinstance(target, DicomTarget) != kind.form.node:
        raise RequestInvalid(f"The target is not one of {kind.value}.")
    if isinstance(target, WebTarget):
        address = literal(urlsplit(target.url).hostname or "")
        if address is not None and not is_allowed(address, private=backends.settings.delivery_private_addresses):
            raise TargetRefused


def _kept(rule: DeliveryRule) -> dict[str, Any]:
    return {"reports": rule.reports, "events": rule.events, "with_identity": rule.with_identity}


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """As the table keeps them: each report and event once, as text."""
    for name in ("reports", "events"):
        if name in values:
            values[name] = sorted({str(value) for value in values[name]})
    return values


def _first_secret(request: DeliveryRuleRequest) -> DeliverySecret | None:
    if not request.kind.form.reports:
        return DeliverySecret.new_signing_key()
    return DeliverySecret(request.authorization) if request.authorization is not None else None


def _sealed(
    session: Session, backends: Backends, site_id: UUID, rule_id: UUID, secret: DeliverySecret | None
) -> bytes | None:
    if secret is None:
        return None
    key = _site_key(session, backends, site_id)
    return key.seal(secret.to_bytes(), context=delivery_rules.context_of(rule_id))


def _site_key(session: Session, backends: Backends, site_id: UUID) -> SiteKey:
    """Raises IdentityKeyMissing: nothing can be sealed then."""
    if backends.identity is None:
        raise IdentityKeyMissing
    return policies.site_key(session, site_id=site_id, installation=backends.identity)
