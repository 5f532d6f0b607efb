"""`python -m benchmarks.backlog`: what one job costs in Postgres beside 1,000 and beside 1,000,000 other jobs."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import create_engine, text

from benchmarks.figures import Figure, figure, ratios
from core.settings import Settings
from db.repositories import jobs
from db.session import Database, Session, make_database
from lucency.stack.embedded import EmbeddedServers
from tests.factories import make_image, make_model, make_outcome, make_site

BATCH = 8
FIRST_TURNS = 20
LIMIT = 3_000_000

# Every row as the real statements leave it: an image, a job and its events each; a finished one with its prediction.
FILL = """
SET LOCAL session_replication_role = replica;
INSERT INTO image (id, site_id, sha256, size_bytes, media_kind, rows, columns, bits_stored)
SELECT uuidv7(), '{site}', encode(sha256(('{state}' || n)::bytea), 'hex'), 1000, 'png', 640, 480, 8
FROM generate_series(1, {count}) AS n;
INSERT INTO job (id, site_id, image_id, explain, request_hash, idempotency_key, max_attempts, deadline_at, created_at,
    priority, state, attempt, fence, started_at, finished_at)
SELECT uuidv7(), site_id, id, '{{fracture}}', sha256, sha256, 5, now() + interval '1 day',
    now() - row_number() OVER () * interval '1 ms', 0, '{state}', {done}, {done},
    CASE {done} WHEN 1 THEN now() END, CASE {done} WHEN 1 THEN now() END
FROM image WHERE site_id = '{site}';
INSERT INTO job_event (job_id, kind, state, fence)
SELECT job.id, event.kind, event.state, event.fence FROM job CROSS JOIN (VALUES
    ('submitted', 'queued', 0), ('claimed', 'running', 1), ('succeeded', 'succeeded', 1)) AS event (kind, state, fence)
WHERE site_id = '{site}' AND event.fence <= {done};
INSERT INTO prediction (id, job_id, model_version_id, fence, engine, region, region_probability, region_probabilities,
    rows, columns, preview_key, "window", timings_ms)
SELECT uuidv7(), id, '{model}', 1, 'onnxruntime', 'leg', 0.9, '{{"leg": 0.9}}', 640, 480, 'out/' || id || '/1/preview',
    '{{0,0,1,1}}', '{{"infer": 7.5}}'
FROM job WHERE site_id = '{site}' AND {done} = 1;
"""


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.backlog")
    arguments.add_argument("--small", type=int, default=1_000)
    arguments.add_argument("--large", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--turns", type=int, default=40)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="lucency-bench-", ignore_cleanup_errors=True) as folder:
        sizes = (options.small, options.large)
        figures, details = measure(Path(folder), sizes=sizes, rounds=options.rounds, turns=options.turns)
    sys.stdout.write(json.dumps({name: one.as_json() for name, one in figures.items()} | details, indent=2) + "\n")


def measure(
    folder: Path, *, sizes: tuple[int, int], rounds: int, turns: int
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """A job's cost beside the second number of jobs ÷ beside the first, waiting and done; each round is of `turns`."""
    figures: dict[str, Figure] = {}
    details: dict[str, Any] = {}
    servers = EmbeddedServers(folder, durable=False)
    try:
        servers.postgres.start()
        servers.postgres.wait_ready()
        for state in ("queued", "succeeded"):
            found, details[state] = compare(servers, state, sizes=sizes, rounds=rounds, turns=turns)
            figures |= found
    finally:
        servers.kill()
    return figures, details


