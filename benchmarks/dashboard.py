"""`python -m benchmarks.dashboard`: what one open dashboard tab costs the API, and how soon it shows a change.

Needs a running `lucency up` whose home is LUCENCY_HOME. Jobs are put into the queue beside the API, so that it has
nothing else to do; a real worker works at them. The tab is a real client: one event stream, and the overview asked for
again whenever an event touches it, as the page does.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import threading
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import psutil
from sqlalchemy import text

from core.settings import Settings, load_settings
from db.repositories import jobs
from db.session import Database, make_database
from tests.data import encoded, generated_radiograph

FILL = text("""
INSERT INTO job (id, site_id, image_id, explain, request_hash, max_attempts, deadline_at, priority)
SELECT uuidv7(), site_id, image_id, explain, request_hash, 5, now() + interval '1 day', -5
FROM job, generate_series(1, :count) WHERE job.id = :job RETURNING id
""")
QUEUED = text("SELECT count(*) FROM job WHERE state = 'queued' AND site_id = :site")
FINISHED = text("SELECT count(*) FROM job WHERE finished_at IS NOT NULL AND site_id = :site")
REFRESH_S = 15.0


class Subscriber:
    """A page on the overview: `look` after each event that touches it, and each REFRESH_S seconds."""

    def __init__(self, url: str, key: str) -> None:
        self._address = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {key}"}
        self._asking = self._connect()
        self._ended = threading.Event()
        self._changed = threading.Event()
        self.overview: dict[str, Any] = {}
        self.events = self.looks = 0
        self._stream = self._connect()
        self._stream.request("GET", "/v1/events", headers=self._headers)
        self._socket = self._stream.sock
        self._answer = self._stream.getresponse()
        assert self._answer.status == 200
        self.look()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._hear, self._refetch)]
        for thread in self._threads:
            thread.start()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=60)

    def look(self) -> None:
        self._asking.request("GET", "/v1/overview", headers=self._headers)
        answer = self._asking.getresponse()
        body = answer.read()
        assert answer.status == 200, body
        self.overview = json.loads(body)
        self.looks += 1

    def close(self) -> None:
        self._ended.set()
        self._changed.set()
        self._threads[1].join()
        self._socket.shutdown(2)
        self._threads[0].join()

    def _hear(self) -> None:
        try:
            while line := self._answer.readline():
                if line.startswith(b"data:") and (b'"overview"' in line or b'"*"' in line):
                    self.events += 1
                    self._changed.set()
        except (OSError, ValueError, http.client.HTTPException):
            return

    def _refetch(self) -> None:
        while not self._ended.is_set():
            self._changed.wait(REFRESH_S)
            self._changed.clear()
            if not self._ended.is_set():
                self.look()


def main() -> None:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.dashboard")
    arguments.add_argument("--seconds", type=float, default=30, help="of each measurement of processor time")
    arguments.add_argument("--rounds", type=int, default=2)
    arguments.add_argument("--queued", type=int, default=1000)
    arguments.add_argument("--changes", type=int, default=15)
    options = arguments.parse_args()
    settings = load_settings()
    database = make_database(settings, application_name="benchmark", pool_size=2)
    site, template = _template(settings, database)
    measured = {
        "change to overview": delays(settings, database, site, template, options),
        "processor": costs(settings, database, site, template, options),
    }
    database.dispose()
    print(json.dumps(measured, indent=1))


def delays(settings: Settings, database: Database, site: UUID, template: UUID, options: argparse.Namespace) -> Any:
    """Seconds from a job's cancelling to the overview that counts it, with the queue kept at `queued` jobs at least."""
    tab = _tab(settings)
    took, least = [], 1 << 30
    for _ in range(options.changes):
        made = _fill(database, site, template, atleast=options.queued)
        least = min(least, _queued(database, site))
        before = tab.overview["last_day"]["cancelled"]
        with database.unit_of_work() as session:
            jobs.cancel(session, site_id=site, job_id=made)
        started = time.perf_counter()
        while tab.overview["last_day"]["cancelled"] == before:
            assert time.perf_counter() - started < 10, "the change was never shown"
            time.sleep(0.005)
        took.append(time.perf_counter() - started)
        time.sleep(0.37)
    tab.close()
    return {
        "jobs queued": least,
        "changes": len(took),
        "median_s": round(statistics.median(took), 2),
        "worst_s": round(max(took), 2),
    }


