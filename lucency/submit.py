"""`lucency submit`: many files, each on its own; one bad file does not stop the rest."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from core.errors import LucencyError, Unauthorized
from lucency.client import Client
from lucency.exit_status import AUTH, FAILURE, OK, PARTIAL, TIMEOUT, exit_code
from lucency.responses import ResultDict
from lucency.tables import result_tables, show


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for all files."""

    wait: bool
    out: Path | None
    labels: Sequence[str] | None
    priority: int
    timeout: float
    stability: bool = False


@dataclass(slots=True)
class Item:
    """One file and what became of it."""

    file: Path
    job_id: str | None = None
    state: str | None = None
    result: ResultDict | None = None
    code: int = OK
    problem: dict[str, Any] | None = None
    written: list[str] = field(default_factory=list)

    def refuse(self, error: LucencyError) -> None:
        self.code = exit_code(error)
        self.problem = error.problem or {"code": error.code, "title": error.title, "detail": error.detail}

    def as_dict(self) -> dict[str, Any]:
        return {
            "file": str(self.file),
            "job_id": self.job_id,
            "state": self.state,
            "result": self.result,
            "problem": self.problem,
            "written": self.written,
        }


def submit_all(files: Sequence[Path], *, order: Order, url: str | None, as_json: bool) -> int:
    """Submit, wait where asked, print; returns the exit status."""
    items = [Item(file) for file in files]
    with Client(url) as client:
        _for_each(items, "submitting", lambda item: _submit(client, item, order))
        if order.wait:
            _for_each([item for item in items if item.job_id], "waiting", lambda item: _finish(client, item, order))
        for item in items:
            _print(item, base_url=client.base_url, as_json=as_json)
    return overall(items)


def overall(items: Sequence[Item]) -> int:
    """The one exit status for all files: authentication and time first, then how many failed."""
    failed = [item.code for item in items if item.code != OK]
    if not failed:
        return OK
    for special in (AUTH, TIMEOUT):
        if special in failed:
            return special
    return FAILURE if len(failed) == len(items) else PARTIAL


def _for_each(items: Sequence[Item], what: str, action: Callable[[Item], None]) -> None:
    """Progress on stderr; without a terminal nothing moves, and only failures are told."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=len(items))
        refused = False
        for item in items:
            if refused:
                # The key will not be better for the next file.
                item.refuse(Unauthorized())
                continue
            try:
                action(item)
            except LucencyError as error:
                item.refuse(error)
                console.print(f"{item.file}: {error.detail}", style="red", markup=False, soft_wrap=True)
            refused = item.code == AUTH
            progress.advance(task)


def _submit(client: Client, item: Item, order: Order) -> None:
    if not item.file.is_file():
        raise LucencyError(f"{item.file} is not a file.")
    try:
        job = client.submit(item.file, explain=order.labels, priority=order.priority, stability=order.stability)
    except OSError as error:
        raise LucencyError(f"{item.file} cannot be read: {error.strerror}.") from error
    item.job_id, item.state = job["id"], job["state"]


def _finish(client: Client, item: Item, order: Order) -> None:
    assert item.job_id is not None  # noqa: S101 — the caller's filter, for the type checker
    job = client.wait(item.job_id, timeout=order.timeout)
    item.state = job["state"]
    if item.state != "succeeded":
        item.code, item.problem = FAILURE, job["problem"]
        detail = (item.problem or {}).get("detail", "")
        raise _JobFailed(f"the job ended as {item.state}. {detail}", problem=item.problem)
    item.result = client.result(item.job_id)
    if order.out is not None:
        item.written = write_result(client, item.result, folder=order.out, name=item.file.name)


class _JobFailed(LucencyError):
    code, title = "job_failed", "The job did not succeed"

    def __init__(self, detail: str, *, problem: dict[str, Any] | None) -> None:
        super().__init__(detail)
        self.problem = problem or {}


def write_result(client: Client, result: ResultDict, *, folder: Path, name: str) -> list[str]:
    """Write `NAME.json` and, per explained finding, overlay and heatmap PNGs; returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    target = free_name(folder, name)
    target.write_text(json.dumps(result, indent=2))
    written = [target]
    for finding in result["findings"]:
        if not finding["explanation"]:
            continue
        for view in ("overlay", "heatmap"):
            picture = target.with_name(f"{target.stem}.{finding['label']}.{view}.png")
            picture.write_bytes(client.explanation(result["job_id"], finding["label"], view=view))
            written.append(picture)
    return [str(path) for path in written]


def free_name(folder: Path, name: str) -> Path:
    """`NAME.json` in the folder, numbered where two files of the order share a name."""
    target, number = folder / f"{name}.json", 1
    while target.exists():
        number += 1
        target = folder / f"{name}.{number}.json"
    return target


def _print(item: Item, *, base_url: str, as_json: bool) -> None:
    if as_json:
        print(json.dumps(item.as_dict()))  # noqa: T201 — the command's data
    elif item.result is not None:
        show(*result_tables(item.file.name, item.result, base_url=base_url))
    elif item.job_id is not None:
        print(f"{item.file}\t{item.job_id}\t{item.state}")  # noqa: T201
