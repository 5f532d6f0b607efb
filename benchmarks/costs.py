"""What single things cost: a submit in the API, a poll while the worker is busy, a worker's start and memory."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from uuid import UUID

import psutil

from benchmarks.inputs import raw_dicom
from benchmarks.load import Client, quantile
from benchmarks.platform import Platform
from benchmarks.processes import until
from benchmarks.timing import milliseconds

# 16 bits each: about 1 MB.
SIDE = 724


def submit_cost(platform: Platform, port: int, pid: int, *, count: int) -> dict[str, float]:
    """CPU of the API for a submit of 1 MB, and of a client for a bare put of it, in turns; ms, and their ratio."""
    source = raw_dicom(0, rows=SIDE, columns=SIDE)
    client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
    api = psutil.Process(pid)
    cpu_api, cpu_put, wall = 0.0, 0.0, []
    for turn in range(4):
        for _ in range(10 if turn == 0 else 0):
            client.upload("/v1/jobs", source)
        before = _cpu_s(api)
        wall += [milliseconds(lambda: client.upload("/v1/jobs", source)) for _ in range(count // 4)]
        cpu_api += _cpu_s(api) - before
        started = time.process_time()
        for number in range(count // 4):
            key = f"in/{platform.site}/bare-{turn}-{number}"
            platform.store.put_bytes(key, source.content, content_type="application/dicom")
        cpu_put += time.process_time() - started
    client.close()
    done = count // 4 * 4
    return {
        "api_cpu_ms": round(1000 * cpu_api / done, 2),
        "put_cpu_ms": round(1000 * cpu_put / done, 2),
        "ratio": round(cpu_api / cpu_put, 3),
        "submit_p50_ms": round(statistics.median(wall), 2),
    }


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def polls_while_busy(platform: Platform, port: int, image_ids: Sequence[UUID], *, seconds: float) -> dict[str, float]:
    """Ms of `GET /v1/jobs/{id}`, 50 a second, while the worker drains a backlog."""
    job_ids = platform.add_jobs(image_ids)
    platform.hint()
    client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(milliseconds(lambda: client.get(f"/v1/jobs/{job_ids[len(times) % len(job_ids)]}")))
        time.sleep(max(0.0, 0.02 - times[-1] / 1000))
    busy = platform.unfinished() > 0
    client.close()
    until(lambda: platform.unfinished() == 0, what="the backlog is drained", timeout=300, pause=0.2)
    return {
        "p50_ms": round(statistics.median(times), 2),
        "p99_ms": round(quantile(times, 0.99), 2),
        "polls": len(times),
        "still_busy_at_the_end": busy,
    }


def memory(pids: Sequence[int]) -> dict[str, float]:
    """MB of the largest of the worker's children and of its decoders: resident, and without what processes share."""
    children = [psutil.Process(pid) for pid in pids]
    decoders = [decoder for child in children for decoder in child.children()]
    measured = {}
    for name, processes in (("child", children), ("decoder", decoders)):
        sizes = [process.memory_full_info() for process in processes]
        measured[f"{name}_rss_mb"] = round(max((size.rss for size in sizes), default=0) / 1e6, 1)
        measured[f"{name}_uss_mb"] = round(max((size.uss for size in sizes), default=0) / 1e6, 1)
    return measured