def costs(settings: Settings, database: Database, site: UUID, template: UUID, options: argparse.Namespace) -> Any:
    """Shares of a core that the API takes with and without one tab, in turns, while a worker works."""
    api = _listener(urlsplit(settings.api_url).port or 80)
    shares: dict[bool, list[float]] = {True: [], False: []}
    looks, done = [], []
    for number in range(2 * options.rounds):
        _fill(database, site, template, atleast=options.queued)
        with_tab = number % 2 == 0
        tab = _tab(settings) if with_tab else None
        time.sleep(2)
        before, ended, seen = _cpu(api), _finished(database, site), tab.looks if tab is not None else 0
        started = time.perf_counter()
        while time.perf_counter() - started < options.seconds:
            _fill(database, site, template, atleast=options.queued)
            time.sleep(1)
        seconds = time.perf_counter() - started
        shares[with_tab].append((_cpu(api) - before) / seconds)
        done.append((_finished(database, site) - ended) / seconds)
        if tab is not None:
            looks.append((tab.looks - seen) / seconds)
            tab.close()
    one, none = statistics.median(shares[True]), statistics.median(shares[False])
    return {
        "of a core, with one tab": round(one, 4),
        "without": round(none, 4),
        "the tab": round(one - none, 4),
        "overviews a second": round(statistics.mean(looks), 2),
        "jobs a second": round(statistics.mean(done), 1),
    }


def _template(settings: Settings, database: Database) -> tuple[UUID, UUID]:
    """The Site of the key, and a job of it to copy."""
    address = urlsplit(settings.api_url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    picture = encoded(generated_radiograph(640, 480, seed=7), "PNG")
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture + b"\r\n--b--\r\n"
    headers = {"Authorization": f"Bearer {_key(settings)}", "Content-Type": "multipart/form-data; boundary=b"}
    connection.request("POST", "/v1/jobs", body, headers)
    answer = connection.getresponse()
    job = UUID(json.loads(answer.read())["id"])
    with database.unit_of_work() as session:
        site = session.execute(text("SELECT site_id FROM job WHERE id = :job"), {"job": job}).scalar_one()
    return site, job


def _key(settings: Settings) -> str:
    assert settings.api_key is not None, "no API key: is LUCENCY_HOME the home of a running stack?"
    return settings.api_key.get_secret_value()


def _tab(settings: Settings) -> Subscriber:
    return Subscriber(settings.api_url, _key(settings))


def _queued(database: Database, site: UUID) -> int:
    with database.unit_of_work() as session:
        return int(session.execute(QUEUED, {"site": site}).scalar_one())


def _finished(database: Database, site: UUID) -> int:
    with database.unit_of_work() as session:
        found = session.execute(
            text("SELECT count(*) FROM job WHERE finished_at IS NOT NULL AND site_id = :site"), {"site": site}
        )
        return int(found.scalar_one())


def _fill(database: Database, site: UUID, template: UUID, *, atleast: int) -> UUID:
    """Put jobs into the queue up to half as many again; the last one put there, else the last one queued."""
    lacking = atleast - _queued(database, site)
    with database.unit_of_work() as session:
        made = list(session.scalars(FILL, {"job": template, "count": max(1, lacking + atleast // 2 * (lacking > 0))}))
        last: UUID = made[-1]
        return last


def _listener(port: int) -> psutil.Process:
    """The process that listens on the API's port."""
    for connection in psutil.net_connections("tcp"):
        listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
        if listens and connection.pid is not None:
            return psutil.Process(connection.pid)
    raise SystemExit(f"nothing listens on port {port}")


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
