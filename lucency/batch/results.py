"""What `lucency batch` gives at its end: tables and a summary, and the results as files."""

from __future__ import annotations

import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice, product
from pathlib import Path
from typing import Any

from rich.table import Table

from core.errors import LucencyError, NotFound
from core.vocabulary import ReportKind
from lucency.batch.files import Skipped, wire_path
from lucency.batch.journal import Lost, Planned
from lucency.batch.run import Run
from lucency.responses import BatchDict, ItemDict, Summary

EXAMPLES = 3
FAILED_STATES = frozenset({"failed", "dead", "cancelled", "expired"})
UNSENT = ("not_received", "not_in_manifest")


@dataclass
class Tally:
    """Files by outcome, jobs by state, and failures by (stage, code) with their titles, of all batches together."""

    counts: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    causes: Counter[tuple[str, str]] = field(default_factory=Counter)
    titles: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, batch: BatchDict, *, unsent: int) -> None:
        """A batch as the server has it; `unsent` of its files are lost on this side, or in a later batch."""
        self.counts.update(batch["counts"])
        self.jobs.update(batch["jobs"])
        self.counts["rejected" if batch["state"] == "closed" else "awaiting"] -= unsent
        for failure in batch["failures"]:
            cause, count = (failure["stage"], failure["code"]), failure["count"]
            if failure["code"] in UNSENT:
                count, unsent = max(0, count - unsent), max(0, unsent - count)
            self.causes[cause] += count
            self.titles[cause] = failure["title"]

    def lose(self, lost: Lost) -> None:
        self.counts["lost"] += 1
        self.causes["lost", lost.code] += 1
        self.titles.setdefault(("lost", lost.code), lost.detail)


def summary(run: Run, *, seconds: float) -> Summary:
    """Everything in numbers: `files` is the sum of `counts`, whatever was killed in between.

    `lost` are rejections on this side; the server's `not_received` for the same files is not counted again.
    """
    batches, memory, tally = run.batches(), run.journal.memory, Tally()
    lost = Counter(one.batch for one in memory.lost.values())
    for planned, batch in batches:
        tally.add(batch, unsent=planned.superseded + lost[planned.number])
    for one in memory.lost.values():
        tally.lose(one)
    done = all(batch["done"] for _, batch in batches)
    if done:
        run.journal.end()
    overall = (memory.ended or time.time()) - (memory.began or time.time())
    through = sum(batch["progress"] * batch["files"] for _, batch in batches)
    skipped = Counter({reason.value: count for reason, count in run.skipped.items()})
    skipped[Skipped.NOT_IMAGE.value] += len(run.not_images)
    return {
        "folder": str(run.order.folder),
        "batches": [{"id": batch["id"], "files": batch["files"], "done": batch["done"]} for _, batch in batches],
        "files": sum(tally.counts.values()),
        "counts": {name: tally.counts[name] for name in ("job", "duplicate", "rejected", "lost", "awaiting")},
        "jobs": dict(sorted((+tally.jobs).items())),
        "failures": _failures(run, batches, tally),
        "skipped": dict(sorted((+skipped).items())),
        "done": done,
        "this_run": {"seconds": round(seconds, 1), "sent": asdict(run.sent)},
        "overall": {"seconds": round(overall, 1), "files_per_s": round(through / overall, 2) if overall > 0 else None},
        "journal": str(run.journal.path),
    }


def _failures(run: Run, batches: list[tuple[Planned, BatchDict]], tally: Tally) -> list[dict[str, Any]]:
    """By cause, the most frequent first, each with the paths of some examples."""
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for lost in run.journal.memory.lost.values():
        examples["lost", lost.code].append(wire_path(lost.path))
    stages = {stage for stage, _ in +tally.causes} - {"lost"}
    for stage, (_, batch) in product(sorted(stages), batches):
        for item in run.client.batch_items(batch["id"], state=stage):
            cause = (stage, item["code"] or "")
            if item["code"] is not None and len(examples[cause]) < EXAMPLES:
                examples[cause].append(item["path"])
    return [
        {
            "stage": stage, "code": code, "title": tally.titles[stage, code], "count": count,
            "examples": examples[stage, code][:EXAMPLES],
        }
        for (stage, code), count in (+tally.causes).most_common()
    ]  # fmt: skip


