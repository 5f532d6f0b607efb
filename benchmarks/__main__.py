"""`python -m benchmarks`: everything in one run, as ratios; a table, a file in benchmarks/results/, and the page."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform as machine
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from benchmarks import backlog, before, costs, decoding, device, goals, inputs, network, peers, report, throughput
from benchmarks.figures import Figure, figure
from benchmarks.load import platform_exchange
from benchmarks.platform import Platform, platform
from benchmarks.processes import ROOT, server
from core.settings import inherited_environment, limit_threads, load_settings
from networks.bundle import Bundle

VERSIONS = (
    "onnxruntime",
    "openvino",
    "tensorflow-cpu",
    "numpy",
    "imagecodecs",
    "celery",
    "sqlalchemy",
    "fastapi",
    "uvicorn",
)
RESULTS = ROOT / "benchmarks" / "results"
WORKER_FORMS = (*inputs.WORKER_KINDS, "raw_dicom_copy")


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured. A short run shows that everything runs, and that no ratio fell far."""

    rounds: int
    seconds: float
    jobs: int
    exchanges: int
    polls: int
    backlog: int


WHOLE = Size(rounds=5, seconds=4, jobs=96, exchanges=48, polls=500, backlog=1_000_000)
SHORT = Size(rounds=3, seconds=3, jobs=48, exchanges=16, polls=100, backlog=10_000)


@dataclass
class Run:
    """One run, and what it has measured so far. `inherited`: the environment of servers that choose their threads."""

    bundle_folder: Path
    folder: Path
    size: Size
    inherited: Mapping[str, str]
    other_tree: Path | None = None
    figures: dict[str, Figure] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def short(self) -> bool:
        return self.size is SHORT

    @cached_property
    def bundle(self) -> Bundle:
        return Bundle.load(self.bundle_folder)

    @cached_property
    def data(self) -> Path:
        return load_settings().data

    def keep(self, section: str, found: tuple[dict[str, Figure], Any]) -> None:
        """The figures, and beside them what explains them."""
        self.figures |= found[0]
        self.details[section] = found[1]

    @contextmanager
    def platform(self, name: str) -> Iterator[Platform]:
        """Servers of its own for one section: what another left behind, or how it loaded them, is not seen in it."""
        folder = self.folder / name
        folder.mkdir()
        with platform(folder, self.bundle_folder, inherited=self.inherited) as running:
            yield running
        # Gigabytes; with a full disk the next one's store would not start.
        shutil.rmtree(folder)


def engines(run: Run) -> None:
    """Prediction with and without Grad-CAM."""
    images = network.tensors(run.bundle, inputs.real_files(run.data))
    seconds, rounds = 0.5 if run.short else 1.5, run.size.rounds
    measured: dict[str, Any] = {
        "onnxruntime": network.onnx_grad_cam(run.bundle, images, seconds=seconds, rounds=rounds)
    }
    if not run.short:
        np.save(run.folder / "tensors.npy", images)
        arguments = [str(run.bundle.path), str(run.folder / "tensors.npy"), str(seconds), str(rounds)]
        command = [sys.executable, "-m", "benchmarks.network", *arguments]
        environment = dict(run.inherited) | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"the tensorflow engine was not measured\n{done.stderr[-2000:]}")
        measured["tensorflow"] = json.loads(done.stdout.splitlines()[-1])
    figures = {
        f"grad_cam.{engine}.{batch}": figure(one["ratio"] for one in found[batch])
        for engine, found in measured.items()
        for batch in ("b1", "b8")
    }
    run.keep("grad_cam", (figures, measured))
    if importlib.util.find_spec("openvino") is not None and not run.short:
        found = [network.openvino_to_onnxruntime(run.bundle, images, seconds=3) for _ in range(rounds)]
        ratio = figure(one["ratio"] for one in found)
        run.keep("engines", ({"openvino_to_onnxruntime": ratio}, found))


def decode(run: Run) -> None:
    """Decoding, per transfer syntax."""
    side, seconds = run.bundle.preprocessing.source_longest_side, 0.1 if run.short else 0.4
    rows = 1000 if run.short else inputs.ROWS
    files = inputs.syntax_files(rows) | ({} if run.short else inputs.reference_files(run.data))
    run.keep("decode", ({}, decoding.per_syntax(files, seconds=seconds, longest_side=side)))


