"""What a reader sees while things happen: work that ends, is cancelled, retried or replayed, and processes that die."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.catalogue import said
from tests.browser.conftest import Visit
from tests.browser.stage import PROCESSES, Stage, radiograph
from tests.browser.test_submit import choose
from tests.browser.watch import Watch

LONG_MS = 90_000


def state(page: Page, name: str, *, timeout: float = LONG_MS) -> None:
    """Wait until the job's page says, by itself, that it is in this state."""
    expect(page.get_by_role("main").locator(f'[data-state="{name}"]').first).to_be_visible(timeout=timeout)


def mark(page: Page, name: str, *, timeout: float = LONG_MS) -> None:
    """Wait until the page says how it hears of changes: live, polling or stale."""
    expect(page.locator(f'[data-live="{name}"]')).to_be_visible(timeout=timeout)


def test_a_waiting_job_is_cancelled_and_retried(visit: Visit, stage: Stage) -> None:
    held = stage.hold_worker(rows=161)
    try:
        job = stage.give(radiograph(930))
        page = visit(f"/jobs/{job}")
        state(page, "queued")
        page.get_by_role("button", name=said("job.do.cancel"), exact=True).click()
        page.get_by_role("dialog").get_by_role("button", name=said("job.do.cancel"), exact=True).click()
        state(page, "cancelled")
        page.get_by_role("button", name=said("job.do.retry"), exact=True).click()
        page.wait_for_url(lambda url: job not in url)
        state(page, "queued")
    finally:
        stage.marks.let_go()
    # Nobody touches the page: it hears of the end by itself.
    state(page, "succeeded")
    assert stage.wait(held)["state"] == "succeeded"


def test_a_worker_dies_while_its_job_is_watched(visit: Visit, stage: Stage) -> None:
    held = stage.hold_worker(rows=162)
    page = visit(f"/jobs/{held}")
    try:
        state(page, "running")
        mark(page, "live")
        stage.kill("worker-a")
    finally:
        stage.marks.let_go()
        stage.start("worker-a")
    state(page, "succeeded")
    assert stage.wait(held)["state"] == "succeeded"


def test_the_api_dies_and_comes_back_while_a_page_is_watched(visit: Visit, watch: Watch, stage: Stage) -> None:
    held = stage.hold_worker(rows=163)
    try:
        page = visit(f"/jobs/{held}")
        state(page, "running")
        mark(page, "live")
        with watch.api_away():
            stage.kill("api")
            mark(page, "stale")
            expect(page.get_by_text(said("shell.live.stale_since"))).to_be_visible()
            stage.start("api")
            mark(page, "live")
    finally:
        stage.start("api")
        stage.marks.let_go()
    expect(page.get_by_text(said("shell.live.stale_since"))).to_have_count(0)
    state(page, "succeeded")


def test_a_dead_job_is_replayed_when_its_cause_is_gone(visit: Visit, stage: Stage, furnished: dict[str, str]) -> None:
    dead = furnished["buried"]
    page = visit("/admin/dead")
    page.get_by_role("button", name=said("dead.show")).first.click()
    row = page.locator(f'[data-job="{dead}"]')
    expect(row).to_be_visible()
    stage.marks.cure()
    try:
        row.get_by_role("button", name=said("dead.replay")).click()
        expect(row).to_have_count(0, timeout=LONG_MS)
        made = stage.hospital.get("/v1/jobs", params={"limit": 1}).raise_for_status().json()["items"][0]["id"]
        assert made != dead
        assert stage.wait(made)["state"] == "succeeded"
    finally:
        stage.marks.fall_ill()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_files_become_a_batch_that_is_seen_to_end(visit: Visit, stage: Stage) -> None:
    _batch_of(200, visit, stage)


def test_thirty_files_become_a_batch_that_is_seen_to_end(visit: Visit, stage: Stage) -> None:
    """The short form of the one above."""
    _batch_of(30, visit, stage)


def _batch_of(count: int, visit: Visit, stage: Stage) -> None:
    page = visit("/submit")
    seeds = range(20_000 + count, 20_000 + 2 * count)
    choose(page, {f"{seed}.png": radiograph(seed, rows=160, columns=120) for seed in seeds})
    card = page.locator("article[data-drop]")
    expect(card).to_have_attribute("data-drop", "done", timeout=LONG_MS * 2)
    card.get_by_role("link", name=said("submit.to_batch")).click()
    page.wait_for_url("**/batches/*")
    batch = page.url.rpartition("/")[2]
    done = re.compile(rf"100\s?% · {said('batches.stage.done')}")
    expect(page.get_by_text(done)).to_be_visible(timeout=LONG_MS * 3)
    found = stage.hospital.get(f"/v1/batches/{batch}").raise_for_status().json()
    assert found["done"], found
    assert found["counts"]["job"] == count, found
    assert not found["failures"], found


def test_the_platform_is_whole_again(stage: Stage) -> None:
    """The tests above kill: what comes after them finds every process at work."""
    assert all(stage.processes[name].poll() is None for name in PROCESSES)
