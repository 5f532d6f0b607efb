"""What a training run shows while it runs: lines, and on a terminal a live bar of the epoch below them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """A finished batch: `done` of `steps` in epoch `epoch` of `epochs`. `score` is the last epoch's on validation.

    `images_per_second` is of the training step with all that it waits for, `input_per_second` of the making of batches
    alone: where the two are close, the input is what takes the time.
    """

    phase: str
    epoch: int
    epochs: int
    done: int
    steps: int
    loss: float
    images_per_second: float
    input_per_second: float
    score: float | None


class Display(Protocol):
    """Where a run reports to."""

    def line(self, text: str) -> None:
        """A line that stays."""
        ...

    def step(self, step: Step) -> None:
        """A batch was trained on."""
        ...


class Lines:
    """Lines only: for a log, a pipe, a test. `write` takes one."""

    def __init__(self, write: Report) -> None:
        self._write = write

    def line(self, text: str) -> None:
        self._write(text)

    def step(self, step: Step) -> None:
        """Batches leave no line."""


@contextmanager
def on_terminal() -> Iterator[Display]:
    """On stderr: the live display where that is a terminal, else lines with the time before each."""
    if sys.stderr.isatty():
        with Live(Console(stderr=True)) as live:
            yield live
    else:
        yield Lines(lambda text: print(_timed(text), file=sys.stderr, flush=True))  # noqa: T201 - the display's own place


def _timed(text: str) -> str:
    return f"{time.strftime('%H:%M:%S')} {text}"


class Live:
    """A bar for the epoch that runs, with its rates, loss, score and remaining time; lines scroll above it."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._task: TaskID | None = None
        self._shown = ("", 0)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def line(self, text: str) -> None:
        self._progress.console.print(_timed(text), markup=False, highlight=False)

    def step(self, step: Step) -> None:
        if self._task is None or self._shown != (step.phase, step.epoch):
            if self._task is not None:
                self._progress.remove_task(self._task)
            description = f"{step.phase} {step.epoch}/{step.epochs}"
            self._task = self._progress.add_task(description, total=step.steps, figures="")
            self._shown = (step.phase, step.epoch)
        self._progress.update(self._task, completed=step.done, figures=figures_of(step))


def figures_of(step: Step) -> str:
    """The figures beside the bar."""
    score = "" if step.score is None else f" · val {step.score:.4f}"
    rates = f"{step.images_per_second:.0f} images/s (input {step.input_per_second:.0f} images/s)"
    return f"loss {step.loss:.4f}{score} · {rates}"
