"""docs/performance.md says what the last whole benchmark measured, and goals are judged as they are written."""

from __future__ import annotations

import json

import pytest

from benchmarks import goals, report
from benchmarks.figures import figure
from tests.docs.pages import ROOT

RESULTS = ROOT / "benchmarks" / "results"


def test_the_page_is_of_the_last_run() -> None:
    runs = sorted(RESULTS.glob("*-run.json"))
    page = report.PAGE.read_text()
    measured = page.partition(report.BEGIN)[2].partition(report.END)[0]
    assert measured.strip() == (report.text(json.loads(runs[-1].read_text())).strip() if runs else "")


def test_a_missed_goal_is_said() -> None:
    found = {
        "worker_to_ideal.jpeg": figure([0.7, 0.74, 0.9, 0.1, 0.75]),
        "submit_to_put": figure([4, 5, 6, 5, 4.0]),
        "platform_to_stateless.jpeg": figure([0.9] * 4),
        "submit_commits": figure([1.0]),
    }
    judged = {goal.name: goal for goal in goals.judge(found)}
    assert not judged["worker_to_ideal.jpeg"].met  # the median, not the best
    assert judged["submit_to_put"].met
    assert not judged["platform_to_stateless.jpeg"].met  # too few rounds
    assert judged["submit_commits"].met  # counted, not timed
    assert (judged["worker_to_ideal.jpeg"].least, judged["worker_to_ideal.jpeg"].greatest) == (0.1, 0.9)


def test_a_short_run_guards_ratios() -> None:
    reached = {"worker_to_ideal.jpeg": 0.8, "submit_to_put": 4.0, "poll_p99_ms": 40.0}
    good = {"worker_to_ideal.jpeg": figure([0.65]), "submit_to_put": figure([4.9]), "poll_p99_ms": figure([900])}
    assert all(goal.met for goal in goals.guard(good, reached))
    assert {goal.name for goal in goals.guard(good, reached)} == {"worker_to_ideal.jpeg", "submit_to_put"}
    bad = {"worker_to_ideal.jpeg": figure([0.63]), "submit_to_put": figure([5.1])}
    assert not any(goal.met for goal in goals.guard(bad, reached))


def test_a_round_that_measured_nothing_ends_the_run() -> None:
    with pytest.raises(RuntimeError, match="nothing was measured"):
        figure([1.0, float("nan")])
