"""`lucency models …`: publish, look, activate, shadow, retire, roll back, compare, add a drift reference."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.settings import load_settings

if TYPE_CHECKING:
    from db.session import Database
    from storage.store import ObjectStore

models = typer.Typer(help="Published models.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]
Model = Annotated[str, typer.Argument(help="Its id, name (the newest), name@version, or the start of its digest.")]


@models.command()
def publish(
    bundle: Annotated[Path, typer.Argument(help="The Bundle's folder.")],
    activate: Annotated[bool, typer.Option("--activate", help="Serve new jobs with it.")] = False,
    allow_leak: Annotated[
        bool, typer.Option("--allow-leak", help="Although its split leaks; its model card then says so in red.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Verify a Bundle, store it, and register it. One whose split leaks is refused."""
    with _database() as database:
        from networks.bundle import Bundle
        from trainer.shipping import publication_checks, publishing
        from trainer.shipping.registry import actor

        row = publishing.publish(
            bundle, database=database, store=_store(), activate=activate, allow_leak=allow_leak, actor=actor()
        )
        if warning := publication_checks.warning(Bundle.load(bundle, verify=False)):
            typer.echo(f"warning: {warning}", err=True)
    _print(row, as_json=as_json)


@models.command(name="list")
def list_(as_json: AsJson = False) -> None:
    """All published models, newest first."""
    with _database() as database:
        from trainer.shipping import registry

        rows = registry.listing(database)
    typer.echo(json.dumps(rows, indent=2) if as_json else "\n".join(_line(row) for row in rows))


@models.command()
def show(model: Model, as_json: AsJson = False) -> None:
    """One model: what it tells apart, its thresholds and main figures, how often it was used, its history."""
    with _database() as database:
        from trainer.shipping import registry

        found = registry.show(model, database=database)
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(_details(found)))


@models.command()
def activate(model: Model, as_json: AsJson = False) -> None:
    """Serve new jobs with it; the one before is retired. Workers change within 10 s, between batches."""
    with _database() as database:
        from trainer.shipping import registry

        row = registry.activate(model, database=database, store=_store())
    _print(row, as_json=as_json)


@models.command()
def shadow(
    model: Model,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of the live jobs, above 0.")] = 0.1,
    as_json: AsJson = False,
) -> None:
    """Run it beside the active one on a sample of the live jobs: compared, never shown. `retire` ends it."""
    with _database() as database:
        from trainer.shipping import registry

        row = registry.shadow(model, share=share, database=database, store=_store())
    _print(row, as_json=as_json)


@models.command()
def retire(
    model: Model,
    instead: Annotated[
        str | None, typer.Option("--activate", metavar="OTHER", help="For the active one: what takes its place.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Serve it no more. Its results stay, and it can be activated again."""
    with _database() as database:
        from trainer.shipping import registry

        row = registry.retire(model, instead=instead, database=database, store=_store())
    _print(row, as_json=as_json)


@models.command()
def rollback(as_json: AsJson = False) -> None:
    """Activate the model that was active before; once more goes one further back."""
    with _database() as database:
        from trainer.shipping import registry

        row = registry.rollback(database=database, store=_store())
    _print(row, as_json=as_json)


@models.command()
def compare(
    model: Annotated[
        str | None, typer.Argument(metavar="[SHADOW]", help="As elsewhere; else the newest shadow.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What a shadow said beside the results that were given: agreement, changed decisions, speed."""
    with _database() as database:
        from trainer.shipping import registry

        report = registry.comparison(model, database=database)
    typer.echo(json.dumps(report, indent=2) if as_json else "\n".join(_comparison(report)))


@models.command()
def reference(
    bundle: Annotated[Path, typer.Argument(help="The Bundle's folder; it is changed in place.")],
    version: Annotated[str, typer.Option(help="Its new version: a published version never changes.")],
    data: Annotated[
        Path | None, typer.Option(help="The data set's folder (of several, the one that holds them); default: data.")
    ] = None,
) -> None:
    """Give a Bundle the drift reference that older releases did not: how its validation split looks to it."""
    from networks.bundle import Bundle
    from trainer.shipping.drift import with_reference

    made = with_reference(Bundle.load(bundle), data=data, setting=load_settings().data, version=version)
    typer.echo(f"{made.manifest.name} {made.manifest.version}  {made.digest}")


@contextmanager
def _database() -> Iterator[Database]:
    from db.session import make_database

    database = make_database(load_settings(), application_name="lucency-models", pool_size=1)
    try:
        yield database
    finally:
        database.dispose()


def _store() -> ObjectStore:
    from storage.s3 import make_store

    return make_store(load_settings())


def _print(row: dict[str, Any], *, as_json: bool) -> None:
    typer.echo(json.dumps(row, indent=2) if as_json else _line(row))


def _line(row: dict[str, Any]) -> str:
    state = row["state"] if row["shadow_share"] is None else f"{row['state']} {row['shadow_share']:g}"
    line = f"{row['name']} {row['version']}  {state}  {row['digest'][:12]}  {row['id']}"
    if row.get("workers"):
        line += f"  on {row['workers']} worker(s)"
    for code in sorted(set(row.get("failing", {}).values())):
        failing = sum(found == code for found in row["failing"].values())
        line += f"  NOT LOADED by {failing} worker(s): {code}"
    return line


def _details(found: dict[str, Any]) -> list[str]:
    lines = [_line(found)]
    lines += [f"head {head['name']} ({head['kind']}): {', '.join(head['labels'])}" for head in found["heads"]]
    lines += [
        f"threshold {label}: {limit['value']:.4f}  {limit['rule']}" for label, limit in found["thresholds"].items()
    ]
    for split, report in found["metrics"].items():
        for part in ("findings", "regions"):
            for label, figures in report.get(part, {}).items():
                shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
                lines.append(f"{split} ({report['n']} images), {label}: {shown}")
    lines.append(f"used: {found['predictions']} result(s), {found['shadow_predictions']} as a shadow")
    for event in found["history"]:
        share = "" if event["share"] is None else f" on {event['share']:g} of the jobs"
        lines.append(f"{event['at'][:19]}  {event['kind']}{share}  by {event['actor']}")
    return lines


def _comparison(report: dict[str, Any]) -> list[str]:
    lines = [f"shadow {_line(report['shadow'])}", f"{report['jobs']} job(s) judged"]
    for found in report["against"]:
        lines.append(f"against {found['active']['name']} {found['active']['version']}: {found['n']} job(s)")
        for label, figures in found["findings"].items():
            lines.append(
                f"  {label}: agreement {figures['agreement']:.4f}, κ {_number(figures['kappa'])}, mean |Δp| "
                f"{figures['mean_difference']:.4f}, correlation {_number(figures['correlation'])}"
            )
            for way in ("negative_to_positive", "positive_to_negative"):
                jobs = figures[way]
                more = "" if jobs["count"] <= len(jobs["jobs"]) else " …"
                lines.append(f"    {way.replace('_', ' ')}: {jobs['count']}  {' '.join(jobs['jobs'])}{more}".rstrip())
        latency = found["latency"]
        lines.append(
            f"  per image: {_number(latency['active_ms'])} ms (batches of {_number(latency['active_batch'])}) against "
            f"{_number(latency['shadow_ms'])} ms (alone), ratio {_number(latency['ratio'])}"
        )
    return lines


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:g}"
