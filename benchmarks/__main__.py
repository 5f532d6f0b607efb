"""Run everything, print a table, write `benchmarks/results/<date>-<label>.json`."""

from __future__ import annotations

import argparse
import json
import os
import platform as machine
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from benchmarks import network, platform
from benchmarks.inputs import KINDS
from core.settings import Settings, limit_threads
from db.session import make_database
from imaging.decode import decode
from lucency.embedded import EmbeddedServers
from networks.bundle import Bundle
from storage.s3 import make_store
from tests.worker.factories import ROOT, publish, worker

GOALS = {"grad_cam": ("<=", 1.1), "worker_to_ideal": (">=", 0.7), "platform_to_naive": (">=", 5.0)}


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks")
    arguments.add_argument("--short", action="store_true")
    arguments.add_argument("--label", default="run")
    arguments.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "default")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    limit_threads(1)
    with tempfile.TemporaryDirectory(prefix="lucency-bench-") as folder:
        measured = run(options.bundle.absolute(), Path(folder), short=options.short)
    measured["goals"] = judge(measured)
    out = options.out or ROOT / "benchmarks" / "results" / f"{datetime.now(UTC):%Y-%m-%d}-{options.label}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(measured, indent=2) + "\n")
    show(measured)


def run(bundle_folder: Path, folder: Path, *, short: bool) -> dict[str, Any]:
    bundle, rounds = Bundle.load(bundle_folder), 10 if short else 60
    measured: dict[str, Any] = {
        "machine": {"cores": os.cpu_count(), "processor": machine.machine(), "python": machine.python_version()},
        "versions": {name: version(name) for name in ("onnxruntime", "celery", "sqlalchemy", "fastapi")},
        "bundle": bundle.digest,
        "short": short,
        "ceiling_images_per_s": network.ceiling(bundle, rounds=rounds),
        "grad_cam": network.grad_cam(bundle, rounds=rounds),
    }
    files = {kind: [make(seed) for seed in range(4)] for kind, make in KINDS.items()}
    measured["decode_ms"] = {
        kind: statistics.median(
            network.milliseconds(lambda data=data: decode(data, longest_side=512)) for data in many * 3
        )
        for kind, many in files.items()
    }
    with EmbeddedServers(folder / "servers") as servers:
        settings = make_settings(servers, folder)
        subprocess.run(
            [sys.executable, "-m", "lucency.commands", "db", "migrate"]
            if not (Path(sys.executable).parent / "lucency").exists()
            else [str(Path(sys.executable).parent / "lucency"), "db", "migrate"],
            cwd=ROOT,
            env=platform.api_environment(settings),
            check=True,
        )
        measured |= processes(settings, bundle_folder, files, folder, short=short)
    return measured


def make_settings(servers: EmbeddedServers, folder: Path) -> Settings:
    plain = {name.removeprefix("LUCENCY_").lower(): value for name, value in servers.settings().items()}
    for name in ("database_url", "broker_url", "s3_secret_key"):
        plain[name] = SecretStr(plain[name])
    return Settings(home=folder / "home", worker_concurrency=os.cpu_count() or 1, **plain)


def processes(
    settings: Settings, bundle: Path, files: dict[str, list[bytes]], folder: Path, *, short: bool
) -> dict[str, Any]:
    database, store = make_database(settings, application_name="benchmarks"), make_store(settings)
    store.ensure()
    publish(database, store, bundle)
    count, rounds = (64, 1) if short else (320, 3)
    against: dict[str, Any] = {}
    for kind, many in files.items():
        inputs = folder / kind
        inputs.mkdir()
        for number, data in enumerate(many):
            (inputs / f"{number}").write_bytes(data)
        pairs = [
            (
                platform.ideal(bundle, inputs, count=count, processes=settings.worker_concurrency),
                platform.worker_alone(settings, database, store, many, count=count, logs=folder),
            )
            for _ in range(rounds)
        ]
        against[kind] = {
            "ideal_per_s": [one for one, _ in pairs],
            "worker_per_s": [two for _, two in pairs],
            "ratio": statistics.median(two / one for one, two in pairs),
        }
    http = over_http(settings, bundle, files, folder, key=platform.site_key(database), seconds=5 if short else 20)
    database.dispose()
    return {"worker_to_ideal": against, "http": http}


def over_http(
    settings: Settings, bundle: Path, files: dict[str, list[bytes]], folder: Path, *, key: str, seconds: float
) -> dict[str, Any]:
    """Platform (submit with Prefer: wait, then GET the overlay) and naive (the overlay is the answer)."""
    measured: dict[str, Any] = {}
    environment = platform.api_environment(settings)
    for clients in (1, 8, 32):
        for kind, many in files.items():
            with (
                worker(settings, folder, name="http"),
                platform.server("api.app:create_app", environment, folder / "api.log", "--factory") as address,
            ):
                platform.load(address, many, clients=2, seconds=3, key=key)
                ours = platform.load(address, many, clients=clients, seconds=seconds, key=key)
            naive_environment = environment | {"NAIVE_BUNDLE": str(bundle)}
            with platform.server("benchmarks.naive:app", naive_environment, folder / "naive.log") as address:
                platform.load(address, many, clients=1, seconds=3, key=None)
                naive = platform.load(address, many, clients=clients, seconds=seconds, key=None)
            ratio = ours["per_second"] / naive["per_second"]
            measured[f"{kind}_{clients}"] = {"platform": ours, "naive": naive, "ratio": ratio}
    return measured


def judge(measured: dict[str, Any]) -> list[dict[str, Any]]:
    ratios = {"grad_cam": measured["grad_cam"]["ratio"]}
    ratios |= {f"worker_to_ideal.{kind}": value["ratio"] for kind, value in measured["worker_to_ideal"].items()}
    ratios |= {f"platform_to_naive.{kind}": measured["http"][f"{kind}_32"]["ratio"] for kind in KINDS}
    judged = []
    for name, value in ratios.items():
        sign, goal = GOALS[name.partition(".")[0]]
        met = value <= goal if sign == "<=" else value >= goal
        judged.append({"name": name, "ratio": round(value, 3), "goal": f"{sign} {goal}", "met": met})
    return judged


def show(measured: dict[str, Any]) -> None:
    print(json.dumps({name: value for name, value in measured.items() if name != "goals"}, indent=1))
    for goal in measured["goals"]:
        print(f"{goal['name']:32} {goal['ratio']:8.3f}  {goal['goal']:8} {'met' if goal['met'] else 'NOT MET'}")


if __name__ == "__main__":
    started = time.monotonic()
    main()
    print(f"{time.monotonic() - started:.0f} s")