def tables(found: Summary) -> list[Table | str]:
    """The summary for people."""
    counts = found["counts"]
    outcome = Table(title=f"{found['files']} files", title_justify="left")
    for heading in ("outcome", "files"):
        outcome.add_column(heading, justify="right" if heading == "files" else "left")
    waiting = sum(found["jobs"].get(state, 0) for state in ("queued", "running", "retry_wait"))
    failed = sum(found["jobs"].get(state, 0) for state in FAILED_STATES)
    rows = {
        "judged": found["jobs"].get("succeeded", 0), "still being judged": waiting,
        "held for release": found["jobs"].get("held", 0), "job failed": failed,
        "duplicate": counts["duplicate"], "rejected": counts["rejected"], "lost on this side": counts["lost"],
        "not sent yet": counts["awaiting"],
    }  # fmt: skip
    for name, count in rows.items():
        if count:
            outcome.add_row(name, str(count))
    skipped = ", ".join(f"{count} {reason.replace('_', ' ')}" for reason, count in found["skipped"].items())
    sent, overall = found["this_run"]["sent"], found["overall"]
    speed = f" ({overall['files_per_s']:.1f} files/s)" if overall["files_per_s"] else ""
    return [
        outcome,
        *([_cause_table(found["failures"])] if found["failures"] else []),
        *([f"left out: {skipped}"] if skipped else []),
        f"this run: {sent['files']} files ({sent['bytes'] / 1e6:.1f} MB) sent in {found['this_run']['seconds']:.1f} s; "
        f"since the first run began: {overall['seconds']:.1f} s{speed}",
    ]


def _cause_table(failures: list[dict[str, Any]]) -> Table:
    table = Table(title="what failed, by cause", title_justify="left")
    for heading in ("where", "code", "what it means", "files", "for example"):
        table.add_column(heading, overflow="fold", justify="right" if heading == "files" else "left")
    where = {"rejected": "rejected", "job": "job failed", "lost": "on this side"}
    for failure in failures:
        row = (where.get(failure["stage"], failure["stage"]), failure["code"], failure["title"])
        table.add_row(*row, str(failure["count"]), "\n".join(failure["examples"]))
    return table


def failed_files(found: Summary) -> int:
    """How many files have neither a result nor the prospect of one."""
    return int(sum(failure["count"] for failure in found["failures"]))


class Collection:
    """The results in a folder: `results.csv`, `results.ndjson`, and below `files/` a folder for each judged file.

    What is there already is not fetched again; each file appears under its name only when it is whole.
    """

    def __init__(self, run: Run, folder: Path) -> None:
        self._run, self._client, self._folder = run, run.client, folder
        self._whole: set[str] = set()

    def fetch(self) -> None:
        """All that is there now of the batches that were not fetched to their end before."""
        batches = [batch for _, batch in self._run.batches()]
        news = [batch for batch in batches if batch["id"] not in self._whole]
        if not news:
            return
        self._tables(batches)
        judged = sum(batch["jobs"].get("succeeded", 0) + batch["counts"]["duplicate"] for batch in news)
        with self._run.bars.phase("collecting", total=judged) as phase:
            for batch in news:
                for error in self._files(batch):
                    phase.advance()
                    if error is not None:
                        self._run.bars.say(f"A result is missing: {error.detail}", style="red")
        self._whole |= {batch["id"] for batch in news if batch["done"]}

    def _tables(self, batches: list[BatchDict]) -> None:
        """The rows of all batches, one after the other."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for kind in ("csv", "ndjson"):
            whole = self._folder / f".results.{kind}.part"
            with whole.open("wb") as target:
                for number, batch in enumerate(batches):
                    self._append(batch["id"], kind, target.fileno(), headless=kind == "csv" and number > 0)
            whole.replace(self._folder / f"results.{kind}")

    def _append(self, batch_id: str, kind: Any, target: int, *, headless: bool) -> None:
        part = self._folder / f".batch.{kind}.part"
        with part.open("w+b") as file:
            self._client.batch_results(batch_id, kind, file)
            file.seek(0)
            if headless:
                file.readline()
            while piece := file.read(1024 * 1024):
                os.write(target, piece)
        part.unlink()

    def _files(self, batch: BatchDict) -> Iterator[LucencyError | None]:
        """Fetch each judged file's result, overlays and reports; what went wrong with each, if anything."""
        judged = (
            item
            for item in self._client.batch_items(batch["id"])
            if item["job"] is not None and item["job_state"] == "succeeded"
        )
        with ThreadPoolExecutor(max_workers=self._run.order.jobs, thread_name_prefix="collect") as pool:
            while some := list(islice(judged, 100)):
                yield from pool.map(self._collect, some)

    def _collect(self, item: ItemDict) -> LucencyError | None:
        job = str(item["job"])
        folder = self._folder / "files" / _safe(item["path"])
        try:
            result = self._client.result(job)
            for kind in self._run.order.reports:
                with suppress(NotFound):  # a PNG has no presentation state
                    name = f"report{ReportKind(kind).form.suffix}"
                    _once(folder / name, lambda kind=kind: self._client.report(job, kind))
            for finding in result["findings"]:
                label = finding["label"]
                if finding["explanation"]:
                    _once(folder / f"{_safe(label)}.png", lambda label=label: self._client.explanation(job, label))
        except NotFound as error:
            return error
        # Last: where it is, everything beside it is whole.
        _once(folder / "result.json", lambda: json.dumps(result, indent=2).encode())
        return None


def _once(path: Path, fetch: Any) -> None:
    if path.exists():
        return
    content: bytes = fetch()
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(content)
    draft.replace(path)


def _safe(path: str) -> str:
    """A relative path that stays where it is put, whatever the server says."""
    parts = [part for part in path.replace("\0", "_").split("/") if part not in {"", ".", ".."}]
    return "/".join(parts) or "_"
