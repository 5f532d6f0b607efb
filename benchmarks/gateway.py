"""C-STORE into the gateway's durable spool against dcmtk's plain storescp, with the same files and the same sender.

    python -m benchmarks.gateway FOLDER_OF_DICOM [--repeat 5] [--senders 4]

Both receive the same instances from dcmtk's storescu. storescp writes files and syncs nothing; the gateway checks the
data set, syncs file and folder, and answers then. No API runs: the spool fills. The ratio is that of instances a
second; both run in turn, and the best of the rounds counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from core.settings import inherited_environment
from lucency.stack.ports import choose_ports

CONTEXTS = Path(__file__).parent.parent / "deploy" / "storescu.cfg"
ROUNDS = 3


@contextmanager
def listening(command: list[str], environment: dict[str, str], port: int) -> Iterator[None]:
    """A process that answers C-ECHO at `port`, until the block ends."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 30
        while not answers(port):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"{command[0]} did not start")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether C-ECHO succeeds."""
    command = ["echoscu", "-to", "2", "-aec", "LUCENCY", "127.0.0.1", str(port)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def send(port: int, files: list[Path], *, repeat: int, senders: int) -> float:
    """Instances a second; every one must be answered with success."""
    command = ["storescu", "-v", "-xf", str(CONTEXTS), "Lucency", "--repeat", str(repeat), "+II", "-aec", "LUCENCY"]
    command += ["127.0.0.1", str(port), *map(str, files)]

    def one(_: int) -> int:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        return done.stderr.count("Received Store Response (Success)")

    began = time.monotonic()
    with ThreadPoolExecutor(senders) as pool:
        stored = sum(pool.map(one, range(senders)))
    seconds = time.monotonic() - began
    expected = len(files) * repeat * senders
    if stored != expected:
        raise SystemExit(f"only {stored} of {expected} were stored")
    return stored / seconds


def measure(files: list[Path], *, repeat: int, senders: int) -> dict[str, object]:
    """Both listeners in turn, each with an empty folder a round."""
    rates: dict[str, list[float]] = {"gateway": [], "storescp": []}
    for _ in range(ROUNDS):
        ports = choose_ports(rates)
        with tempfile.TemporaryDirectory() as folder:
            settings = {
                "LUCENCY_GATEWAY_SPOOL": folder,
                "LUCENCY_GATEWAY_PORT": str(ports["gateway"]),
                "LUCENCY_GATEWAY_FREE_BYTES": "1",
                "LUCENCY_API_URL": "http://127.0.0.1:9",
                "LUCENCY_API_KEY": "lcy_none.none",
            }
            command = [sys.executable, "-m", "lucency.commands", "gateway", "run"]
            with listening(command, inherited_environment() | settings, ports["gateway"]):
                rates["gateway"].append(send(ports["gateway"], files, repeat=repeat, senders=senders))
        with tempfile.TemporaryDirectory() as folder:
            command = ["storescp", "--fork", "+xa", "-pm", "-pdu", "131072", "-od", folder, "+uf", "-aet", "LUCENCY"]
            command += [str(ports["storescp"])]
            if not senders > 1:
                command.remove("--fork")
            with listening(command, inherited_environment(), ports["storescp"]):
                rates["storescp"].append(send(ports["storescp"], files, repeat=repeat, senders=senders))
    best = {name: max(found) for name, found in rates.items()}
    return {
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "repeat": repeat,
        "senders": senders,
        "instances_per_s": {name: [round(rate, 1) for rate in found] for name, found in rates.items()},
        "ratio": round(best["gateway"] / best["storescp"], 2),
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--senders", type=int, default=4)
    chosen = parser.parse_args()
    print(json.dumps(measure(sorted(chosen.folder.glob("*.dcm")), repeat=chosen.repeat, senders=chosen.senders)))


if __name__ == "__main__":
    main()
