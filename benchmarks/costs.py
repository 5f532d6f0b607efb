"""What single things cost: a submit, a poll while the worker is busy, a worker's start and memory."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

import psutil

from benchmarks import counted
from benchmarks.figures import Figure, figure
from benchmarks.inputs import Source, jpeg, raw_dicom
from benchmarks.load import Client, quantile
from benchmarks.meters import CpuMeter, servers_of_this_process, written
from benchmarks.platform import Platform
from benchmarks.processes import server, until
from benchmarks.timing import milliseconds

# 16 bits each: about 1 MB.
SIDE = 724
POLLS_PER_S = 100


def submit_to_put(
    platform: Platform, port: int, api: int, *, rounds: int, count: int
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """CPU of a submit of 1 MB, and of a bare put of the same bytes, in turns: of all processes but the submit's sender.

    No worker runs. The put's client is this process, and its part counts: what a submit costs is the API's put too.
    """
    source = raw_dicom(0, rows=SIDE, columns=SIDE)
    client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
    meter = CpuMeter(servers_of_this_process() | {"api": api}, apart={"decoder": "imaging.sandbox.child"})
    for _ in range(10):
        client.upload("/v1/jobs", source)
    submits: list[dict[str, float]] = []
    puts: list[float] = []
    for number in range(rounds):
        meter.start()
        for _ in range(count):
            client.upload("/v1/jobs", source)
        submits.append({name: 1000 * seconds / count for name, seconds in meter.seconds().items()})
        data = [b"".join(source.variant(10_000_000 + number * count + turn)) for turn in range(count)]
        meter.start()
        own = time.process_time()
        for turn, content in enumerate(data):
            platform.store.put_bytes(f"bare/{number}-{turn}", content, content_type="application/dicom")
        own = time.process_time() - own
        puts.append(1000 * (own + meter.seconds()["store"]) / count)
    client.close()
    ratio = figure(sum(submit.values()) / put for submit, put in zip(submits, puts, strict=True))
    parts = {name: figure(submit[name] for submit in submits).as_json() for name in submits[0]}
    return {"submit_to_put": ratio}, {"submit_cpu_ms": parts, "put_cpu_ms": figure(puts).as_json()}


def transactions(platform: Platform, *, count: int) -> tuple[dict[str, Figure], dict[str, Any]]:
    """What a submit sends to the database, and the transactions that write of a job that is alone on the platform."""
    with (
        server(
            "benchmarks.counted:create_app",
            "--factory",
            environment=platform.environment,
            log=platform.folder / "counted.log",
        ) as (port, _),
    ):
        client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
        source, sent, wrote = jpeg(0), [], []
        for _ in range(2):  # the key, the Site's rules and the counts are known for seconds
            client.upload("/v1/jobs", source)
        for _ in range(count):
            client.get(counted.PATH)
            client.upload("/v1/jobs", source)
            sent.append(json.loads(client.get(counted.PATH)))
        client.close()
    with (
        platform.worker(),
        server(
            "api.app:create_app", "--factory", environment=platform.environment, log=platform.folder / "alone.log"
        ) as (port, _),
    ):
        client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
        until(lambda: platform.unfinished() == 0, what="what was submitted is done")
        for _ in range(count):
            first = written(platform.database)
            _, body = client.upload("/v1/jobs", source, headers={"Prefer": "wait=30"})
            wrote.append(written(platform.database) - first - 1)
            if json.loads(body)["state"] != "succeeded":
                raise RuntimeError(f"a job did not succeed: {body!r}")
        client.close()
    commits = figure(sum(statement == "COMMIT" for statement in one) for one in sent)
    figures = {
        "submit_statements": figure(map(len, sent)),
        "submit_commits": commits,
        "job_commits": figure(wrote),
    }
    return figures, {"submit_statements": max(sent, key=len)}


def polls_while_busy(
    platform: Platform, port: int, image_ids: Sequence[UUID], *, rounds: int, polls: int
) -> dict[str, Figure]:
    """Ms of `GET /v1/jobs/{id}`, POLLS_PER_S of them a second, while the worker has more to do than it can."""
    job_ids: list[UUID] = []
    times: list[list[float]] = []
    for _ in range(rounds):
        waiting = platform.unfinished()
        job_ids += platform.add_jobs([image_ids[n % len(image_ids)] for n in range(2 * polls - waiting)])
        platform.hint()
        client = Client(port, {"Authorization": f"Bearer {platform.api_key}"})
        paths = [f"/v1/jobs/{job_ids[-1 - n]}" for n in range(polls)]
        times.append([])
        for path in paths:
            times[-1].append(milliseconds(partial(client.get, path)))
            time.sleep(max(0.0, 1 / POLLS_PER_S - times[-1][-1] / 1000))
        client.close()
        if platform.unfinished() == 0:
            raise RuntimeError("the worker was not busy while it was polled")
    until(lambda: platform.unfinished() == 0, what="the backlog is drained", timeout=300, pause=0.2)
    together = [one for many in times for one in many]
    return {
        "poll_p99_ms": figure((quantile(many, 0.99) for many in times), whole=quantile(together, 0.99)),
        "poll_p50_ms": figure(quantile(many, 0.5) for many in times),
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


def sources_of(kinds: dict[str, Any], names: Sequence[str], count: int) -> dict[str, list[Source]]:
    """`count` sources of each kind; `…_copy` are those of the kind before the underscore."""
    return {name: [kinds[name.removesuffix("_copy")](seed) for seed in range(count)] for name in names}
