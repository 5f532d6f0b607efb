"""`lucency audit …`: is the audit log whole, what is in it, and what to keep outside of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.errors import AuditBroken, LucencyError, RequestInvalid
from core.settings import load_settings

if TYPE_CHECKING:
    from uuid import UUID

    from db.repositories.audit import Anchor, Verification
    from db.session import Session
    from db.tables import AuditRecord

app = typer.Typer(help="The audit log: verify, show, export, heads.", no_args_is_help=True)

Site = Annotated[str | None, typer.Option(help="A Site's name or id; all of them, if not given.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@app.command()
def verify(
    site: Site = None,
    heads: Annotated[
        Path | None, typer.Option(help="What `lucency audit heads` printed earlier: finds a log written anew.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Read the whole log and name every record that was altered, removed, inserted or replaced. Exit code 1 then."""
    from db.repositories import audit

    with _session() as session:
        site_id = _site_id(session, site)
        anchors = [one for one in _anchors(heads) if site_id in (None, one.site_id)]
        done = audit.verify(session, site_id=site_id, anchors=anchors)
    if as_json:
        typer.echo(json.dumps(_verified(done)))
    for one in done.breaks:
        typer.echo(str(one), err=True)
    whole = "The log is whole" if not done.breaks else f"{AuditBroken.title}: {len(done.breaks)} places"
    typer.echo(f"{whole}. {done.records} records of {done.sites} sites were read.", err=True)
    if done.breaks:
        raise typer.Exit(1)


def _verified(done: Verification) -> dict[str, Any]:
    breaks = [
        {"site_id": str(one.site_id), "number": one.number, "last": one.last, "kind": one.kind.value}
        for one in done.breaks
    ]
    return {"whole": not breaks, "sites": done.sites, "records": done.records, "breaks": breaks}


@app.command()
def show(
    site: Site = None,
    last: Annotated[int, typer.Option(help="So many records of each Site, the newest.", min=1)] = 20,
    as_json: AsJson = False,
) -> None:
    """Show the newest records, oldest first."""
    from db.repositories import audit

    with _session() as session:
        for head in audit.heads(session, site_id=_site_id(session, site)):
            for record in audit.page(session, site_id=head.site_id, after=max(0, head.number - last), limit=last):
                typer.echo(json.dumps(_plain(record)) if as_json else _line(record))


@app.command()
def export(site: Site = None) -> None:
    """Print all records as NDJSON, each with its hashes: enough to verify the chain elsewhere."""
    from db.repositories import audit

    with _session() as session:
        for head in audit.heads(session, site_id=_site_id(session, site)):
            after = 0
            while records := audit.page(session, site_id=head.site_id, after=after, limit=audit.PAGE):
                for record in records:
                    typer.echo(json.dumps(_plain(record)))
                after = records[-1].number
                session.expunge_all()


@app.command()
def heads(site: Site = None) -> None:
    """Print each Site's last record as NDJSON. Keep it where this database's administrators cannot write."""
    from db.repositories import audit

    with _session() as session:
        for head in audit.heads(session, site_id=_site_id(session, site)):
            typer.echo(json.dumps({"site_id": str(head.site_id), "number": head.number, "hash": head.hash.hex()}))


@contextmanager
def _session() -> Iterator[Session]:
    """One transaction; errors of ours end the command with their words and code 1, wrong usage with 2."""
    from db.session import make_database

    # A reader of the whole log, not a request: it may take its time.
    settings = load_settings().model_copy(update={"database_statement_timeout": 600.0})
    database = make_database(settings, application_name="lucency-audit", pool_size=1)
    try:
        with database.unit_of_work() as session:
            yield session
    except LucencyError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(2 if isinstance(error, RequestInvalid) else 1) from None
    finally:
        database.dispose()


def _site_id(session: Session, wanted: str | None) -> UUID | None:
    """Raises RequestInvalid for a Site that is not there."""
    from db.repositories import sites

    if wanted is None:
        return None
    found = sites.find(session, wanted)
    if found is None:
        raise RequestInvalid(f"There is no site '{wanted}'.")
    return found.id


def _anchors(path: Path | None) -> list[Anchor]:
    """Raises RequestInvalid for a file that is not what `heads` printed."""
    from uuid import UUID

    from db.repositories.audit import Anchor

    if path is None:
        return []
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text()
        documents = [json.loads(line) for line in text.splitlines() if line.strip()]
        return [Anchor(UUID(one["site_id"]), int(one["number"]), bytes.fromhex(one["hash"])) for one in documents]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RequestInvalid(f"{path} is not what `lucency audit heads` printed.") from error


def _plain(record: AuditRecord) -> dict[str, Any]:
    return {
        "id": str(record.id),
        "site_id": str(record.site_id),
        "number": record.number,
        "at": record.at.isoformat(timespec="microseconds"),
        "actor": record.actor,
        "action": record.action,
        "subject": record.subject,
        "detail": record.detail,
        "previous_hash": record.previous_hash.hex(),
        "hash": record.hash.hex(),
    }


def _line(record: AuditRecord) -> str:
    detail = " ".join(f"{name}={json.dumps(value)}" for name, value in sorted(record.detail.items()))
    at = record.at.strftime("%Y-%m-%d %H:%M:%SZ")
    return f"{record.number:>6} {at} {record.actor} {record.action} {record.subject} {detail}".rstrip()
