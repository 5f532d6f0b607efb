"""This tree and another one, side by side in turns: what an exchange costs, and whether both answer the same."""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figure, figure, ratios
from benchmarks.inputs import instance_uid
from benchmarks.processes import ROOT, line_of, running

SUFFIXES = {b"DICM": ".dcm", b"\x89PNG": ".png"}


class Tree:
    """The platform of a tree, started with that tree's own environment, which does what it is asked."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._answer()

    def ask(self, **asked: Any) -> dict[str, Any]:
        if self._process.stdin is not None:
            self._process.stdin.write(f"{json.dumps(asked)}\n".encode())
            self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(line_of(self._process.stdout))
        return found


@contextmanager
def started(tree: Path, folder: Path, *, environment: Mapping[str, str]) -> Iterator[Tree]:
    """Its platform, in `folder`. Another tree has its own environment, `.venv`."""
    folder.mkdir()
    python = sys.executable if tree == ROOT else str(tree / ".venv" / "bin" / "python")
    command = [python, "-P", str(ROOT / "benchmarks" / "exchange.py"), str(folder)]
    with running(command, environment=environment, log=folder / "exchange.log", talks=True, tree=tree) as process:
        yield Tree(process)


def compare(
    trees: Mapping[str, Tree], *, kinds: tuple[str, ...], rounds: int, count: int
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """`trees`: `now`, and `before` where there is one."""
    figures: dict[str, Figure] = {}
    details: dict[str, Any] = {}
    for kind in kinds:
        for tree in trees.values():
            tree.ask(do="exchanges", kind=kind, count=count // 2)
        found: dict[str, list[dict[str, Any]]] = {name: [] for name in trees}
        order = list(trees)
        for _ in range(rounds):
            for name in order:
                found[name].append(trees[name].ask(do="exchanges", kind=kind, count=count))
            order.reverse()
        sums = {name: [sum(one["cpu_ms"].values()) for one in many] for name, many in found.items()}
        details[kind] = {name: summary(many) for name, many in found.items()}
        if any(one["faults"] for many in found.values() for one in many):
            raise RuntimeError(f"exchanges failed: {details[kind]}")
        if "before" in found:
            figures[f"exchange_cpu_to_before.{kind}"] = ratios(sums["now"], sums["before"])
    return figures, details


def summary(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    parts = {name: figure(one["cpu_ms"][name] for one in rounds).as_json() for name in rounds[0]["cpu_ms"]}
    return {
        "cpu_ms": parts,
        "sum_ms": figure(sum(one["cpu_ms"].values()) for one in rounds).as_json(),
        "write_transactions": figure(one["write_transactions"] for one in rounds).as_json(),
        "per_second": figure(one["per_second"] for one in rounds).as_json(),
    }


def same_answers(
    trees: Mapping[str, Tree], files: Mapping[str, bytes], folder: Path
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """The greatest difference of a probability, and how many heatmaps are not the same, over `files`."""
    folder.mkdir()
    paths = []
    for number, (name, content) in enumerate(files.items()):
        suffix = next((known for mark, known in SUFFIXES.items() if mark in (content[128:132], content[:4])), ".jpg")
        paths.append(folder / f"{Path(name).stem}{suffix}")
        # The generated ones would be one instance with other content each time.
        paths[-1].write_bytes(content.replace(instance_uid(0).encode(), instance_uid(number + 1).encode()))
    now, before = (trees[name].ask(do="predictions", files=list(map(str, paths))) for name in ("now", "before"))
    greatest, heatmaps, others = 0.0, 0, []
    for name, found in now.items():
        old = before[name]
        if found.keys() != old.keys() or found.get("problem") != old.get("problem"):
            others.append(name)
            continue
        ours, theirs = found.get("probabilities", {}), old.get("probabilities", {})
        greatest = max([greatest, *(abs(ours[label] - theirs[label]) for label in ours)])
        for label, encoded in found.get("heatmaps", {}).items():
            values = (np.frombuffer(b64decode(one), np.uint16) for one in (encoded, old["heatmaps"][label]))
            heatmaps += not np.array_equal(*values)
    judged = sum("problem" not in found for found in now.values())
    if others:
        raise RuntimeError(f"one tree judges what the other refuses: {others}")
    return {"same_probability": Figure((greatest,)), "same_heatmap": Figure((float(heatmaps),))}, {
        "files": len(now),
        "judged": judged,
    }
