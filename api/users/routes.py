"""Users and their roles: a Site's members for its administrators, everyone for operators.

These sessions are not bound to a Site, for a user may belong to several: `db.repositories.members` says who may.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Annotated, TypeVar
from uuid import UUID

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request, Response

from api.dependencies import Caller, CallerOf
from api.schemas import json_body
from api.uploads.request_body import receive_json
from api.users.schemas import PasswordMade, PostAtSite, UserChange, UserList, UserMade, UserRequest, UserView
from core.errors import AlreadyMember, Forbidden
from core.passwords import hash_password
from core.vocabulary import AuditAction, Scope
from db.repositories import members, users
from db.repositories.members import Member
from db.repositories.sites import Principal
from db.session import Session
from db.tables import Membership, User

router = APIRouter(prefix="/v1/users", tags=["users"])

BODY_BYTES = 8192
# Characters of a password that is made here: 6 bits each, and none that mail or paper confuses.
MADE_LENGTH = 20
SIGNS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
Done = TypeVar("Done")


async def _asked(caller: CallerOf, request: Request) -> UserRequest:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, UserRequest, limit=BODY_BYTES)


async def _changed(caller: CallerOf, request: Request) -> UserChange:
    await anyio.to_thread.run_sync(_admit, caller)
    return await receive_json(request, caller.backends.settings, UserChange, limit=BODY_BYTES)


def _admit(caller: Caller) -> None:
    """Before a byte of the body is read."""
    with caller.administration():
        return


@router.get("", response_model=UserList)
def listing(
    caller: CallerOf,
    response: Response,
    everyone: Annotated[bool, Query(description="All users of the platform. Needs `operate`.")] = False,
) -> UserList:
    """The members of the Site by address, or everyone."""
    response.headers["Cache-Control"] = "no-store"
    with caller.session(Scope.OPERATE if everyone else Scope.ADMIN, bound=False) as (session, principal):
        found = users.listing(session, site_id=None if everyone else principal.site_id)
        return UserList(items=[_view(one) for one in members.seen_by(session, principal, found)])


@router.post("", status_code=201, response_model=UserMade, openapi_extra=json_body(UserRequest))
async def add(caller: CallerOf, response: Response, request: Annotated[UserRequest, Depends(_asked)]) -> UserMade:
    """Let someone in at the Site; audited. Who is new gets a password, shown here once; who is known keeps the own."""
    response.headers["Cache-Control"] = "no-store"
    return await _hashing(caller, lambda: _added(caller, request))


@router.patch("/{user_id}", response_model=UserView, openapi_extra=json_body(UserChange))
def change(
    caller: CallerOf, response: Response, user_id: UUID, request: Annotated[UserChange, Depends(_changed)]
) -> UserView:
    """Change a role, a name, whether the user may sign in, or whether it is an operator; audited."""
    response.headers["Cache-Control"] = "no-store"
    with caller.administration() as (session, principal):
        user = members.get(session, principal, user_id)
        if request.role is not None:
            site_id = members.site_of(session, principal, request.site_id)
            members.set_role(session, principal, user, site_id=site_id, role=request.role)
        _change_person(session, principal, user, request)
        session.refresh(user)
        return _view(members.seen_by(session, principal, [user])[0])


@router.delete("/{user_id}", status_code=204)
def remove(
    caller: CallerOf,
    user_id: UUID,
    site_id: Annotated[UUID | None, Query(description="Null: the Site in view. Another needs `operate`.")] = None,
) -> None:
    """The user is no member of the Site any more; audited. The person stays, for records name it."""
    with caller.administration() as (session, principal):
        user = members.get(session, principal, user_id)
        asked = members.site_of(session, principal, site_id)
        if session.get(Membership, (user_id, asked)) is not None:
            members.set_role(session, principal, user, site_id=asked, role=None)


@router.post("/{user_id}/password", response_model=PasswordMade)
async def reset_password(caller: CallerOf, response: Response, user_id: UUID) -> PasswordMade:
    """Give the user a new password, shown here once; audited. It lifts a lock, and ends the user's sessions."""
    response.headers["Cache-Control"] = "no-store"
    await anyio.to_thread.run_sync(_require_manageable, caller, user_id)
    return await _hashing(caller, lambda: _reset(caller, user_id))


