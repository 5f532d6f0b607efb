"""Prometheus metrics: HTTP by template, and the queue as Postgres knows it. No label names a site or a patient."""

from __future__ import annotations

import threading
import time

from fastapi import FastAPI, Response
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_fastapi_instrumentator import Instrumentator

from api.dependencies import BackendsOf
from core.errors import DatabaseUnavailable
from core.vocabulary import JobState
from db.repositories import jobs, workers
from db.session import Database

# The endpoint has no key: however often it is asked, Postgres is asked this often at most.
REFRESH = 10.0
WORKER_AGE = 30.0


class QueueGauges:
    """Jobs by state, the age of the oldest due Job, live workers; refreshed from Postgres on a scrape."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._jobs = Gauge("lucency_jobs", "Jobs by state.", ["state"], registry=registry)
        self._age = Gauge(
            "lucency_oldest_due_job_age_seconds", "How long the oldest due job has waited.", registry=registry
        )
        self._workers = Gauge("lucency_workers_alive", "Workers heard of in the last 30 s.", registry=registry)
        self._database = Gauge("lucency_database_up", "Whether Postgres answered.", registry=registry)
        self._lock = threading.Lock()
        self._refreshed = float("-inf")

    def refresh(self, database: Database) -> None:
        """At most once in REFRESH seconds; a database that is away leaves the last values and `database_up` 0."""
        with self._lock:
            if time.monotonic() - self._refreshed < REFRESH:
                return
            try:
                self._read(database)
            except DatabaseUnavailable:
                self._database.set(0)
            self._refreshed = time.monotonic()

    def _read(self, database: Database) -> None:
        with database.unit_of_work() as session:
            counts = jobs.counts_by_state(session)
            age = jobs.oldest_due_age(session)
            alive = workers.alive(session, within_s=WORKER_AGE)
        for state in JobState:
            self._jobs.labels(state.value).set(counts.get(state, 0))
        self._age.set(age or 0)
        self._workers.set(alive)
        self._database.set(1)


def install_metrics(app: FastAPI) -> None:
    """Measure every request, and serve `/metrics`."""
    registry = CollectorRegistry()
    gauges = QueueGauges(registry)
    instrumentator = Instrumentator(
        registry=registry, excluded_handlers=["^/metrics$", "^/healthz$", "^/readyz$"], should_group_status_codes=False
    )
    instrumentator.instrument(app)

    def metrics(backends: BackendsOf) -> Response:
        """Prometheus' text format."""
        gauges.refresh(backends.database)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app.add_api_route("/metrics", metrics, methods=["GET"], tags=["health"], response_class=Response)
