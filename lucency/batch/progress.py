"""What people see of `lucency batch` while it runs: bars on stderr where that is a terminal, single lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import stamina.instrumentation
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# How often a server that is away is mentioned, in s.
OUTAGE_EVERY = 30.0


class RateColumn(ProgressColumn):
    """Files a second over the last half minute, and MB a second where bytes are counted too."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        parts = [] if speed is None else [f"{speed:.1f} files/s"]
        if task.fields.get("bytes") and task.elapsed:
            parts.append(f"{task.fields['bytes'] / 1e6 / task.elapsed:.1f} MB/s")
        return Text(", ".join(parts), style="progress.data.speed")


@dataclass
class Phase:
    """One bar; its methods may be called from any thread."""

    progress: Progress
    task: TaskID
    done: int = 0
    bytes: int = 0

    def advance(self, *, size: int = 0) -> None:
        """One file more, of `size` bytes."""
        self.done += 1
        self.bytes += size
        self.progress.update(self.task, completed=self.done, bytes=self.bytes)

    def expect(self, more: int) -> None:
        """So many are still to come."""
        self.progress.update(self.task, total=self.done + more)

    def reach(self, done: int, *, total: int) -> None:
        """The state as another party counts it."""
        self.progress.update(self.task, completed=done, total=total)


class Bars:
    """The bars of a run, and what it has to say beside them. Rich honours NO_COLOR."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), RateColumn(),
            TextColumn("ETA"), TimeRemainingColumn(elapsed_when_finished=True),
        )  # fmt: skip
        disabled = not self.console.is_terminal
        self._progress = Progress(*columns, console=self.console, disable=disabled, speed_estimate_period=30.0)
        self._guard = threading.Lock()
        self._told_outage = float("-inf")

    @contextmanager
    def running(self) -> Iterator[None]:
        """Bars move inside; a server that is away is mentioned instead of logged."""
        before = stamina.instrumentation.get_on_retry_hooks()
        stamina.instrumentation.set_on_retry_hooks([self._retrying])
        try:
            with self._progress:
                yield
        finally:
            stamina.instrumentation.set_on_retry_hooks(before)

    @contextmanager
    def phase(self, name: str, *, total: int | None) -> Iterator[Phase]:
        """A bar that stays as long as the block; `total` None where it is not known yet."""
        task = self._progress.add_task(name, total=total, bytes=0)
        try:
            yield Phase(self._progress, task)
        finally:
            self._progress.remove_task(task)

    def say(self, text: str, *, style: str | None = None) -> None:
        self.console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    def _retrying(self, details: stamina.instrumentation.RetryDetails) -> None:
        now = time.monotonic()
        with self._guard:
            if now - self._told_outage < OUTAGE_EVERY:
                return
            self._told_outage = now
        self.say(f"{details.caused_by} Trying again.", style="yellow")
