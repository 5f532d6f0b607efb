"""The platform of one tree, which does exchanges when it is told to: what one costs, and what it answers.

A process that is spoken to over its standard streams, one JSON a line, so that two trees can be compared in turns:
`BEFORE/.venv/bin/python -P benchmarks/exchange.py FOLDER`, from within the tree that is to be measured. What is not in
that tree's own benchmarks is taken from beside this file, and what it measures with is the same for both.
"""

from __future__ import annotations

import base64
import importlib
import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, os.getcwd())
import benchmarks  # noqa: E402
from benchmarks.platform import Platform, platform  # noqa: E402 - of the tree that is measured
from benchmarks.processes import ROOT, server  # noqa: E402

# What measures, and what is sent, is the same for both.
benchmarks.__path__.insert(0, str(HERE))
sys.modules.pop("benchmarks.inputs")
inputs = importlib.import_module("benchmarks.inputs")

import numpy as np  # noqa: E402
import psutil  # noqa: E402
from PIL import Image  # noqa: E402

from benchmarks.load import Client, Failed, load, platform_exchange  # noqa: E402
from benchmarks.meters import CpuMeter, servers_of_this_process, written  # noqa: E402
from core.settings import inherited_environment, limit_threads  # noqa: E402
from core.vocabulary import MediaKind  # noqa: E402

CLIENTS = 16


def main(folder: Path) -> None:
    """Answer until standard input ends."""
    inherited = inherited_environment()
    limit_threads(1)
    with (
        platform(folder, ROOT / "bundles" / "default", inherited=inherited) as running,
        running.worker(),
        server("api.app:create_app", "--factory", environment=running.environment, log=folder / "api.log") as (
            port,
            api,
        ),
    ):
        roots = servers_of_this_process() | {"api": api.pid, "worker": worker_of_this_process(api.pid)}
        meter = CpuMeter(roots, apart={"decoder": "imaging.sandbox.child"})
        answer({"ready": True})
        for line in sys.stdin:
            asked = json.loads(line)
            if asked["do"] == "exchanges":
                answer(exchanges(running, port, meter, kind=asked["kind"], count=asked["count"]))
            else:
                answer(predictions(running, port, [Path(path) for path in asked["files"]]))


def worker_of_this_process(api: int) -> int:
    below = psutil.Process().children()
    return next(process.pid for process in below if process.pid != api and "worker.app" in " ".join(process.cmdline()))


def exchanges(running: Platform, port: int, meter: CpuMeter, *, kind: str, count: int) -> dict[str, Any]:
    """`count` of them by CLIENTS clients: CPU ms of one by process, and the transactions that wrote."""
    sources = [inputs.KINDS[kind](seed) for seed in range(2)]
    headers = {"Authorization": f"Bearer {running.api_key}"}
    first = written(running.database)
    meter.start()
    done = load(port, platform_exchange, sources, clients=CLIENTS, requests=count, headers=headers)
    spent = meter.seconds()
    return {
        "cpu_ms": {name: round(1000 * seconds / count, 2) for name, seconds in spent.items()},
        "write_transactions": (written(running.database) - first - 1) / count,
        "per_second": done["per_second"],
        "faults": done["accepted_only"] + sum(done["errors"].values()),
    }


def predictions(running: Platform, port: int, files: list[Path]) -> dict[str, Any]:
    """By file name: each finding's probability, and its heatmap as values; or the problem's code, or status."""
    client = Client(port, {"Authorization": f"Bearer {running.api_key}"})
    return {path.name: _prediction(client, path) for path in files}


def _prediction(client: Client, path: Path) -> dict[str, Any]:
    kind = {".dcm": MediaKind.DICOM, ".png": MediaKind.PNG}.get(path.suffix, MediaKind.JPEG)
    source = Whole(path.name, kind, path.read_bytes())
    try:
        _, body = client.upload("/v1/jobs", source, headers={"Prefer": "wait=30"})
    except Failed as error:
        return {"problem": str(error)[:3]}
    job = json.loads(body)
    if job["state"] != "succeeded":
        return {"problem": (job["problem"] or {}).get("code", job["state"])}
    result = json.loads(client.get(f"/v1/jobs/{job['id']}/result"))
    found: dict[str, Any] = {"probabilities": {one["label"]: one["probability"] for one in result["findings"]}}
    for one in result["findings"]:
        if one.get("explanation"):
            png = client.get(one["explanation"]["heatmap"])
            values = np.asarray(Image.open(io.BytesIO(png)))
            found.setdefault("heatmaps", {})[one["label"]] = base64.b64encode(values.tobytes()).decode()
    return found


class Whole(inputs.Source):  # type: ignore[misc, name-defined]
    """A file as it is: no variant of it."""

    def variant(self, number: int) -> tuple[bytes, memoryview]:  # noqa: ARG002
        return self.content, memoryview(b"")


def _own_standard_output() -> Callable[[str], None]:
    """What writes answers. What else is printed here, by a library or a child, goes to the log."""
    kept = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def write(line: str) -> None:
        kept.write(f"{line}\n")
        kept.flush()

    return write


write = _own_standard_output() if __name__ == "__main__" else print


def answer(found: dict[str, Any]) -> None:
    write(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
