"""`lucency batch` on a made folder while the client and the API are killed, and what must be true afterwards.

`python -m tests.chaos.batch_run --files 5000` is the long form (`make chaos-batch`); `test_kills.py` has the short one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import func, select, text

from core.settings import load_settings
from core.vocabulary import JobEventKind
from db.repositories import jobs
from db.tables import BatchItem, Image, Job, JobEvent
from lucency.client import Client
from lucency.stack.processes import child_environment
from tests.chaos.batch_corpus import Expected, make
from tests.chaos.harness import NORMAL, Platform

ROOT = Path(__file__).parent.parent.parent
PUT_ROUTE = "/files/{sha256}"
# What ends the run with "some files failed", which is what a folder with broken files must end with.
PARTIAL = 3


@dataclass
class BatchRun:
    """One folder, one client's home, and what was done to both sides meanwhile."""

    platform: Platform
    folder: Path
    expected: Sequence[Expected]
    jobs: int = 4
    kills: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.platform.home / "client"
        self.home.mkdir(exist_ok=True)
        self.began = time.monotonic()
        with self.platform.database.unit_of_work() as session:
            self.jobs_before = set(session.scalars(select(Job.id)))
        self.log_before = self.platform.log("api").stat().st_size if self.platform.log("api").exists() else 0

    # --- Doing ----------------------------------------------------------------------------------------------------

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "lucency.commands", "batch", str(self.folder), "--recursive", "--json"]
        variables = {
            "LUCENCY_HOME": str(self.home),
            "LUCENCY_API_URL": self.platform.address,
            "LUCENCY_API_KEY": self.platform.key,
        }
        environment = child_environment(self.home, variables)
        with (self.home / "client.log").open("ab") as log:
            return subprocess.Popen(
                [*command, "--jobs", str(self.jobs)],
                cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip

    def run(self, *, client_at: Sequence[float], api_at: float, api_away_s: float = 1.0) -> dict[str, Any]:
        """Kill the client at these shares of the received files, the API at that one; the last client's summary."""
        manifest = sum(one.outcome in {"job", "rejected", "duplicate"} for one in self.expected)
        faults = sorted([(at, "client") for at in client_at] + [(api_at, "api")])
        client = self.start()
        for share, name in faults:
            received = self._until_received(share * manifest, client)
            self.kills.append({"killed": name, "at_s": round(self.seconds, 1), "received": received})
            if name == "client":
                os.kill(client.pid, signal.SIGKILL)
                assert client.wait() == -signal.SIGKILL
                assert client.stdout is not None
                client.stdout.close()
                client = self.start()
            else:
                self.platform.kill("api")
                time.sleep(api_away_s)
                self.platform.launch("api")
        output, _ = client.communicate()
        assert client.returncode == PARTIAL, (client.returncode, self.client_log())
        summary: dict[str, Any] = json.loads(output)
        return summary

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def client_log(self) -> str:
        return (self.home / "client.log").read_text()[-4000:]

    def received(self) -> int:
        with self.platform.database.unit_of_work() as session:
            query = select(func.count()).select_from(BatchItem).where(BatchItem.state != "awaiting")
            return session.scalars(query).one()

    def _until_received(self, count: float, client: subprocess.Popen[str]) -> int:
        while (now := self.received()) < count:
            assert client.poll() is None, (client.returncode, self.client_log())
            time.sleep(0.05)
        return now

    # --- What must be true ----------------------------------------------------------------------------------------

    def check(self, summary: Mapping[str, Any]) -> dict[str, Any]:
        """Asserts everything; returns the figures."""
        taken = [one for one in self.expected if one.outcome in {"job", "rejected", "duplicate"}]
        (batch,) = summary["batches"]
        with Client(self.platform.address, self.platform.key) as client:
            items = {item["path"]: item for item in client.batch_items(batch["id"])}
            seen = client.batch(batch["id"])
        assert set(items) == {one.path for one in taken}
        by_content: dict[str, list[Any]] = defaultdict(list)
        truth: dict[str, Expected] = {}
        for one in taken:
            by_content[str(one.sha256)].append(items[one.path])
            if one.outcome != "duplicate":
                truth[str(one.sha256)] = one
        for sha256, same in by_content.items():
            self._check_content(truth[sha256], same)
        counts = Counter(item["state"] for item in items.values())
        lost = Counter(one.detail for one in self.expected if one.outcome == "lost")
        assert dict(counts) == {name: count for name, count in seen["counts"].items() if count}
        assert summary["counts"] == dict.fromkeys(summary["counts"], 0) | dict(counts) | {"lost": lost.total()}
        assert sum(summary["counts"].values()) == summary["files"] == len(taken) + lost.total()
        causes = {(f["stage"], f["code"]): f["count"] for f in summary["failures"]}
        wanted = Counter((one.outcome, one.detail) for one in self.expected if one.detail != "succeeded")
        assert causes == {key: count for key, count in wanted.items() if key[0] in {"job", "rejected", "lost"}}
        return {"counts": summary["counts"], "causes": {f"{s} {c}": n for (s, c), n in sorted(causes.items())}}

    @staticmethod
    def _check_content(truth: Expected, same: Sequence[Any]) -> None:
        """One content: its first file has the outcome, and all others point at it."""
        if truth.outcome == "rejected":
            assert {(item["state"], item["code"]) for item in same} == {("rejected", truth.detail)}, same
            return
        assert sorted(item["state"] for item in same) == ["duplicate"] * (len(same) - 1) + ["job"], same
        assert len({item["job"] for item in same}) == 1, same
        ended = "succeeded" if truth.detail == "succeeded" else "failed"
        assert {item["job_state"] for item in same} == {ended}, (truth, same)
        first = next(item for item in same if item["state"] == "job")
        assert first["code"] == (None if ended == "succeeded" else truth.detail), (truth, same)

    def uploads(self) -> dict[str, int]:
        """What the server saw of bodies: from its own log, and from the rows that only an accepted body makes."""
        statuses: Counter[int] = Counter()
        with self.platform.log("api").open("rb") as log:
            log.seek(self.log_before)
            for line in log:
                if b'"request"' in line and PUT_ROUTE.encode() in line:
                    entry = json.loads(line)
                    statuses[entry["status"]] += entry["method"] == "PUT"
        with self.platform.database.unit_of_work() as session:
            submitted = set(session.scalars(select(Job.id))) - self.jobs_before
            events = Counter(
                session.scalars(select(JobEvent.job_id).where(JobEvent.kind == JobEventKind.SUBMITTED.value))
            )
        judged = {one.sha256 for one in self.expected if one.outcome == "job"}
        refused = {one.sha256 for one in self.expected if one.outcome == "rejected"}
        # One job a content, submitted once; of the answers the API's death may have cost those in flight.
        assert len(submitted) == len(judged)
        assert all(events[job_id] == 1 for job_id in submitted)
        assert len(judged) - self.jobs <= statuses[201] <= len(judged), statuses
        rejected = sum(count for status, count in statuses.items() if 400 <= status < 500)
        # A client killed inside a request leaves a broken body, which is answered 400 to nobody.
        broken_off = self.jobs * sum(fault["killed"] == "client" for fault in self.kills)
        assert len(refused) - self.jobs <= rejected <= len(refused) + broken_off, statuses
        # A body that came again for a content that was decided: none.
        assert statuses[200] == 0, statuses
        return {
            "contents": len(judged | refused), "put_201": statuses[201], "put_4xx": rejected, "put_200_again": 0,
            "put_5xx": sum(count for status, count in statuses.items() if status >= 500), "jobs": len(submitted),
        }  # fmt: skip

    def judged_per_s(self) -> float:
        """Images a second from the first claim to the last end."""
        with self.platform.database.unit_of_work() as session:
            count, seconds = session.execute(
                text("SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)) FROM job")
            ).one()
        return float(count) / float(seconds)

    def worker_alone_per_s(self, count: int) -> float:
        """The same workers on `count` images of the same batch, with neither client nor API at work."""
        with self.platform.database.unit_of_work() as session:
            query = select(Image.site_id, Image.id).join(Job, Job.image_id == Image.id).where(Job.state == "succeeded")
            sample = session.execute(query.order_by(func.md5(text("image.id::text"))).limit(count)).all()
            again: list[UUID] = [
                jobs.submit(
                    session, site_id=site_id, image_id=image_id, request_hash=uuid4().hex, explain=["fracture"]
                ).job.id
                for site_id, image_id in sample
            ]
        query = text(
            "SELECT count(*), extract(epoch FROM max(finished_at) - min(started_at)) FROM job "
            "WHERE id = ANY(:ids) AND state = 'succeeded'"
        )

        def figures() -> tuple[int, float]:
            with self.platform.database.unit_of_work() as session:
                done, seconds = session.execute(query, {"ids": again}).one()
            return int(done), float(seconds or 0)

        self.platform.until(lambda: figures()[0] == len(again), what="the workers alone", timeout=600)
        done, seconds = figures()
        return done / seconds


def main() -> None:
    """Make the files, run, check, and write the figures."""
    arguments = argparse.ArgumentParser(prog="python -m tests.chaos.batch_run")
    arguments.add_argument("--files", type=int, default=5000)
    arguments.add_argument("--bundle", type=Path, default=ROOT / "bundles" / "default")
    arguments.add_argument("--out", type=Path)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="lucency-batch-") as name:
        folder = Path(name) / "files"
        folder.mkdir()
        expected = make(folder, count=options.files, data=load_settings().data.resolve())
        size = sum((folder / one.path).stat().st_size for one in expected if one.sha256 is not None)
        home = Path(name) / "platform"
        home.mkdir()
        platform = Platform(home, options.bundle.absolute())
        try:
            figures = measure(platform, folder, expected)
        finally:
            platform.close()
    figures = {"files": options.files, "megabytes": round(size / 1e6, 1), **figures}
    told = json.dumps(figures, indent=1) + "\n"
    if options.out is not None:
        options.out.write_text(told)
    sys.stdout.write(told)


def measure(platform: Platform, folder: Path, expected: Sequence[Expected]) -> dict[str, Any]:
    """The run with two kills of the client and one of the API, checked; then the workers alone."""
    platform.start(*NORMAL)
    run = BatchRun(platform, folder, expected)
    summary = run.run(client_at=(0.2, 0.7), api_at=0.45, api_away_s=5.0)
    seconds = run.seconds
    figures = {"kills": run.kills, **run.check(summary), "uploads": run.uploads(), "seconds": round(seconds, 1)}
    load = os.getloadavg()[1]  # over 5 minutes; after the run, and after the workers alone
    rate, alone = run.judged_per_s(), run.worker_alone_per_s(min(600, len(expected) // 4))
    return figures | {
        "files_per_s": round(len(expected) / seconds, 2), "judged_per_s": round(rate, 2),
        "workers_alone_per_s": round(alone, 2), "ratio": round(rate / alone, 3), "client": summary["overall"],
        "cores": os.cpu_count(), "load": [round(load, 1), round(os.getloadavg()[1], 1)],
    }  # fmt: skip


if __name__ == "__main__":
    main()
