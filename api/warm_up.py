"""What the first requests would wait for, done before the process listens: statements compiled, fonts unpacked."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from uuid import UUID

import anyio
import anyio.to_thread
import numpy as np

from api.backends import Backends
from core.errors import NotFound, Unauthorized
from core.logs import logger
from db.repositories import jobs, model_versions, results, sites, workers
from reports.heatmap import encode_heatmap, encode_preview
from reports.overlay import draw_overlay

log = logger(__name__)

# A database that is away keeps no process from starting.
PATIENCE_S = 5.0
NOBODY = UUID(int=0)
NO_KEY = "lcy_aaaaaaaaaaaa.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"


async def warm_up(backends: Backends) -> None:
    """Never fails, and takes PATIENCE_S at most."""
    with anyio.move_on_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(partial(anyio.to_thread.run_sync, _compile, backends, abandon_on_cancel=True))
            for _ in range(backends.drawing.threads):
                group.start_soon(backends.drawing.run, _draw)


def _compile(backends: Backends) -> None:
    """What an exchange asks the database, of a Site that is none."""
    try:
        with backends.database.unit_of_work() as session:
            with suppress(Unauthorized):
                sites.authenticate(session, NO_KEY)
            with suppress(NotFound):
                jobs.get(session, site_id=NOBODY, job_id=NOBODY)
            with suppress(NotFound):
                jobs.result(session, site_id=NOBODY, job_id=NOBODY)
            with suppress(NotFound):
                results.explanation(session, site_id=NOBODY, job_id=NOBODY, label="")
            workers.alive(session, within_s=1.0, working=True)
            model_versions.active(session)
    except Exception as error:  # noqa: BLE001 - the first requests are slower, and say themselves what is wrong
        log.warning("not_warmed_up", error=type(error).__name__)


def _draw() -> None:
    draw_overlay(
        encode_preview(np.zeros((64, 64), np.uint8)),
        encode_heatmap(np.zeros((2, 2), np.float32)),
        window=(0.0, 0.0, 1.0, 1.0),
        caption="0 %",
    )
