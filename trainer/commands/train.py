"""`lucency train`, `lucency evaluate`. Heavy imports stay inside: `lucency --help` is quick."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer

from core.settings import load_settings
from core.vocabulary import EngineName
from trainer.commands.models import models

__all__ = ["evaluate", "models", "train"]  # what the entry points name

PARTIAL = 3
# So many unreadable files are named on the terminal; the JSON report names all.
NAMED = 10
RECIPES = Path(__file__).parents[1] / "recipes"
OWN = "For recipes that have it (bonecnn); others: --set."


def train(  # noqa: PLR0913, PLR0917 - the options of a command
    recipe: Annotated[str, typer.Argument(help="A recipe's YAML file, or the name of one that is shipped.")] = "",
    data: Annotated[
        Path | None,
        typer.Option(help="The data set's folder (of several, the one that holds them); default: the data setting."),
    ] = None,
    layout: Annotated[str | None, typer.Option(help="How the folder is laid out; recognised by itself.")] = None,
    split: Annotated[Path | None, typer.Option(help="A CSV with another split (lucency data audit).")] = None,
    weights: Annotated[
        str | None, typer.Option(help="The backbone to start from: a Keras file, imagenet (downloaded) or random.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder; default: runs/<recipe>.")] = None,
    max_minutes: Annotated[float | None, typer.Option(min=0, help="Stop training after this many minutes.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in the folder stopped.")] = False,
    change: Annotated[list[str] | None, typer.Option("--set", help="Change a value: phases.1.epochs=3.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    list_recipes: Annotated[bool, typer.Option("--list", help="Show the shipped recipes.")] = False,
    epochs: Annotated[int | None, typer.Option(min=1, help=OWN)] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help=OWN)] = None,
    learning_rate: Annotated[float | None, typer.Option(help=OWN)] = None,
    model: Annotated[str | None, typer.Option(help=OWN)] = None,
    image_size: Annotated[int | None, typer.Option(help=OWN)] = None,
) -> None:
    """Train a recipe, and write its Bundle to <out>/bundle, also when time ran out: of the best epoch so far."""
    from trainer.recipes.recipe import load_recipe

    if list_recipes:
        typer.echo(_recipes())
        return
    if not recipe:
        raise typer.BadParameter("name a recipe, or see --list", param_hint="RECIPE")
    own = {
        "epochs": epochs,
        "batch-size": batch_size,
        "learning-rate": learning_rate,
        "model": model,
        "image-size": image_size,
    }
    loaded = load_recipe(  # before TensorFlow takes its seconds
        _recipe_file(recipe),
        options={name: value for name, value in own.items() if value is not None},
        overrides=tuple(change or ()),
    )
    if layout is not None or split is not None:
        loaded = loaded.with_source(layout=layout, split=None if split is None else _split(split))
    import keras

    from trainer.shipping.run import run_recipe
    from trainer.training.progress import on_terminal

    settings = load_settings()
    if keras.backend.backend() == "tensorflow":
        from networks.engines.keras import set_threads

        set_threads(threads)
    single = len(loaded.data.sources) == 1
    with on_terminal() as display:
        bundle = run_recipe(
            loaded,
            data=data or (settings.data / loaded.data.sources[0].folder if single else settings.data),
            folder=out or Path("runs") / loaded.name,
            weights=_weights(weights or loaded.weights, given=weights is not None, base=settings.data),
            resume=resume,
            max_minutes=max_minutes,
            display=display,
        )
    if bundle is not None:
        typer.echo(str(bundle.path))


def _split(split: Path) -> str:
    """A file that is there by its whole path; else as it was said: in the data set's folder, or one that is shipped."""
    return str(split.resolve() if split.exists() else split)


def _weights(weights: str | None, *, given: bool, base: Path) -> Path | str | None:
    """A file's path (of a recipe's from the data setting), or the word for other weights."""
    if weights is None or weights in {"imagenet", "random"}:
        return weights
    return Path(weights) if given else base / weights


def _recipes() -> str:
    """A line for each shipped recipe: its name and the first line of its file."""
    files = sorted(RECIPES.glob("*.yaml"))
    width = max(len(file.stem) for file in files)
    return "\n".join(
        f"{file.stem:<{width}}  {file.read_text(encoding='utf-8').splitlines()[0].removeprefix('# ')}" for file in files
    )


def evaluate(  # noqa: PLR0913, PLR0917 - a flag each
    bundle: Annotated[Path | None, typer.Argument(help="The Bundle's folder.")] = None,
    images: Annotated[Path | None, typer.Option("--images", "--data", help="The data set's folder.")] = None,
    split: Annotated[
        Path | None, typer.Option(help="A CSV with a column path and labels; or one with a split.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="The folder's layout; default: found out.")] = None,
    split_name: Annotated[str | None, typer.Option(help="Only the records of this split.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write report, predictions, curves and the page here.")] = None,
    run: Annotated[Path | None, typer.Option(help="The training run's folder: its curves are shown.")] = None,
    cache: Annotated[Path | None, typer.Option(help="Keep decoded images here for the next time.")] = None,
    engine: Annotated[EngineName, typer.Option(help="The inference engine.")] = EngineName.ONNXRUNTIME,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON on stdout.")] = False,
    named_bundle: Annotated[Path | None, typer.Option("--bundle", help="The same as the argument.")] = None,
) -> None:
    """Measure a Bundle on labelled images. Exit status 3 where some of the files could not be read."""
    from trainer.evaluation.command import Request, measure
    from trainer.evaluation.terminal import readable

    folder, data = named_bundle or bundle, images or (split.parent if split is not None else None)
    if folder is None or data is None:
        raise typer.BadParameter("name a Bundle, and the images' folder with --images or --data")
    request = Request(data=data, split_csv=split, layout=layout, split=split_name, out=out, run=run, cache=cache)
    report, page = measure(folder, request, engine=engine, threads=threads, say=_report)
    typer.echo(json.dumps(report, indent=2, ensure_ascii=False) if as_json else readable(report))
    if page is not None:
        typer.echo(str(page), err=as_json)
    if report["unreadable"]["count"]:
        typer.echo(f"{report['unreadable']['count']} files could not be read:", err=True)
        for file in report["unreadable"]["files"][:NAMED]:
            typer.echo(f"  {file['path']}: {file['code']}", err=True)
        raise typer.Exit(PARTIAL)


def _recipe_file(recipe: str) -> Path:
    shipped = RECIPES / f"{recipe}.yaml"
    return shipped if recipe.isidentifier() and shipped.exists() else Path(recipe)


def _report(line: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {line}", err=True)
