"""`lucency erase`: remove an image, a study or a patient for good, and print the receipt."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from core.settings import load_settings

if TYPE_CHECKING:
    from db.repositories.erasure import Chosen
    from db.session import Database, Session

USAGE = 2


def erase(
    study: Annotated[
        str | None, typer.Option(help="A Study Instance UID, as the hospital knows it or as it is stored.")
    ] = None,
    image: Annotated[str | None, typer.Option(help="An image's id.")] = None,
    patient: Annotated[
        str | None, typer.Option(help="A Patient ID; `-` reads it from stdin, so that no shell remembers it.")
    ] = None,
    site: Annotated[str, typer.Option(help="The Site's name.")] = "local",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The receipt as JSON on stdout.")] = False,
    receipt: Annotated[Path | None, typer.Option(help="Also write the receipt (JSON) to this file.")] = None,
) -> None:
    """Remove images and everything made of them: objects, rows, results. Audited; it cannot be undone."""
    given = {"study": study, "image": image, "patient": patient}
    named = {name: value for name, value in given.items() if value}
    if len(named) != 1:
        typer.echo("Name one of --study, --image and --patient.", err=True)
        raise typer.Exit(USAGE)
    ((what, value),) = named.items()
    if value == "-":
        value = sys.stdin.readline().strip()
    from core.logs import configure_logging
    from db.session import make_database
    from storage.s3 import make_store
    from worker.maintenance.erasure import Eraser

    settings = load_settings()
    configure_logging(settings.model_copy(update={"log_level": "WARNING", "log_json": False}), process="erase")
    database = make_database(settings, application_name="lucency-erase", pool_size=1)
    try:
        site_id, chosen = _choose(database, site, what, value)
        if not chosen:
            typer.echo(f"The Site {site} has no such {what}.", err=True)
            raise typer.Exit(1)
        if not dry_run and not yes:
            count = sum(len(found.job_ids) for found in chosen)
            typer.confirm(f"Erase {len(chosen)} image(s) and {count} job(s) of {site} for good?", abort=True, err=True)
        eraser = Eraser(database, make_store(settings), settings, actor="cli")
        made = eraser.erase(site_id, chosen, what=what, dry_run=dry_run).as_dict()
    finally:
        database.dispose()
    if receipt is not None:
        receipt.write_text(json.dumps(made, indent=2) + "\n")
    typer.echo(json.dumps(made, indent=2) if as_json else _readable(made))


def _choose(database: Database, site: str, what: str, value: str) -> tuple[UUID, list[Chosen]]:
    from core.errors import NotFound
    from db.repositories import sites

    with database.unit_of_work() as session:
        found = sites.find(session, site)
        if found is None:
            raise NotFound(f"There is no Site '{site}'.")
        return found.id, _named(session, found.id, what, value)


def _named(session: Session, site_id: UUID, what: str, value: str) -> list[Chosen]:
    """By Study and patient the Site's key is needed: what is stored are stand-ins. Raises IdentityKeyMissing."""
    from core.errors import RequestInvalid
    from core.sealing import InstallationKey
    from db.repositories import erasure, policies
    from imaging.deidentify import pseudonym
    from imaging.uids import remapped

    if what == "image":
        try:
            return erasure.by_image(session, site_id=site_id, image_id=UUID(value))
        except ValueError:
            raise RequestInvalid("That is no image's id.") from None
    key = policies.site_key(session, site_id=site_id, installation=InstallationKey.of(load_settings()))
    if what == "study":
        return erasure.by_study(session, site_id=site_id, study_instance_uids=[value, remapped(value, key)])
    # The hash is over the bytes of the file read as Latin-1: a Patient ID of other signs may be written in more ways.
    ways = {pseudonym(value, key)}
    for codec in ("utf_8", "gb18030", "shift_jis"):
        ways.add(pseudonym(value.encode(codec, "replace").decode("latin-1"), key))
    return [found for way in sorted(ways - {""}) for found in erasure.by_patient(session, site_id=site_id, patient=way)]


def _readable(made: dict[str, Any]) -> str:
    totals = made["totals"]
    verb = "Would erase" if made["dry_run"] else "Erased"
    rows = ", ".join(f"{count} {table}" for table, count in sorted(totals["rows"].items()))
    lines = [f"{verb} {totals['images']} image(s), {totals['objects']} object(s) of {totals['bytes']} bytes"]
    if rows:
        lines.append(f"rows: {rows}")
    records = [str(image["audit_record"]) for image in made["images"] if image["audit_record"] is not None]
    if records:
        lines.append(f"audit records: {', '.join(records)}")
    lines.append(f"receipt {made['receipt']}, SHA-256 {made['sha256']}")
    return "\n".join(lines)
