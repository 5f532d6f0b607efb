"""`lucency db …`: migrations, sites and keys."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from core import shipped
from core.errors import LucencyError
from core.settings import load_settings
from core.vocabulary import BurnedInPolicy, Scope

if TYPE_CHECKING:
    from alembic.config import Config

    from db.session import Database

app = typer.Typer(help="The database: migrations, sites and API keys.", no_args_is_help=True)


def alembic_config(database_url: str) -> Config:
    """Alembic's configuration for our migrations and that database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(shipped.MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    return config


def _database() -> Database:
    from db.session import make_database

    return make_database(load_settings(), application_name="lucency-db", pool_size=1)


@app.command()
def migrate() -> None:
    """Bring the database to the newest schema."""
    from alembic import command
    from sqlalchemy.exc import OperationalError

    try:
        command.upgrade(alembic_config(load_settings().database_url.get_secret_value()), "head")
    except OperationalError as error:
        # Away, or a lock was not to be had in time; the driver's own words name neither password nor data.
        typer.echo(f"Not migrated; it is safe to run this again. {error.orig}".strip(), err=True)
        raise typer.Exit(1) from None
    typer.echo("The database is migrated.", err=True)


@app.command()
def check() -> None:
    """Say whether the database answers and has our tables."""
    database = _database()
    try:
        database.check()
    except LucencyError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from None
    finally:
        database.dispose()
    typer.echo("The database is ready.", err=True)


@app.command()
def site(name: str) -> None:
    """Make a Site where there is none of this name, and print its id."""
    from db.repositories import sites

    database = _database()
    try:
        with database.unit_of_work() as session:
            typer.echo(str(sites.get_or_create_site(session, name).id))
    finally:
        database.dispose()


@app.command()
def key(
    site: Annotated[str, typer.Option(help="The Site's name; made where there is none.")],
    scope: Annotated[list[Scope], typer.Option(help="What the key may do; may be repeated.")],
    name: Annotated[str, typer.Option(help="What the key is for.")] = "command line",
    days: Annotated[float | None, typer.Option(help="Days until it expires; never, if not given.", min=0)] = None,
) -> None:
    """Issue an API key and print it: this is the only time it can be seen."""
    from db.repositories import sites

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    database = _database()
    try:
        with database.unit_of_work() as session:
            owner = sites.get_or_create_site(session, site)
            _row, presented = sites.issue_key(session, site_id=owner.id, name=name, scopes=scope, expires_at=expires_at)
    finally:
        database.dispose()
    typer.echo(presented)


@app.command()
def policy(
    site: Annotated[str, typer.Option(help="The Site's name.")],
    burned_in: Annotated[
        BurnedInPolicy | None, typer.Option(help="Of images that say that patient data is burned into them.")
    ] = None,
    retention_days: Annotated[
        int | None, typer.Option(help="Remove images and results older than this; 0 keeps them.", min=0, max=36_500)
    ] = None,
) -> None:
    """Show how a Site's data is handled, or change it (audited)."""
    from core.errors import NotFound
    from core.sealing import InstallationKey
    from db.repositories import policies, sites

    values: dict[str, str | int | None] = {}
    if burned_in is not None:
        values["burned_in"] = burned_in.value
    if retention_days is not None:
        values["retention_days"] = retention_days or None
    database = _database()
    try:
        with database.unit_of_work() as session:
            found = sites.find(session, site)
            if found is None:
                raise NotFound(f"There is no Site '{site}'.")
            if values:
                key = InstallationKey.of(load_settings())
                policies.change(session, site_id=found.id, installation=key, values=values, actor="cli")
            row = policies.policy(session, site_id=found.id)
            shown = {"site": site, "burned_in": row.burned_in, "retention_days": row.retention_days}
    finally:
        database.dispose()
    typer.echo(json.dumps(shown))


@app.command()
def revoke(prefix: Annotated[str, typer.Argument(help="What the key begins with, up to the dot: `lcy_…`.")]) -> None:
    """Revoke an API key: from now on it opens nothing."""
    from db.repositories import sites

    database = _database()
    try:
        with database.unit_of_work() as session:
            key = sites.key_of_prefix(session, prefix)
            sites.revoke_key(session, site_id=key.site_id, key_id=key.id)
    except LucencyError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from None
    finally:
        database.dispose()
    typer.echo("The key is revoked.", err=True)
