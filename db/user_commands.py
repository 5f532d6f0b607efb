"""`lucency user …`: who may sign in, and what they may do at which Site.

A password is asked for, or read from a pipe's first line; never an argument, which others on the machine see.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from core.errors import LucencyError
from core.settings import load_settings
from core.vocabulary import AuditAction, Role

if TYPE_CHECKING:
    from uuid import UUID

    from db.session import Session
    from db.tables import User

app = typer.Typer(help="Users: add, list, password, disable, enable, role, operator.", no_args_is_help=True)

Email = Annotated[str, typer.Argument(help="The user's e-mail address, by which it signs in.")]
SiteName = Annotated[str, typer.Option("--site", help="The Site's name or id.")]
ACTOR = "cli"


@app.command()
def add(
    email: Email,
    name: Annotated[str | None, typer.Option(help="How pages call the user; the address, if not given.")] = None,
    site: Annotated[str | None, typer.Option(help="The Site's name; made where there is none.")] = None,
    role: Annotated[Role, typer.Option(help="What the user is at that Site.")] = Role.ADMIN,
    operator: Annotated[bool, typer.Option("--operator", help="May run the platform: models, workers, Sites.")] = False,
    no_password: Annotated[bool, typer.Option("--no-password", help="Signs in by OpenID Connect alone.")] = False,
) -> None:
    """Add a user, and ask for its password."""
    from db.repositories import sites, users

    if site is None and not operator:
        _stop("A user who is no operator needs a Site: give --site.", code=2)
    password_hash = None if no_password else _asked_hash()
    with _session() as session:
        made = users.add(session, email=email, name=name or email, operator=operator, password_hash=password_hash)
        granted: dict[str, Any] = {"operator": operator}
        if site is not None:
            users.set_role(session, made.id, site_id=sites.get_or_create_site(session, site).id, role=role)
            granted["role"] = role.value
        users.record(session, made.id, action=AuditAction.USER_ADDED, actor=ACTOR, detail=granted)
        shown = made.email
    typer.echo(f"{shown} may sign in.", err=True)


@app.command("list")
def show(
    site: Annotated[str | None, typer.Option(help="Members of this Site alone.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the users by address."""
    from db.repositories import users

    with _session() as session:
        lines = [
            _described(session, user)
            for user in users.listing(session, site_id=None if site is None else _site_id(session, site))
        ]
    for one in lines:
        typer.echo(json.dumps(one) if as_json else _line(one))


@app.command()
def password(email: Email) -> None:
    """Ask for a new password. It lifts a lock, and ends the user's sessions."""
    from db.repositories import users

    hashed = _asked_hash()
    with _changed(email, {"password": "set"}) as (session, user_id):
        users.set_password(session, user_id, password_hash=hashed)
    typer.echo("The password is set; the user's sessions have ended.", err=True)


@app.command()
def disable(email: Email) -> None:
    """Keep a user out from now on: its sessions end, and it cannot sign in."""
    from db.repositories import users

    with _changed(email, {"disabled": True}) as (session, user_id):
        users.set_disabled(session, user_id, disabled=True)
    typer.echo("The user is disabled; its sessions have ended.", err=True)


@app.command()
def enable(email: Email) -> None:
    """Let a disabled or locked user sign in again."""
    from db.repositories import users

    with _changed(email, {"disabled": False}) as (session, user_id):
        users.set_disabled(session, user_id, disabled=False)
    typer.echo("The user may sign in.", err=True)


@app.command()
def role(
    email: Email,
    site: SiteName,
    role: Annotated[Role | None, typer.Option(help="What the user is at the Site from now on.")] = None,
    none: Annotated[bool, typer.Option("--none", help="No member of the Site any more.")] = False,
) -> None:
    """Change what a user is at a Site."""
    from db.repositories import sites, users

    if (role is None) is not none:
        _stop("Give either --role or --none.", code=2)
    with _session() as session:
        user_id = _user(session, email).id
        site_id = _site_id(session, site) if none else sites.get_or_create_site(session, site).id
        users.set_role(session, user_id, site_id=site_id, role=role)
        granted = {"role": role.value if role is not None else None}
        users.record(session, user_id, action=AuditAction.USER_CHANGED, actor=ACTOR, detail=granted, also=[site_id])
    typer.echo("The role is changed.", err=True)


@app.command()
def operator(
    email: Email,
    revoke: Annotated[bool, typer.Option("--revoke", help="No operator any more.")] = False,
) -> None:
    """Let a user run the platform: models, workers, Sites, all users."""
    from db.repositories import users

    with _changed(email, {"operator": not revoke}) as (session, user_id):
        users.get(session, user_id).operator = not revoke
    typer.echo("The user is an operator no more." if revoke else "The user is an operator.", err=True)


@contextmanager
def _session() -> Iterator[Session]:
    """One transaction; errors of ours end the command with their words and code 1."""
    from db.session import make_database

    database = make_database(load_settings(), application_name="lucency-user", pool_size=1)
    try:
        with database.unit_of_work() as session:
            yield session
    except LucencyError as error:
        _stop(error.detail, code=1)
    finally:
        database.dispose()


@contextmanager
def _changed(email: str, detail: dict[str, Any]) -> Iterator[tuple[Session, UUID]]:
    """A transaction on one user, with its audit records at the end."""
    from db.repositories import users

    with _session() as session:
        user_id = _user(session, email).id
        yield session, user_id
        users.record(session, user_id, action=AuditAction.USER_CHANGED, actor=ACTOR, detail=detail)


def _user(session: Session, email: str) -> User:
    from core.errors import NotFound
    from db.repositories import users

    found = users.by_email(session, email)
    if found is None:
        raise NotFound(f"There is no user '{email}'.")
    return found


def _site_id(session: Session, wanted: str) -> UUID:
    from core.errors import NotFound
    from db.repositories import sites

    found = sites.find(session, wanted)
    if found is None:
        raise NotFound(f"There is no Site '{wanted}'.")
    return found.id


def _asked_hash() -> str:
    """The hash of a password from the terminal, typed twice, or from a pipe."""
    from core.passwords import LONGEST, SHORTEST, hash_password

    if sys.stdin.isatty():
        written = typer.prompt(
            f"Password ({SHORTEST} to {LONGEST} characters)", hide_input=True, confirmation_prompt=True
        )
    else:
        written = sys.stdin.readline().rstrip("\r\n")
    try:
        return hash_password(written)
    except LucencyError as error:
        _stop(error.detail, code=2)


def _described(session: Session, user: User) -> dict[str, Any]:
    from db.repositories import users

    return {
        "email": user.email,
        "name": user.name,
        "operator": user.operator,
        "disabled": user.disabled_at is not None,
        "password": user.password_hash is not None,
        "signed_in_at": user.signed_in_at.isoformat() if user.signed_in_at is not None else None,
        "roles": {post.site: post.role.value for post in users.posts(session, user.id)},
    }


def _line(one: dict[str, Any]) -> str:
    marks = [mark for mark in ("operator", "disabled") if one[mark]]
    roles = [f"{role} at {site}" for site, role in one["roles"].items()]
    return "  ".join([one["email"], one["name"], ", ".join([*marks, *roles]) or "no role"])


def _stop(words: str, *, code: int) -> NoReturn:
    typer.echo(words, err=True)
    raise typer.Exit(code)
