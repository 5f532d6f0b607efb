"""`python -m benchmarks`: everything in one run, as ratios; a table, and `benchmarks/results/<date>-<label>.json`."""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import costs, decoding, goals, inputs, network, throughput
from benchmarks.platform import Platform, platform
from benchmarks.processes import ROOT, server
from core.settings import inherited_environment, limit_threads, load_settings
from networks.bundle import Bundle

VERSIONS = ("onnxruntime", "tensorflow-cpu", "numpy", "imagecodecs", "celery", "sqlalchemy", "fastapi", "uvicorn")


def main() -> int:
    """Exit 0 when the run is complete; with --strict 1 where it missed a goal's limit."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks")
    arguments.add_argument("--short", action="store_true", help="a minute; proves that it runs, not what is reached")
    arguments.add_argument("--strict", action="store_true", help="exit 1 when a goal is missed")
    arguments.add_argument("--label", default="run")
    arguments.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "default")
    arguments.add_argument("--only", default="", help="sections, separated by commas: " + ", ".join(SECTIONS))
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    # The environment of servers that choose their threads themselves, from before this process limits its own.
    inherited = inherited_environment()
    limit_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    only = set(filter(None, options.only.split(","))) or set(SECTIONS)
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lucency-bench-"))
    try:
        measured = run(options.bundle.absolute(), folder, short=options.short, only=only, inherited=inherited)
    except BaseException:
        print(f"logs are kept in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    judged = goals.judge(measured)
    measured |= {"seconds": round(time.monotonic() - started), "goals": [goal.as_json() for goal in judged]}
    out = options.out or default_place(options.label, short=options.short)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=1) + "\n")
    show(measured, judged)
    print(f"\n{measured['seconds']} s; {out}")
    return int(options.strict and not all(goal.met for goal in judged))


def default_place(label: str, *, short: bool) -> Path:
    """A short run proves nothing worth keeping: it goes to a folder that git ignores."""
    folder = ROOT / "runs" / "benchmarks" if short else ROOT / "benchmarks" / "results"
    return folder / f"{datetime.now(UTC):%Y-%m-%d}-{'short' if short else label}.json"


SECTIONS = ("engines", "decode", "worker", "costs", "http")


def run(bundle_folder: Path, folder: Path, *, short: bool, only: set[str], inherited: dict[str, str]) -> dict[str, Any]:
    """All that `only` names, as JSON."""
    bundle = Bundle.load(bundle_folder)
    data = load_settings().data
    measured: dict[str, Any] = {"machine": facts(), "bundle": bundle.digest, "short": short}
    if "engines" in only:
        note("engines: prediction with and without Grad-CAM")
        measured["grad_cam"] = engines(bundle, folder, data, short=short, inherited=inherited)
    if "decode" in only:
        note("decode, per transfer syntax")
        side, seconds = bundle.preprocessing.source_longest_side, 0.1 if short else 0.4
        files = inputs.syntax_files(1000 if short else inputs.ROWS) | ({} if short else inputs.reference_files(data))
        measured["decode"] = decoding.per_syntax(files, seconds=seconds, longest_side=side)
    if only & {"worker", "costs", "http"}:
        kinds = {kind: [make(seed) for seed in range(2 if short else 4)] for kind, make in inputs.KINDS.items()}
        note("servers")
        with platform(folder, bundle_folder, inherited=inherited) as running:
            measured |= on_platform(running, bundle_folder, kinds, short=short, only=only, inherited=inherited)
    return measured


def engines(
    bundle: Bundle, folder: Path, data: Path, *, short: bool, inherited: dict[str, str]
) -> dict[str, dict[str, Any]]:
    images = network.tensors(bundle, inputs.real_files(data))
    measured = {"onnxruntime": network.onnx_grad_cam(bundle, images, seconds=3 if short else 7)}
    if not short:
        np.save(folder / "tensors.npy", images)
        command = [sys.executable, "-m", "benchmarks.network", str(bundle.path), str(folder / "tensors.npy"), "7"]
        environment = inherited | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the tensorflow engine was not measured\n{done.stderr[-2000:]}")
        measured["tensorflow"] = json.loads(done.stdout.splitlines()[-1])
    return measured


def on_platform(
    running: Platform,
    bundle: Path,
    kinds: dict[str, list[inputs.Source]],
    *,
    short: bool,
    only: set[str],
    inherited: dict[str, str],
) -> dict[str, Any]:
    measured: dict[str, Any] = {}
    if not short:
        with running.worker() as first_start:
            # The Bundle came from the store; the next start finds it on disk.
            measured["worker_first_ready_s"] = round(first_start, 2)
    with running.worker() as ready:
        if "worker" in only:
            note("the worker and the ideal worker")
            count, rounds = (64, 1) if short else (200, 3)
            measured["worker_to_ideal"] = throughput.worker_to_ideal(running, bundle, kinds, count=count, rounds=rounds)
        with server(
            *("api.app:create_app", "--factory"), environment=running.environment, log=running.folder / "api.log"
        ) as (port, process):
            if "costs" in only:
                note("costs of a submit and a poll")
                images = running.add_images(kinds["jpeg"], 32, first=2_000_000) * (4 if short else 16)
                measured["poll"] = costs.polls_while_busy(running, port, images, seconds=2 if short else 6)
                measured["submit"] = costs.submit_cost(running, port, process.pid, count=40 if short else 120)
            if "http" in only:
                note("over HTTP, against the naive baseline and the stateless yardstick")
                measured["http"] = throughput.over_http(
                    running,
                    port,
                    bundle,
                    {"jpeg": kinds["jpeg"]} if short else kinds,
                    inherited=inherited,
                    clients=(32,) if short else (1, 8, 32),
                    seconds=4 if short else 8,
                    naive_requests=16 if short else 32,
                )
            api_rss = psutil.Process(process.pid).memory_info().rss
        # After the loads: memory as it is in use.
        measured["worker"] = {"ready_s": round(ready, 2)}
        measured["worker"] |= costs.memory(running.workers_ready()) | {"api_rss_mb": round(api_rss / 1e6, 1)}
    return measured


def facts() -> dict[str, Any]:
    cpu = next((line for line in _cpu_lines() if line.startswith("model name")), "").partition(":")[2].strip()
    return {
        "cores": os.cpu_count(),
        "processor": cpu or machine.processor(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "load_before": os.getloadavg(),
        "python": machine.python_version(),
        "time": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "versions": {name: version(name) for name in VERSIONS if _installed(name)},
    }


def _cpu_lines() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _installed(name: str) -> bool:
    try:
        version(name)
    except ImportError:
        return False
    return True


def note(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", file=sys.stderr, flush=True)


def show(measured: dict[str, Any], judged: list[goals.Judged]) -> None:
    for name, found in measured.get("decode", {}).items():
        text = found.get("error") or f"{found['reduced_ms']:8.1f} ms of {found['full_ms']:8.1f} at full size"
        print(f"decode {name:28} {text}")
    for name, found in measured.get("http", {}).items():
        rates = [[run["per_second"] for run in found[server]] for server in ("platform", "stateless")]
        print(f"http {name:14} platform {rates[0]}/s  stateless {rates[1]}/s  naive {found['naive']['per_second']}/s")
    print(f"\n{'goal':34} {'value':>9}   {'limit':>8} {'aim':>8}")
    for goal in judged:
        value = "-" if goal.value is None else f"{goal.value:.3f}"
        verdict = ("PASS, aim reached" if goal.aim_met else "PASS") if goal.met else "FAIL"
        print(f"{goal.name:34} {value:>9}   {goal.sign} {goal.limit:<6g} {goal.aim:<8g} {verdict}")


if __name__ == "__main__":
    sys.exit(main())