class Side:
    """One database that was filled with `count` jobs of `state`."""

    def __init__(self, servers: EmbeddedServers, state: str, count: int) -> None:
        name = f"{state}_{count}"
        servers.postgres.psql(f"CREATE DATABASE {name}")
        url = SecretStr(servers.postgres.url(name))
        command = [str(Path(sys.executable).parent / "lucency"), "db", "migrate"]
        subprocess.run(command, env={"LUCENCY_DATABASE_URL": url.get_secret_value()}, check=True, capture_output=True)
        settings = Settings(database_url=url, database_statement_timeout=1200)
        self.database: Database = make_database(settings, application_name="backlog", pool_size=1)
        with self.database.unit_of_work() as session:
            self.site: UUID = make_site(session).id
            self.model: UUID = make_model(session).id
            others = make_site(session).id
        with self.database.unit_of_work() as session:
            done = int(state == "succeeded")
            session.connection().exec_driver_sql(
                FILL.format(site=others, model=self.model, state=state, count=count, done=done).replace("%", "%%")
            )
        with self.database.unit_of_work() as session:
            self.image: UUID = make_image(session, self.site).id
        self.forget()
        # The first turns are before the statistics: an empty table that was counted is read from end to end for as
        # long as nobody counts it again, and none of a platform's is empty.
        for _ in range(FIRST_TURNS):
            self.turn()
        engine = create_engine(url.get_secret_value(), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text("VACUUM ANALYZE"))
            connection.execute(text("CHECKPOINT"))
        engine.dispose()
        self.forget()

    def forget(self) -> None:
        """What was timed so far."""
        self.phases: dict[str, list[float]] = {"submit": [], "claim": [], "finish": []}

    def timed(self, phase: str, work: Callable[[Session], Any]) -> Any:
        """Run `work` in a transaction; keep its milliseconds per job of a batch."""
        started = time.perf_counter()
        with self.database.unit_of_work() as session:
            done = work(session)
        self.phases[phase].append((time.perf_counter() - started) * 1000)
        return done

    def turn(self) -> None:
        """Submit a batch, one transaction each; claim as many of what is due, and finish them."""
        for _ in range(BATCH):
            self.timed(
                "submit",
                lambda session: jobs.submit(
                    session,
                    site_id=self.site,
                    image_id=self.image,
                    request_hash="h",
                    queue_limit=LIMIT,
                    site_active_limit=LIMIT,
                ),
            )
        claims = self.timed("claim", lambda session: jobs.claim(session, owner="bench", limit=BATCH, lease_s=30))
        outcomes = [make_outcome(claim, self.model) for claim in claims]
        done = self.timed("finish", lambda session: jobs.succeed(session, outcomes))
        assert len(done) == BATCH

    def per_job(self) -> dict[str, float]:
        """Milliseconds per job: the median of each phase and their sum; `mean` has the limits' counts in it."""
        submit, claim, finish = (self.phases[name] for name in ("submit", "claim", "finish"))
        medians = {
            "submit": statistics.median(submit),
            "claim": statistics.median(claim) / BATCH,
            "finish": statistics.median(finish) / BATCH,
        }
        return {
            **medians,
            "job": sum(medians.values()),
            "mean": sum(map(sum, self.phases.values())) / len(submit),
        }

    def seldom(self) -> dict[str, float]:
        """Milliseconds of what is done once in seconds: the sweep, the metrics."""
        asked: dict[str, Callable[[Session], Any]] = {
            "sweep": jobs.sweep,
            "counts_by_state": jobs.counts_by_state,
            "oldest_due_age": jobs.oldest_due_age,
        }
        took = {}
        for name, ask in asked.items():
            times = []
            for _ in range(3):
                started = time.perf_counter()
                with self.database.unit_of_work() as session:
                    ask(session)
                times.append((time.perf_counter() - started) * 1000)
            took[name] = statistics.median(times)
        return took


def compare(
    servers: EmbeddedServers, state: str, *, sizes: tuple[int, int], rounds: int, turns: int
) -> tuple[dict[str, Figure], dict[str, Any]]:
    """Both sizes in turn, so that the machine's other load meets both alike."""
    sides = [Side(servers, state, count) for count in sizes]
    for side in sides * 5:
        side.turn()
    costs: list[list[dict[str, float]]] = [[], []]
    for _ in range(rounds):
        for side in sides:
            side.forget()
        for _ in range(turns):
            for side in sides:
                side.turn()
        for side, kept in zip(sides, costs, strict=True):
            kept.append(side.per_job())
    small, large = costs
    figures = {f"backlog.{state}": ratios([one["job"] for one in large], [one["job"] for one in small])}
    if state == "queued":
        figures["claims_and_finishes_per_s"] = figure(1000 / (one["claim"] + one["finish"]) for one in large)
    details = {
        "sizes": sizes,
        "small_ms": {name: figure(one[name] for one in small).as_json() for name in small[0]},
        "large_ms": {name: figure(one[name] for one in large).as_json() for name in large[0]},
        "seldom_ms": sides[1].seldom(),
    }
    for side in sides:
        side.database.dispose()
    return figures, details


if __name__ == "__main__":
    main()
