"""The worker's application with an engine that obeys marked images: for `celery -A tests.worker.inference.marked_app`.

An image of one single grey value is a mark. POISON kills the process, as a fault in native code would, unless
the file `cured` exists; HOLD says in a file that it is inside `run` and stays there while the file `hold` exists.
Everything else runs as in production.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
from celery import signals

from networks.engines import EngineOutput
from tests.data import encoded

POISON, HOLD = 200, 100
MARKS = "marks"


def marked(value: int, *, rows: int = 160) -> bytes:
    """A PNG of one grey value; another number of `rows` makes another file."""
    return encoded(np.full((rows, 120), value, np.uint8))


class Marks:
    """The folder through which a test and the engine speak."""

    def __init__(self, home: Path) -> None:
        self.folder = home / MARKS
        self.folder.mkdir(parents=True, exist_ok=True)

    def hold(self) -> None:
        """From now on an image marked HOLD stays inside the engine."""
        (self.folder / "hold").touch()

    def let_go(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)

    def cure(self) -> None:
        """From now on an image marked POISON is an image."""
        (self.folder / "cured").touch()

    def fall_ill(self) -> None:
        """Take `cure` back."""
        (self.folder / "cured").unlink(missing_ok=True)

    @property
    def cured(self) -> bool:
        return (self.folder / "cured").exists()

    @property
    def holding(self) -> bool:
        return (self.folder / "hold").exists()

    def inside(self) -> list[int]:
        """The processes that said they are inside `run` with an image marked HOLD."""
        return [int(path.name) for path in self.folder.iterdir() if path.name.isdecimal()]

    def looked_ahead(self, process: int) -> Path:
        """There while the process runs a batch, has looked for more and found none: it claims nothing until then."""
        return self.folder / f"looked-{process}"


class MarkedEngine:
    """The real engine behind the marks."""

    def __init__(self, engine: Any, marks: Marks) -> None:
        self._engine = engine
        self._marks = marks
        self.name, self.version, self.pass_size = engine.name, engine.version, engine.pass_size

    def warm_up(self, batch_sizes: Any) -> None:
        self._engine.warm_up(batch_sizes)

    def run(self, batch: np.ndarray) -> EngineOutput:
        for row in batch:
            if has_mark(row, POISON) and not self._marks.cured:
                os.kill(os.getpid(), signal.SIGKILL)
            if has_mark(row, HOLD) and self._marks.holding:
                inside = self._marks.folder / str(os.getpid())
                inside.touch()
                while self._marks.holding:
                    time.sleep(0.02)
                inside.unlink(missing_ok=True)
        return self._engine.run(batch)


def has_mark(row: np.ndarray, value: int) -> bool:
    """Whether a tensor is an image of that one value; the letterbox's border is black."""
    inner = row[row > 0]
    return bool(inner.size) and int(inner.min()) == int(inner.max()) == value


@signals.worker_process_init.connect
def _wrap_engine(**_: Any) -> None:
    from worker.app import settings
    from worker.inference import models, pipeline

    real = models.make_engine
    marks = Marks(settings.home)
    models.make_engine = lambda *args, **kwargs: MarkedEngine(real(*args, **kwargs), marks)
    load, looked = pipeline.Pipeline._load, marks.looked_ahead(os.getpid())

    def _load(self: pipeline.Pipeline, *, suspects: bool) -> pipeline.Loaded | None:
        if suspects:
            looked.unlink(missing_ok=True)
        found = load(self, suspects=suspects)
        if found is None and not suspects:
            looked.touch()
        return found

    pipeline.Pipeline._load = _load  # type: ignore[method-assign]


# Imported last: its own handler of the same signal makes the engine, and handlers run in the order of connecting.
from worker.app import celery  # noqa: E402, F401
