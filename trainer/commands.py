"""`lucency train`, `lucency evaluate`. Heavy imports stay inside: `lucency --help` is quick."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from core.settings import load_settings
from core.vocabulary import EngineName
from trainer.model_commands import models

__all__ = ["evaluate", "models", "train"]  # what the entry points name

PARTIAL = 3
# So many unreadable files are named on the terminal; the JSON report names all.
NAMED = 10
FIGURES = ("auc", "average_precision", "sensitivity", "specificity", "accuracy")
RECIPES = Path(__file__).parent / "recipes"


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe's YAML file, or the name of one that is shipped.")],
    data: Annotated[Path | None, typer.Option(help="The data set's folder; default: below the data setting.")] = None,
    weights: Annotated[Path | None, typer.Option(help="A saved Keras backbone to start from.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/<recipe>.")] = None,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop training after this many minutes.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in the folder stopped.")] = False,
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a value: phases.1.epochs=3.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Train a recipe, and write its Bundle to <out>/bundle, also when time ran out: of the best epoch so far."""
    from trainer.recipe import load_recipe

    loaded = load_recipe(_recipe_file(recipe), overrides=tuple(change or ()))  # before TensorFlow takes its seconds
    from networks.engines.keras import set_threads
    from trainer.shipping import ship
    from trainer.train import train as run_training

    settings = load_settings()
    folder = out or Path("runs") / loaded.name
    data = data or settings.data / loaded.data.folder
    if weights is None and loaded.weights is not None:
        weights = settings.data / loaded.weights
    set_threads(threads)
    classifier, state, validation = run_training(
        loaded,
        data=data,
        folder=folder,
        weights=weights,
        resume=resume,
        max_minutes=max_minutes,
        report=_report,
    )
    _report("calibrating, exporting, measuring")
    bundle = ship(loaded, classifier, state, validation, data=data, folder=folder / "bundle")
    typer.echo(str(bundle.path))


def evaluate(
    bundle: Annotated[Path, typer.Option(help="The Bundle's folder.")],
    images: Annotated[Path, typer.Option(help="The folder that relative paths of the CSV start from.")],
    split: Annotated[Path, typer.Option(help="A CSV with the columns path, fractured, region.")],
    split_name: Annotated[str | None, typer.Option(help="Only the rows whose column `split` says so.")] = None,
    engine: Annotated[EngineName, typer.Option(help="The inference engine.")] = EngineName.ONNXRUNTIME,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
) -> None:
    """Measure a Bundle on labelled images. Exit status 3 where some of the files could not be read."""
    from networks.bundle import Bundle
    from networks.engines import make_engine
    from trainer import evaluation
    from trainer.datasets import of_split, read_csv

    loaded = Bundle.load(bundle)
    records = read_csv(split, images=images, required=evaluation.required_columns(loaded))
    if split_name is not None:
        records = of_split(records, split_name)
    runner = make_engine(engine, loaded, threads=threads)
    report = evaluation.evaluate(loaded, runner, records)
    typer.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else _readable(report))
    if report["unreadable"]["count"]:
        typer.echo(f"{report['unreadable']['count']} of {len(records)} files could not be read:", err=True)
        for file in report["unreadable"]["files"][:NAMED]:
            typer.echo(f"  {file['path']}: {file['code']}", err=True)
        raise typer.Exit(PARTIAL)


def _recipe_file(recipe: str) -> Path:
    shipped = RECIPES / f"{recipe}.yaml"
    return shipped if recipe.isidentifier() and shipped.exists() else Path(recipe)


def _report(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)


def _readable(report: dict[str, Any]) -> str:
    lines = [f"{report['n']} images, {report['engine']}"]
    for label, figures in report["findings"].items():
        lines += [f"{label} {name}: {_figure(figures, name)}" for name in FIGURES]
        lines.append(f"{label} confusion matrix at {figures['threshold']}: {figures['confusion_matrix']}")
    for name, figures in report["regions"].items():
        lines.append(f"{name} accuracy: {_figure(figures, 'accuracy')}")
    notes = [f"note: {name}: {note}" for name, figures in _parts(report) for note in figures["notes"]]
    return "\n".join(lines + notes)


def _parts(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [*report["findings"].items(), *report["regions"].items()]


def _figure(figures: dict[str, Any], name: str) -> str:
    value, interval = figures[name], figures[f"{name}_ci95"]
    if value is None:
        return "undefined"
    return f"{value:.4f}" + (f"  95 % {interval[0]:.4f}–{interval[1]:.4f}" if interval else "")