async def _hashing(caller: Caller, work: Callable[[], Done]) -> Done:
    # Each hash takes 64 MiB.
    return await anyio.to_thread.run_sync(work, limiter=caller.backends.limiters.passwords)


def _added(caller: Caller, request: UserRequest) -> UserMade:
    password = new_password() if request.password else None
    hashed = hash_password(password) if password is not None else None
    with caller.administration() as (session, principal):
        site_id = members.site_of(session, principal, request.site_id)
        user = users.by_email(session, request.email, lock=True)
        if user is not None and session.get(Membership, (user.id, site_id)) is not None:
            raise AlreadyMember
        if user is None:
            user = users.add(session, email=request.email, name=request.name or request.email, password_hash=hashed)
            users.set_role(session, user.id, site_id=site_id, role=request.role)
            detail = {"role": request.role.value}
            users.record(session, user.id, action=AuditAction.USER_ADDED, actor=principal.actor, detail=detail)
        else:
            password = None
            members.set_role(session, principal, user, site_id=site_id, role=request.role)
        session.refresh(user)
        view = _view(members.seen_by(session, principal, [user])[0])
    return UserMade(**view.model_dump(), password=password)


def _change_person(session: Session, principal: Principal, user: User, request: UserChange) -> None:
    detail: dict[str, bool | str] = {}
    if request.operator is not None and request.operator != user.operator:
        if Scope.OPERATE not in principal.scopes:
            raise Forbidden("Only an operator may make operators.")
        detail["operator"] = request.operator
    if request.name is not None and users.normal_name(request.name) != user.name:
        detail["name"] = "changed"
    if request.disabled is not None and request.disabled != (user.disabled_at is not None):
        detail["disabled"] = request.disabled
    if not detail:
        return
    members.require_manageable(session, principal, user)
    user.operator = bool(detail.get("operator", user.operator))
    if request.name is not None:
        user.name = users.normal_name(request.name)
    if "disabled" in detail:
        users.set_disabled(session, user.id, disabled=bool(detail["disabled"]))
    session.flush()
    users.record(session, user.id, action=AuditAction.USER_CHANGED, actor=principal.actor, detail=detail)


def _require_manageable(caller: Caller, user_id: UUID) -> None:
    with caller.administration() as (session, principal):
        members.require_manageable(session, principal, members.get(session, principal, user_id))


def _reset(caller: Caller, user_id: UUID) -> PasswordMade:
    password = new_password()
    hashed = hash_password(password)
    with caller.administration() as (session, principal):
        user = members.get(session, principal, user_id)
        members.require_manageable(session, principal, user)
        users.set_password(session, user.id, password_hash=hashed)
        detail = {"password": "set"}
        users.record(session, user.id, action=AuditAction.USER_CHANGED, actor=principal.actor, detail=detail)
    return PasswordMade(password=password)


def new_password() -> str:
    """One to be typed once and changed: 20 signs of 56, some 116 bits, in groups of five."""
    signs = [secrets.choice(SIGNS) for _ in range(MADE_LENGTH)]
    return "-".join("".join(signs[at : at + 5]) for at in range(0, MADE_LENGTH, 5))


def _view(one: Member) -> UserView:
    user = one.user
    return UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        operator=user.operator,
        disabled=user.disabled_at is not None,
        locked_until=user.locked_until,
        has_password=user.password_hash is not None,
        signed_in_at=user.signed_in_at,
        created_at=user.created_at,
        roles=[PostAtSite(site_id=post.site_id, site=post.site, role=post.role) for post in one.posts],
        manageable=one.manageable,
    )
