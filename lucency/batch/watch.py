"""`lucency batch --watch`: files that appear below the folder go into batches of their own until Ctrl-C.

The operating system's events only say when to look; what is new is told by looking. A file is taken when its size and
time of change have stood still for a while: a half-copied one is left alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import watchfiles

from core.errors import LucencyError
from lucency.batch.files import Found, Stamp
from lucency.batch.run import Run
from lucency.client import try_again

# Where events do not come (network drives), the folder is looked at this often, in s.
LOOK_EVERY = 5.0
# How often finished results are looked for meanwhile, in s.
IDLE_EVERY = 10.0


@dataclass
class Watch:
    """What was seen, and since when it looks as it does. `settle`: how long a file stands still before it is taken.
    `idle` is called now and then while nothing comes.
    """

    run: Run
    settle: float = 2.0
    idle: Callable[[], None] | None = None
    next_idle: float = 0.0
    seen: dict[str, tuple[Stamp, float]] = field(default_factory=dict)
    taken: dict[str, Stamp] = field(default_factory=dict)
    stop: threading.Event = field(default_factory=threading.Event)

    def until_interrupted(self) -> None:
        """Returns after Ctrl-C, or when `stop` is set. A batch that is being sent then is left as it is."""
        try:
            self._look()
            for _ in watchfiles.watch(
                self.run.order.folder,
                watch_filter=None,
                stop_event=self.stop,
                debounce=500,
                rust_timeout=int(min(self.settle, LOOK_EVERY) * 1000),
                yield_on_timeout=True,
                raise_interrupt=True,
                recursive=self.run.order.recursive,
                ignore_permission_denied=True,
            ):
                self._look()
        except KeyboardInterrupt:
            self.stop.set()

    def _look(self) -> None:
        now = time.monotonic()
        settled = self._settled(self.run.listing(), now=now)
        try:
            self.run.finish_earlier()  # what a look before this one could not send to its end
            if settled:
                self.run.take(settled, losing=False)
            elif self.idle is not None and now >= self.next_idle:
                self.idle()
                self.next_idle = time.monotonic() + IDLE_EVERY
        except LucencyError as error:
            if not try_again(error):
                raise
            self.run.bars.say(f"{error.detail} What is not sent stays in the journal.", style="yellow")
            return
        self.taken |= {one.path: one.stamp for one in settled}

    def _settled(self, found: Iterable[Found], *, now: float) -> list[Found]:
        """Those that stood still long enough and were not taken as they are."""
        settled, present = [], {}
        for one in found:
            if self.taken.get(one.path) == one.stamp:
                continue
            stamp, since = self.seen.get(one.path, (None, now))
            present[one.path] = one.stamp, since if stamp == one.stamp else now
            if now - present[one.path][1] >= self.settle:
                settled.append(one)
        self.seen = present
        return settled
