"""The goals of docs/performance.md, and whether a run met them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Judged:
    """One goal. `limit` is what a run must reach, `aim` what is worked for."""

    name: str
    value: float | None
    sign: str
    limit: float
    aim: float

    @property
    def met(self) -> bool:
        return self._reaches(self.limit)

    @property
    def aim_met(self) -> bool:
        return self._reaches(self.aim)

    def _reaches(self, bound: float) -> bool:
        if self.value is None:
            return False
        return self.value <= bound if self.sign == "<=" else self.value >= bound

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"met": self.met, "aim_met": self.aim_met}


# Name, where it stands, limit, aim: each the less the better.
SINGLE = (
    ("api_submit_to_put", "submit", "ratio", 6.0, 3.0),
    ("poll_p99_ms", "poll", "p99_ms", 100.0, 50.0),
    ("worker_ready_s", "worker", "ready_s", 5.0, 2.0),
    ("worker_child_rss_mb", "worker", "child_rss_mb", 500.0, 400.0),
)


def judge(measured: dict[str, Any]) -> list[Judged]:
    """Every goal that this run measured."""
    judged = [
        Judged(f"grad_cam.{engine}.{batch}", batches[batch]["ratio"], "<=", 1.1, 1.05)
        for engine, batches in measured.get("grad_cam", {}).items()
        for batch in ("b1", "b8")
    ]
    judged += [
        Judged(f"worker_to_ideal.{kind}", found["ratio"], ">=", 0.7, 0.85)
        for kind, found in measured.get("worker_to_ideal", {}).items()
    ]
    http = measured.get("http", {})
    for name in (name for name in http if name.endswith("_32")):
        judged.append(Judged(f"platform_to_naive.{name}", http[name]["to_naive"], ">=", 5.0, 20.0))
        judged.append(Judged(f"platform_to_stateless.{name}", http[name]["to_stateless"], ">=", 0.3, 0.6))
    if http:
        judged.append(Judged("http_errors_and_late", _faults(http), "<=", 0, 0))
    for name, section, field, limit, aim in SINGLE:
        if section in measured and field in measured[section]:
            judged.append(Judged(name, measured[section][field], "<=", limit, aim))
    return judged


def _faults(http: dict[str, Any]) -> float:
    """Errors of any server, and jobs of ours that were not done in time: a lost request makes no ratio better."""
    runs = [run for found in http.values() for run in (*found["platform"], *found["stateless"], found["naive"])]
    return float(sum(sum(run["errors"].values()) + run["accepted_only"] for run in runs))
