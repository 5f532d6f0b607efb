"""The worker against the ideal worker, and the platform over HTTP against what one would write instead."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.inputs import Source
from benchmarks.load import Exchange, load, plain_exchange, platform_exchange
from benchmarks.platform import Platform
from benchmarks.processes import line_of, running, server, until

# The answer to one naive request takes about a second of both cores: so many are enough, for each number of clients.
NAIVE_REQUESTS = {1: 5, 8: 16, 32: 32}


class Ideal:
    """Bare loops, one process a core, warm and waiting."""

    def __init__(self, processes: Sequence[subprocess.Popen[bytes]]) -> None:
        self._processes = processes
        for process in processes:
            line_of(process.stdout)

    def rate(self, count: int) -> float:
        """Images per second of all together, for `count` images in all."""
        each = count // len(self._processes)
        for process in self._processes:
            if process.stdin is not None:
                process.stdin.write(f"{each}\n".encode())
                process.stdin.flush()
        return each * len(self._processes) / max(float(line_of(process.stdout)) for process in self._processes)


@contextmanager
def ideal(bundle: Path, inputs: Path, *, processes: int, environment: Mapping[str, str], log: Path) -> Iterator[Ideal]:
    with ExitStack() as stack:
        command = ["-m", "benchmarks.ideal", str(bundle), str(inputs)]
        started = [
            stack.enter_context(running(command, environment=environment, log=log, talks=True))
            for _ in range(processes)
        ]
        yield Ideal(started)


def worker_to_ideal(
    platform: Platform, bundle: Path, kinds: Mapping[str, Sequence[Source]], *, count: int, rounds: int
) -> dict[str, Any]:
    """Rounds of ideal, worker, ideal, worker …; the worker drains a prepared backlog of `count` different objects."""
    measured: dict[str, Any] = {}
    first = 1_000_000
    for kind, sources in kinds.items():
        inputs = platform.folder / kind
        inputs.mkdir()
        for number, source in enumerate(sources):
            (inputs / str(number)).write_bytes(source.content)
        image_ids = platform.add_images(sources, count, first=first)
        first += count
        processes = platform.settings.worker_concurrency
        with ideal(
            bundle, inputs, processes=processes, environment=platform.environment, log=platform.folder / "ideal.log"
        ) as bare:
            drain(platform, image_ids[: 8 * processes])  # the first batches after a start are slower
            pairs: list[tuple[float, float]] = []
            phases: dict[str, float] = {}
            for _ in range(rounds):
                ours = bare.rate(count)
                rate, phases = drain(platform, image_ids)
                pairs.append((ours, rate))
        measured[kind] = {
            "jobs": count,
            "ideal_per_s": [round(one, 2) for one, _ in pairs],
            "worker_per_s": [round(two, 2) for _, two in pairs],
            "ratio": round(statistics.median(two / one for one, two in pairs), 4),
            "worker_phases_ms": phases,
        }
    return measured


def drain(platform: Platform, image_ids: Sequence[UUID]) -> tuple[float, dict[str, float]]:
    """Jobs per second, and phases, of a backlog of one job for each image."""
    job_ids = platform.add_jobs(image_ids)
    platform.hint()
    until(lambda: platform.unfinished() == 0, what="the backlog is drained", timeout=300, pause=0.2)
    return platform.rate(job_ids), platform.phases_ms(job_ids)


def over_http(
    platform: Platform,
    api_port: int,
    bundle: Path,
    kinds: Mapping[str, Sequence[Source]],
    *,
    inherited: Mapping[str, str],
    clients: Sequence[int],
    seconds: float,
    naive_requests: int = 32,
) -> dict[str, Any]:
    """Every server up at once, loaded in turn: platform, yardstick, naive, yardstick, platform."""
    environment = dict(inherited) | {"BENCHMARK_BUNDLE": str(bundle), "TF_CPP_MIN_LOG_LEVEL": "3"}
    one_thread = environment | {"OMP_NUM_THREADS": "1"}
    processes = str(platform.settings.worker_concurrency)
    folder, headers = platform.folder, {"Authorization": f"Bearer {platform.api_key}"}
    measured: dict[str, Any] = {}
    with (
        server("benchmarks.naive:app", environment=environment, log=folder / "naive.log") as (naive_port, _),
        server(
            *("benchmarks.stateless:app", "--workers", processes),
            environment=one_thread,
            log=folder / "stateless.log",
        ) as (stateless_port, _),
    ):

        def timed(port: int, exchange: Exchange, sources: Sequence[Source], number: int) -> dict[str, Any]:
            return load(port, exchange, sources, clients=number, seconds=seconds / 2, headers=headers)

        for sources in kinds.values():
            load(naive_port, plain_exchange, sources, clients=1, requests=2)
            load(stateless_port, plain_exchange, sources, clients=8, seconds=1)
            load(api_port, platform_exchange, sources, clients=8, seconds=2, headers=headers)
        for number in clients:
            for kind, sources in kinds.items():
                ours = [timed(api_port, platform_exchange, sources, number)]
                yardstick = [timed(stateless_port, plain_exchange, sources, number)]
                requests = min(naive_requests, NAIVE_REQUESTS[number])
                naive = load(naive_port, plain_exchange, sources, clients=number, requests=requests)
                yardstick.append(timed(stateless_port, plain_exchange, sources, number))
                ours.append(timed(api_port, platform_exchange, sources, number))
                measured[f"{kind}_{number}"] = compared(ours, yardstick, naive)
    return measured


def compared(
    ours: Sequence[dict[str, Any]], yardstick: Sequence[dict[str, Any]], naive: dict[str, Any]
) -> dict[str, Any]:
    """The runs of one kind and number of clients, and their ratios."""
    rate = statistics.mean(run["per_second"] for run in ours)
    stateless = statistics.mean(run["per_second"] for run in yardstick)
    return {
        "platform": list(ours),
        "stateless": list(yardstick),
        "naive": naive,
        "to_naive": round(rate / naive["per_second"], 3) if naive["per_second"] else None,
        "to_stateless": round(rate / stateless, 3) if stateless else None,
    }
