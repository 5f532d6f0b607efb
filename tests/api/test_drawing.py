"""What draws has threads of its own, and few of them."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar

import anyio
import pytest

from api.drawing import Drawing

_asked: ContextVar[str] = ContextVar("asked")


def test_all_drawing_is_done_in_few_threads() -> None:
    """OpenCV keeps a font for each thread that ever drew: 13 of them held 90 MB."""

    async def many() -> set[str]:
        drawing = Drawing(threads=2)
        names = await asyncio.gather(*(drawing.run(_named, 0.01) for _ in range(20)))
        drawing.close()
        return set(names)

    assert len(asyncio.run(many())) == 2


def _named(seconds: float) -> str:
    time.sleep(seconds)
    return threading.current_thread().name


def test_the_context_is_the_caller_s_and_errors_are_told() -> None:
    async def run() -> None:
        drawing = Drawing(threads=1)
        _asked.set("this one")
        assert await drawing.run(_asked.get) == "this one"
        with pytest.raises(ZeroDivisionError):
            await drawing.run(divmod, 1, 0)
        drawing.close()

    asyncio.run(run())


def test_who_gave_up_waits_for_what_has_begun_but_not_for_a_thread() -> None:
    async def run() -> tuple[float, list[str]]:
        drawing, done = Drawing(threads=1), []

        def work(name: str) -> None:
            time.sleep(0.3)
            done.append(name)

        async def give_up(name: str) -> None:
            with anyio.move_on_after(0.1):
                await drawing.run(work, name)

        started = time.monotonic()
        await asyncio.gather(give_up("begun"), give_up("waiting"))
        took = time.monotonic() - started
        drawing.close()
        return took, done

    took, done = asyncio.run(run())
    assert done == ["begun"]
    assert took >= 0.3
