"""`python -m benchmarks.notifications`: what it costs claims and finishes that every change of a job is told (NOTIFY).

Postgres with fsync, as in production, and one LISTENing connection. Rounds with and without the triggers take turns; a
round claims eight jobs and finishes them, again and again, by one worker or by several at once.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import SecretStr
from sqlalchemy import text

from core.settings import Settings, inherited_environment
from db.notifications import CHANGED, Listener
from db.repositories import jobs
from db.session import Database, make_database
from lucency.stack.servers import Credentials, Postgres
from tests.factories import make_image, make_model, make_outcome, make_site

CLAIM = 8
FILL = """
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at)
SELECT uuidv7(), :site, :image, '{fracture}', 'h', 5, now() + interval '1 day' FROM generate_series(1, :count)
"""


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.notifications")
    arguments.add_argument("--rounds", type=int, default=12, help="pairs of rounds")
    arguments.add_argument("--claims", type=int, default=60, help="claims a round")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="lucency-bench-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        postgres = Postgres(home, Credentials.of(home))
        postgres.start()
        postgres.wait_ready()
        try:
            environment = inherited_environment() | {"LUCENCY_DATABASE_URL": postgres.url()}
            subprocess.run([sys.executable, "-m", "lucency.commands", "db", "migrate"], env=environment, check=True)
            measured = measure(postgres.url(), rounds=options.rounds, claims=options.claims)
        finally:
            postgres.stop()
    print(json.dumps(measured, indent=1))


def measure(url: str, *, rounds: int, claims: int) -> dict[str, Any]:
    database = make_database(Settings(database_url=SecretStr(url)), application_name="benchmark")
    heard: Counter[str] = Counter()
    listener = Listener(url, {CHANGED: lambda payload: heard.update([payload.split(" ")[1]])})
    listener.start()
    with database.unit_of_work() as session:
        model, site = make_model(session).id, make_site(session).id
        image = make_image(session, site).id
    measured: dict[str, Any] = {}
    for workers in (1, 4):
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(2 * rounds + 2):
            told = number % 2 == 0
            switch(database, told=told)
            with database.unit_of_work() as session:
                session.execute(text(FILL), {"site": site, "image": image, "count": claims * CLAIM})
            seconds = one_round(database, model, workers=workers)
            if number > 1:  # the first of each kind warms up
                times[told].append(1000 * seconds / claims)
        notified, without = statistics.median(times[True]), statistics.median(times[False])
        measured[f"{workers} worker(s)"] = {
            "ms a claim of eight, claimed and finished, told": round(notified, 2),
            "untold": round(without, 2),
            "ratio": round(notified / without, 3),
            "jobs a second, told": round(CLAIM * 1000 / notified),
        }
    listener.stop()
    database.dispose()
    return measured | {"notifications heard": heard.total()}


def switch(database: Database, *, told: bool) -> None:
    with database.unit_of_work() as session:
        for trigger in ("tell_jobs_made", "tell_jobs_moved"):
            session.execute(text(f"ALTER TABLE job {'ENABLE' if told else 'DISABLE'} TRIGGER {trigger}"))


def one_round(database: Database, model: UUID, *, workers: int) -> float:
    """Seconds until `workers` threads have claimed and finished all that is queued."""
    started = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        for done in [pool.submit(work, database, model, f"w{number}") for number in range(workers)]:
            done.result()
    return time.perf_counter() - started


def work(database: Database, model: UUID, owner: str) -> None:
    while True:
        with database.unit_of_work() as session:
            claimed = jobs.claim(session, owner=owner, limit=CLAIM, lease_s=30)
        if not claimed:
            return
        with database.unit_of_work() as session:
            jobs.succeed(session, [make_outcome(claim, model) for claim in claimed])


if __name__ == "__main__":
    main()