def worker(run: Run) -> None:
    """The worker against the ideal worker; its start and its memory."""
    forms = ("jpeg", "raw_dicom") if run.short else WORKER_FORMS
    kinds = costs.sources_of(inputs.WORKER_KINDS, forms, 2 if run.short else 4)
    with run.platform("worker") as running:
        with running.worker() as first:
            pass  # The Bundle came from the store; the next start finds it on disk.
        with running.worker():
            found = throughput.worker_to_ideal(
                running, run.bundle_folder, kinds, count=run.size.jobs, rounds=run.size.rounds
            )
            # After the loads: memory as it is in use.
            used = costs.memory(running.workers_ready())
        run.keep("worker_to_ideal", found)
        starts = []
        for _ in range(run.size.rounds):
            with running.worker() as started:
                starts.append(started.ready_s)
    figures = {"worker_ready_s": figure(starts), "worker_child_mb": figure([used["child_rss_mb"]])}
    run.keep("worker", (figures, used | {"first_ready_s": round(first.ready_s, 2)}))


def http(run: Run) -> None:
    """A submit, a poll, and whole exchanges over HTTP, against the stateless yardstick and the naive baseline."""
    kinds = costs.sources_of(inputs.KINDS, ("jpeg",) if run.short else tuple(inputs.KINDS), 2 if run.short else 4)
    with run.platform("http") as running:
        application = ("api.app:create_app", "--factory")
        with server(*application, environment=running.environment, log=running.folder / "api.log") as (port, process):
            count = 20 if run.short else 40
            found = costs.submit_to_put(running, port, process.pid, rounds=run.size.rounds, count=count)
            run.keep("submit", found)
            with (
                running.worker(),
                throughput.servers(
                    running, port, run.bundle_folder, inherited=run.inherited, naive=not run.short
                ) as servers,
            ):
                clients = {32: run.size.rounds} if run.short else {1: 2, 8: 2, 32: run.size.rounds}
                found = throughput.over_http(
                    servers, kinds, clients=clients, seconds=run.size.seconds, naive=not run.short
                )
                run.keep("http", found)
                images = running.add_images(kinds["jpeg"], 32, first=2_000_000)
                polled = costs.polls_while_busy(running, port, images, rounds=run.size.rounds, polls=run.size.polls)
                run.keep("poll", (polled, {"polls": run.size.rounds * run.size.polls}))
            resident = psutil.Process(process.pid).memory_info().rss / 1e6
        run.keep("api", ({"api_mb": figure([resident])}, {}))
        run.keep("transactions", costs.transactions(running, count=run.size.rounds))


