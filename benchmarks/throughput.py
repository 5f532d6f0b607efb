"""The worker against the ideal worker, and the platform over HTTP against what one would write instead."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from benchmarks.figures import Figure, ratios
from benchmarks.inputs import Source
from benchmarks.load import Exchange, load, plain_exchange, platform_exchange
from benchmarks.platform import Platform
from benchmarks.processes import line_of, running, server, until

# The answer to one naive request takes about a second of both cores.
NAIVE_REQUESTS = 32


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
        command = [sys.executable, "-m", "benchmarks.ideal", str(bundle), str(inputs)]
        started = [
            stack.enter_context(running(command, environment=environment, log=log, talks=True))
            for _ in range(processes)
        ]
        yield Ideal(started)


def worker_to_ideal(
    platform: Platform, bundle: Path, kinds: Mapping[str, Sequence[Source]], *, count: int, rounds: int
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Rounds of ideal and worker in turn; the worker drains a prepared backlog of `count` different objects.

    Of a kind named `…_copy` each object has the reduced copy that intake leaves. The ideal worker decodes the file.
    """
    figures: dict[str, Figure] = {}
    details: dict[str, Any] = {}
    first = 1_000_000
    for kind, sources in kinds.items():
        inputs = platform.folder / kind
        inputs.mkdir()
        for number, source in enumerate(sources):
            (inputs / str(number)).write_bytes(source.content)
        image_ids = platform.add_images(sources, count, first=first, copies=kind.endswith("_copy"))
        first += count
        processes = platform.settings.worker_concurrency
        with ideal(
            bundle, inputs, processes=processes, environment=platform.environment, log=platform.folder / "ideal.log"
        ) as bare:
            drain(platform, image_ids[: 8 * processes])  # the first batches after a start are slower
            theirs, ours = [], []
            phases: dict[str, float] = {}
            for _ in range(rounds):
                theirs.append(bare.rate(count))
                rate, phases = drain(platform, image_ids)
                ours.append(rate)
        figures[f"worker_to_ideal.{kind}"] = ratios(ours, theirs)
        details[kind] = {"jobs": count, "ideal_per_s": theirs, "worker_per_s": ours, "worker_phases_ms": phases}
    return figures, details


def drain(platform: Platform, image_ids: Sequence[UUID], *, hints: int = 0) -> tuple[float, dict[str, float]]:
    """Jobs per second, and phases, of a backlog of one job for each image."""
    job_ids = platform.add_jobs(image_ids)
    platform.hint(hints)
    until(lambda: platform.unfinished() == 0, what="the backlog is drained", timeout=300, pause=0.2)
    return platform.rate(job_ids), platform.phases_ms(job_ids)


class Servers:
    """The platform, the yardstick and what one would write first, all up at once and loaded in turn."""

    def __init__(self, platform: Platform, *, ports: Mapping[str, int]) -> None:
        self._platform = platform
        self._ports = dict(ports)

    def load(self, name: str, sources: Sequence[Source], clients: int, **limits: Any) -> dict[str, Any]:
        """`limits`: `seconds` or `requests`."""
        exchange: Exchange = platform_exchange if name == "platform" else plain_exchange
        headers = {"Authorization": f"Bearer {self._platform.api_key}"} if name == "platform" else None
        return load(self._ports[name], exchange, sources, clients=clients, headers=headers, **limits)


@contextmanager
def servers(
    platform: Platform, api_port: int, bundle: Path, *, inherited: Mapping[str, str], naive: bool
) -> Iterator[Servers]:
    environment = dict(inherited) | {"BENCHMARK_BUNDLE": str(bundle), "TF_CPP_MIN_LOG_LEVEL": "3"}
    one_thread = environment | {"OMP_NUM_THREADS": "1"}
    processes, folder = str(platform.settings.worker_concurrency), platform.folder
    with ExitStack() as stack:
        ports = {"platform": api_port}
        command = ("benchmarks.stateless:app", "--workers", processes)
        started = server(*command, environment=one_thread, log=folder / "stateless.log")
        ports["stateless"] = stack.enter_context(started)[0]
        if naive:
            started = server("benchmarks.naive:app", environment=environment, log=folder / "naive.log")
            ports["naive"] = stack.enter_context(started)[0]
        yield Servers(platform, ports=ports)


def over_http(
    servers: Servers,
    kinds: Mapping[str, Sequence[Source]],
    *,
    clients: Mapping[int, int],
    seconds: float,
    naive: bool,
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Platform and yardstick in turn, the first of them changing; `clients`: rounds by number of clients.

    The figures are of the greatest number of clients, and of all faults together: a lost request makes no ratio better.
    """
    for sources in kinds.values():
        servers.load("stateless", sources, 8, seconds=1)
        servers.load("platform", sources, 8, seconds=2)
    figures: dict[str, Figure] = {}
    details: dict[str, Any] = {}
    faults = 0
    for number, rounds in clients.items():
        for kind, sources in kinds.items():
            runs: dict[str, list[dict[str, Any]]] = {"platform": [], "stateless": []}
            order = list(runs)
            for _ in range(rounds):
                for name in order:
                    runs[name].append(servers.load(name, sources, number, seconds=seconds))
                order.reverse()
            if naive and number == max(clients):
                servers.load("naive", sources, 1, requests=2)
                runs["naive"] = [servers.load("naive", sources, number, requests=NAIVE_REQUESTS)]
            rates = {name: [run["per_second"] for run in many] for name, many in runs.items()}
            details[f"{kind}_{number}"] = runs | {
                "to_stateless": ratios(rates["platform"], rates["stateless"]).as_json()
            }
            faults += sum(sum(run["errors"].values()) + run["accepted_only"] for many in runs.values() for run in many)
            if number == max(clients):
                figures[f"platform_to_stateless.{kind}"] = ratios(rates["platform"], rates["stateless"])
    return figures | {"http_faults": Figure((float(faults),))}, details
