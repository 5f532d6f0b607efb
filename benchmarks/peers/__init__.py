"""Serving libraries that a user could take instead, each in an environment of its own, in which nothing of Lucency is.

The servers beside this file run there. The environments are made once, in artefacts/peers/.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.figures import figure
from benchmarks.inputs import Source
from benchmarks.load import Exchange, json_exchange, load, plain_exchange
from benchmarks.processes import ROOT, free_port, listens, running, until
from networks.bundle import Bundle
from networks.manifest import SERVING_GRAPH

ENVIRONMENTS = ROOT / "artefacts" / "peers"
CLIENTS = (8, 32)
COMMON = ("numpy==2.4.6", "onnxruntime==1.32.0", "opencv-python-headless==5.0.0.93", "pydicom==3.0.2")
PACKAGES = {"litserve": ("litserve==0.2.19", *COMMON), "bentoml": ("bentoml==1.4.40", *COMMON)}
EXCHANGES: dict[str, Exchange] = {"litserve": json_exchange, "bentoml": plain_exchange}

Peer = tuple[int, Exchange]


@contextmanager
def servers(bundle: Bundle, folder: Path, *, inherited: Mapping[str, str]) -> Iterator[dict[str, Peer]]:
    """Both peers with the Bundle's graph, listening; by name, the port and how it is asked."""
    environment = dict(inherited) | {
        "BENCHMARK_GRAPH": str(bundle.file(SERVING_GRAPH).absolute()),
        "BENCHMARK_SIZE": str(bundle.preprocessing.size),
        "BENCHMARK_LABEL": str(bundle.labels.index(bundle.finding_labels[0])),
        "OMP_NUM_THREADS": "1",
        "BENTOML_DO_NOT_TRACK": "True",
    }
    with ExitStack() as stack:
        started: dict[str, Peer] = {}
        for name in PACKAGES:
            binaries, port = installed(name), free_port()
            command = {
                "litserve": [str(binaries / "python"), "litserve_server.py", str(port)],
                "bentoml": [str(binaries / "bentoml"), "serve", "bentoml_server:Radiographs", "--port", str(port)],
            }[name]
            log = folder / f"{name}.log"
            process = stack.enter_context(
                running(command, environment=environment, log=log, tree=Path(__file__).parent)
            )
            until(lambda port=port: listens(port), what=f"{name} listens", process=process, log=log, timeout=120)  # type: ignore[misc]
            started[name] = (port, EXCHANGES[name])
        yield started


def installed(name: str) -> Path:
    """The folder of its environment's programs, which is made where it is not there."""
    environment = ENVIRONMENTS / name
    binaries = environment / "bin"
    uv = str(Path(sys.executable).parent / "uv")
    if not (environment / "complete").exists():
        subprocess.run([uv, "venv", "--quiet", "--clear", str(environment)], check=True)
        packages = [uv, "pip", "install", "--quiet", "--python", str(binaries / "python"), *PACKAGES[name]]
        subprocess.run(packages, check=True, env=dict(os.environ))
        (environment / "complete").touch()
    return binaries


def compare(
    servers: Mapping[str, Peer],
    kinds: Mapping[str, Sequence[Source]],
    *,
    headers: dict[str, str],
    rounds: int,
    seconds: float,
) -> dict[str, Any]:
    """Exchanges a second of each in turn, by kind and number of clients; an error ends the run."""
    found: dict[str, Any] = {}
    for kind, sources in kinds.items():
        for number in CLIENTS:
            rates: dict[str, list[float]] = {name: [] for name in servers}
            order = list(servers)
            for turn in range(rounds + 1):
                for name in order:
                    port, exchange = servers[name]
                    done = load(port, exchange, sources, clients=number, seconds=seconds, headers=headers)
                    if done["errors"] or done["accepted_only"]:
                        raise RuntimeError(f"{name}: {done}")
                    if turn:  # the first warms
                        rates[name].append(done["per_second"])
                order.reverse()
            found[f"{kind}_{number}"] = {name: figure(many).as_json() for name, many in rates.items()}
    return found