def simulated_device(run: Run) -> None:
    """More workers beside a simulated device; and what feeding one costs."""
    kinds = costs.sources_of(inputs.WORKER_KINDS, WORKER_FORMS, 2)
    # Who takes the last batch works on alone: of 120 jobs that is a thirtieth, of 48 it would be a twelfth.
    each = run.size.jobs // 2 if run.short else run.size.jobs * 5 // 4
    with run.platform("device") as running:
        scaled = device.scaling(running, kinds["jpeg"], rounds=run.size.rounds, each=each)
        feeding = device.feeding(running, kinds, rounds=run.size.rounds, count=run.size.jobs // 2)
    run.keep("device", (scaled, feeding))


def backlogs(run: Run) -> None:
    """What a job costs in the database beside many others."""
    folder = run.folder / "backlog"
    folder.mkdir()
    sizes = (1_000, run.size.backlog)
    run.keep("backlog", backlog.measure(folder, sizes=sizes, rounds=run.size.rounds, turns=40))


def exchanges(run: Run) -> None:
    """CPU of an exchange by process; where there is another tree, both in turns, and whether they answer the same."""
    places = {"now": ROOT} | ({} if run.other_tree is None else {"before": run.other_tree})
    with ExitStack() as stack:
        trees = {
            name: stack.enter_context(before.started(tree, run.folder / f"tree-{name}", environment=run.inherited))
            for name, tree in places.items()
        }
        kinds = tuple(inputs.KINDS)
        run.keep("exchange", before.compare(trees, kinds=kinds, rounds=run.size.rounds, count=run.size.exchanges))
        if "before" in trees:
            files = inputs.real_files(run.data) | inputs.syntax_files(600 if run.short else inputs.ROWS)
            run.keep("same_answers", before.same_answers(trees, files, run.folder / "files"))


def others(run: Run) -> None:
    """Serving libraries with the same graph, each in an environment of its own, beside the platform."""
    kinds = costs.sources_of(inputs.KINDS, tuple(inputs.KINDS), 4)
    with (
        run.platform("peers") as running,
        running.worker(),
        server(
            *("api.app:create_app", "--factory"), environment=running.environment, log=running.folder / "api.log"
        ) as (port, _),
        peers.servers(run.bundle, running.folder, inherited=run.inherited) as started,
    ):
        exchanges = {"platform": (port, platform_exchange)} | started
        headers = {"Authorization": f"Bearer {running.api_key}"}
        found = peers.compare(exchanges, kinds, headers=headers, rounds=run.size.rounds, seconds=run.size.seconds / 2)
    run.keep("peers", ({}, found))


SECTIONS: dict[str, Callable[[Run], None]] = {
    "engines": engines,
    "decode": decode,
    "worker": worker,
    "http": http,
    "exchange": exchanges,
    "device": simulated_device,
    "backlog": backlogs,
}
# Needs packages that are installed for it.
ON_REQUEST = {"peers": others}
# What a short run leaves out takes minutes, or is a test's already.
IN_SHORT = ("engines", "decode", "worker", "http")


def main() -> int:
    """Exit 1 where a goal was missed; of a short run, where a ratio fell far below that of the last whole one."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--short", action="store_true", help="a minute; guards the ratios of the last whole run")
    arguments.add_argument("--before", type=Path, help="another tree with its .venv, to be compared with in turns")
    arguments.add_argument("--peers", action="store_true", help="LitServe and BentoML too, installed for it")
    arguments.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "default")
    arguments.add_argument("--only", default="", help="sections, separated by commas: " + ", ".join(SECTIONS))
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    # The environment of servers that choose their threads themselves, from before this process limits its own.
    inherited = inherited_environment()
    limit_threads(1)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    only = list(filter(None, options.only.split(","))) or (IN_SHORT if options.short else list(SECTIONS))
    sections = SECTIONS | ON_REQUEST
    if options.peers:
        only = [*only, *ON_REQUEST]
    started = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="lucency-bench-"))
    tree = None if options.before is None else options.before.absolute()
    run = Run(options.bundle.absolute(), folder, SHORT if options.short else WHOLE, inherited, tree)
    machine_before = facts()

    def measured(judged: Sequence[goals.Judged]) -> dict[str, Any]:
        return {
            "machine": machine_before,
            "bundle": run.bundle.digest,
            "short": run.short,
            "seconds": round(time.monotonic() - started),
            "figures": {name: found.as_json() for name, found in run.figures.items()},
            "goals": [goal.as_json() for goal in judged],
            "details": run.details,
        }

    try:
        for name in only:
            note(f"{name}: {sections[name].__doc__}")
            sections[name](run)
    except BaseException:
        write(place(whole=False), measured(goals.judge(run.figures)))
        print(f"what was measured is in {place(whole=False)}; logs are kept in {folder}", file=sys.stderr)
        raise
    shutil.rmtree(folder, ignore_errors=True)
    judged = goals.guard(run.figures, goals.reached(RESULTS)) if run.short else goals.judge(run.figures)
    whole = not run.short and set(only) >= set(SECTIONS)
    out = options.out or place(whole=whole)
    found = measured(judged)
    write(out, found)
    if whole and options.out is None:
        report.write(found)
    show(run, judged)
    print(f"\n{found['seconds']} s; {out}")
    return int(not all(goal.met for goal in judged))


def write(path: Path, found: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


def place(*, whole: bool) -> Path:
    """Only a whole run is kept: another goes to a folder that git ignores."""
    folder = RESULTS if whole else ROOT / "runs" / "benchmarks"
    return folder / f"{datetime.now(UTC):%Y-%m-%d}-{'run' if whole else 'part'}.json"


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


def show(run: Run, judged: Sequence[goals.Judged]) -> None:
    for name, found in run.details.get("decode", {}).items():
        text = found.get("error") or f"{found['reduced_ms']:8.1f} ms of {found['full_ms']:8.1f} at full size"
        print(f"decode {name:28} {text}")
    for name, found in run.details.get("http", {}).items():
        rates = (
            f"{server} {', '.join(str(one['per_second']) for one in many)}/s"
            for server, many in found.items()
            if server != "to_stateless"
        )
        print(f"http {name:14} {'  '.join(rates)}")
    print(f"\n{'figure':32} {'median':>9} {'spread':>21}   bound")
    for goal in judged:
        spread = f"{goal.least:.4g} to {goal.greatest:.4g}"
        verdict = "reached" if goal.met else f"MISSED ({goal.rounds} rounds)"
        print(f"{goal.name:32} {goal.value:>9.4g} {spread:>21}   {goal.sign} {goal.bound:<8.4g} {verdict}")


if __name__ == "__main__":
    sys.exit(main())
