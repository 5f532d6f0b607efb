"""The worker beside a simulated device: whether more workers do more, and what one core feeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.figures import Figure, figure
from benchmarks.inputs import Source
from benchmarks.meters import CpuMeter, servers_of_this_process
from benchmarks.platform import Platform
from benchmarks.throughput import drain

# Two cores do not limit four workers: each works 80 ms on an image of which its own share is some 15.
IMAGE_MS = 80
WORKERS = (1, 2, 4)
APPLICATION = "benchmarks.simulated"


def scaling(platform: Platform, sources: Sequence[Source], *, rounds: int, each: int) -> dict[str, Figure]:
    """Jobs per second of 2 and of 4 workers ÷ as many times those of one; `each` jobs a worker."""
    images = platform.add_images(sources, 32, first=3_000_000)
    rates: dict[int, list[float]] = {count: [] for count in WORKERS}
    for _ in range(rounds):
        for count in WORKERS:
            with platform.worker(application=APPLICATION, children=count, extra={"BENCHMARK_IMAGE_MS": str(IMAGE_MS)}):
                jobs = [images[number % len(images)] for number in range(each * count)]
                rates[count].append(drain(platform, jobs, hints=count)[0])
    one = rates[1]
    return {
        f"workers.{count}": figure(rate / (count * alone) for rate, alone in zip(rates[count], one, strict=True))
        for count in WORKERS[1:]
    }


def feeding(platform: Platform, kinds: Mapping[str, Sequence[Source]], *, rounds: int, count: int) -> dict[str, Any]:
    """What feeding a device costs, ms of CPU a job by process, where the device itself takes no time."""
    found: dict[str, Any] = {}
    with platform.worker(application=APPLICATION) as worker:
        meter = CpuMeter(servers_of_this_process() | {"worker": worker.pid}, apart={"decoder": "imaging.sandbox.child"})
        first = 4_000_000
        for name, sources in kinds.items():
            images = platform.add_images(sources, count, first=first, copies=name.endswith("_copy"))
            first += count
            drain(platform, images[: count // 2])
            spent: list[dict[str, float]] = []
            rates = []
            for _ in range(rounds):
                meter.start()
                rates.append(drain(platform, images)[0])
                spent.append({part: 1000 * seconds / count for part, seconds in meter.seconds().items()})
            found[name] = {
                "cpu_ms": {part: figure(one[part] for one in spent).as_json() for part in spent[0]},
                "per_second": figure(rates).as_json(),
            }
    return found
