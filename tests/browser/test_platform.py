"""The platform by hand: workers, models, deliveries; and that overview and drift show what really happened."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.catalogue import filled, said
from tests.browser.conftest import Visit
from tests.browser.stage import OPERATOR, Stage, radiograph
from tests.browser.test_admin import choice, confirm, row, taken
from tests.browser.test_live import mark
from tests.browser.watch import Watch
from tests.worker.deliveries.test_c_store import scp
from tests.worker.factories import publish
from tests.worker.inference.versions import another_version

# Workers follow within ten seconds; the page asks every ten, and is told of jobs at once.
FOLLOW_MS = 40_000
RESULT_MS = 60_000
VERSION = "9.9.9"


def figure(page: Page, name: str) -> Locator:
    return page.locator(f'[data-figure="{name}"]')


def test_the_overview_counts_what_happens_while_it_is_open(visit: Visit, stage: Stage) -> None:
    stage.done(radiograph(950))
    page = visit("/admin/overview")
    mark(page, "live")
    before = stage.hospital.get("/v1/overview").raise_for_status().json()
    succeeded = before["last_hour"]["succeeded"]
    assert succeeded > 0
    expect(figure(page, "per_minute")).to_contain_text(filled("overview.figure.hour", count=succeeded))
    expect(figure(page, "workers")).to_contain_text(str(before["workers"]["alive"]))
    stage.done(radiograph(951))
    expect(figure(page, "per_minute")).to_contain_text(filled("overview.figure.hour", count=succeeded + 1))
    expect(page.get_by_role("row", name=said("overview.phases.names.infer"))).to_contain_text("s")


@pytest.mark.slow
def test_drift_counts_the_sites_results(visit: Visit, stage: Stage) -> None:
    stage.done(radiograph(952))
    models = stage.hospital.get("/v1/models").raise_for_status().json()["items"]
    active = next(one for one in models if one["state"] == "active")
    asked = {"state": "succeeded", "model": active["id"]}
    count = stage.hospital.get("/v1/jobs/count", params=asked).raise_for_status().json()["count"]
    page = visit("/admin/drift")
    compared = said("drift.compared").replace("{{n}}", str(count)).replace("{{days}}", "30").partition(",")[0]
    expect(page.get_by_text(compared)).to_be_visible()
    card = page.get_by_role("region", name=said("drift.quantity.input.mean"))
    recent = stage.hospital.get(f"/v1/models/{active['id']}/drift").raise_for_status().json()
    (mean,) = (one for one in recent["quantities"] if one["name"] == "input.mean")
    assert mean["recent"]["n"] == count
    card.get_by_role("button", name=said("drift.numbers")).click()
    last = card.get_by_role("table").last.get_by_role("row").last
    expect(last.get_by_role("cell").nth(1)).to_have_text(str(mean["points"][-1]["n"]))


def _card(page: Page) -> Locator:
    """The one worker's."""
    return page.locator("article[data-worker]").last


def _press(page: Page, key: str) -> None:
    _card(page).get_by_role("button", name=said(key), exact=True).click()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_worker_is_drained_resumed_and_started_anew(visit: Visit, stage: Stage) -> None:
    page = visit("/admin/workers", as_=OPERATOR)
    card = page.locator("article[data-worker]").filter(has_text=said("workers.state.ready"))
    expect(card).to_have_count(1)
    try:
        card.get_by_role("button", name=said("workers.drain"), exact=True).click()
        drained = page.locator("article[data-worker]").filter(has_text=said("workers.state.drained"))
        expect(drained).to_have_count(1, timeout=FOLLOW_MS)
        job = stage.give(radiograph(953))
        watched = visit(f"/jobs/{job}")
        overview = visit("/admin/overview")
        expect(figure(overview, "workers")).to_contain_text(filled("overview.figure.drained", count=1))
        watched.wait_for_timeout(2_000)
        expect(watched.locator('[data-state="queued"]').first).to_be_visible()
        # Its page says why it waits, and stops saying so when it goes on.
        alone = watched.get_by_text(said("job.no_worker"))
        expect(alone).to_be_visible(timeout=FOLLOW_MS)
    finally:
        drained.get_by_role("button", name=said("workers.resume"), exact=True).click()
    expect(card).to_have_count(1, timeout=FOLLOW_MS)
    expect(watched.locator('[data-state="succeeded"]').first).to_be_visible(timeout=RESULT_MS)
    expect(alone).to_have_count(0)

    before = stage.child_of("worker-a")
    named = filled("workers.process", pid=before)
    expect(card).to_contain_text(named)
    card.get_by_role("button", name=said("workers.restart"), exact=True).click()
    confirm(page, said("workers.restart_title"), said("workers.restart"))
    expect(card).not_to_contain_text(named, timeout=FOLLOW_MS)
    expect(card).to_have_count(1, timeout=FOLLOW_MS)
    stage.until(lambda: stage.child_of("worker-a") not in {None, before}, what="another process")
    stage.done(radiograph(954))


def _move(page: Page, verb: str, name: str) -> None:
    """Press the button and say yes, having read which model it is."""
    page.get_by_role("button", name=said(f"models.move.{verb}"), exact=True).click()
    question = page.get_by_role("dialog", name=filled(f"models.ask.{verb}", name=name))
    if verb == "shadow":
        question.get_by_role("slider").press("End")
    question.get_by_role("button", name=said(f"models.move.{verb}"), exact=True).click()
    expect(question).to_have_count(0)


def _is(page: Page, state: str) -> None:
    expect(page.get_by_role("main").get_by_text(said(f"words.model_state.{state}")).first).to_be_visible()


def _judged_by(stage: Stage, seed: int) -> str:
    found = stage.hospital.get(f"/v1/jobs/{stage.done(radiograph(seed))}/result").raise_for_status().json()
    return str(found["model_version"]["id"])


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_model_is_tried_unseen_activated_and_taken_back(
    visit: Visit, stage: Stage, furnished: dict[str, str], bundle: Path, tmp_path: Path
) -> None:
    usual = furnished["model"]
    folder = another_version(bundle, tmp_path / "new", version=VERSION)
    new = str(publish(stage.database, stage.store, folder, activate=False))
    page = visit("/admin/models", as_=OPERATOR)
    page.get_by_role("link", name=VERSION).click()
    page.wait_for_url(f"**/admin/models/{new}")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_contain_text(VERSION)
    name = heading.inner_text()
    _is(page, "candidate")

    _move(page, "shadow", name)
    _is(page, "shadow")
    assert _judged_by(stage, 960) == usual
    page.get_by_role("tab", name=said("models.tabs.live")).click()
    beside = page.get_by_text(said("models.shadow.n"))
    stage.until(lambda: _compared(stage, new) > 0, what="judged by the shadow too")
    page.reload()
    expect(beside).to_be_visible()
    _move(page, "retire", name)
    _is(page, "retired")

    try:
        _move(page, "activate", name)
        _is(page, "active")
        _until_judged_by(stage, new, seeds=range(961, 990))
    finally:
        _move(page, "rollback", name)
    _is(page, "retired")
    _until_judged_by(stage, usual, seeds=range(1961, 1990))
    page.get_by_role("tab", name=said("models.tabs.history")).click()
    for event in ("replaced", "activated", "retired", "shadowed", "registered"):
        expect(page.get_by_text(said(f"models.event.{event}"), exact=True).first).to_be_visible()
    expect(page.get_by_role("main").get_by_text(OPERATOR.name).first).to_be_visible()

    page.goto("/admin/audit?platform=true")
    expect(row(page, said("audit.actions.model_moved"))).not_to_have_count(0)
    expect(row(page, said("audit.actions.model_moved")).first).to_contain_text(OPERATOR.name)


def _compared(stage: Stage, model: str) -> int:
    headers = {"Authorization": f"Bearer {stage.key}"}  # of another Site, with every scope
    found = httpx2.get(f"{stage.address}/v1/models/{model}/comparison", headers=headers, timeout=30)
    return int(found.raise_for_status().json()["jobs"])


def _until_judged_by(stage: Stage, model: str, *, seeds: range) -> None:
    left = iter(seeds)
    stage.until(lambda: _judged_by(stage, next(left)) == model, what="results of that model", timeout=20)


@pytest.mark.slow
def test_a_delivery_that_was_refused_is_sent_again(visit: Visit, stage: Stage) -> None:
    answers = [0xA900]
    got: list[str] = []

    def store(event: Any) -> int:
        got.append(event.request.AffectedSOPInstanceUID)
        return answers[0]

    name = "PACS of the ward"
    page = visit("/admin/deliveries")
    with contextlib.ExitStack() as open_, scp(store) as port:
        page.get_by_role("button", name=said("deliveries.new")).click()
        form = page.get_by_role("dialog", name=said("deliveries.new"))
        form.get_by_label(said("deliveries.name"), exact=True).fill(name)
        choice(page, form.get_by_role("combobox", name=said("deliveries.how")), said("deliveries.kind.c_store"))
        form.get_by_label(said("deliveries.host"), exact=True).fill("127.0.0.1")
        form.get_by_label(said("deliveries.port"), exact=True).fill(str(port))
        form.get_by_label(said("deliveries.called")).fill("PACS")
        form.get_by_role("checkbox", name=said("reports.sent.sr")).uncheck()
        form.get_by_role("checkbox", name=said("reports.sent.sc")).check()
        form.get_by_role("button", name=said("deliveries.make")).click()
        expect(row(page, name)).to_contain_text(f"127.0.0.1:{port}")
        open_.callback(_remove, page, name)

        job = stage.done(radiograph(955))
        page.get_by_role("tab", name=said("deliveries.sent")).click()
        refused = row(page, name).filter(has_text=said("deliveries.is.dead"))
        expect(refused).to_contain_text(said("problems.delivery_refused"), timeout=RESULT_MS)
        answers[0] = 0
        refused.get_by_role("button", name=said("deliveries.redeliver")).click()
        expect(row(page, name).filter(has_text=said("deliveries.is.delivered"))).to_be_visible(timeout=RESULT_MS)
        assert len(got) == 2
        assert got[0] == got[1], "the same instance, bit for bit"
        page.goto(f"/jobs/{job}")
        card = page.get_by_role("main").locator("section").filter(has_text=said("job.deliveries"))
        expect(card.get_by_text(name)).to_have_count(2)
        expect(card.get_by_text(said("job.delivery.delivered"), exact=True)).to_be_visible()
        expect(card.get_by_text(said("problems.delivery_refused"))).to_be_visible()


def _remove(page: Page, name: str) -> None:
    """Other tests' results shall not go there."""
    page.goto("/admin/deliveries")
    remove = filled("deliveries.of", action=said("deliveries.remove"), name=name)
    page.get_by_role("button", name=remove).click()
    confirm(page, remove, said("deliveries.remove"))
    expect(row(page, name)).to_have_count(0)


@pytest.mark.slow
def test_a_webhook_may_not_reach_inwards_and_says_so(visit: Visit, watch: Watch, stage: Stage) -> None:
    name = "inwards"
    page = visit("/admin/deliveries")
    page.get_by_role("button", name=said("deliveries.new")).click()
    form = page.get_by_role("dialog", name=said("deliveries.new"))
    form.get_by_label(said("deliveries.name"), exact=True).fill(name)
    address, make = form.get_by_label(said("deliveries.url")), form.get_by_role("button", name=said("deliveries.make"))
    address.fill("example.org")
    make.click()
    expect(form.get_by_text(said("deliveries.url_wrong"))).to_be_visible()
    watch.allow("^422: POST /v1/delivery-rules$")
    address.fill(f"http://127.0.0.1:{stage.port}/hook")
    make.click()
    expect(form.get_by_text(said("problems.target_refused"))).to_be_visible()
    # A name is judged when it is resolved, each time.
    address.fill(f"http://localhost:{stage.port}/hook")
    make.click()
    secret = taken(page, name, said("deliveries.signing_key"))
    try:
        stage.done(radiograph(956))
        page.get_by_role("tab", name=said("deliveries.sent")).click()
        given_up = row(page, name).filter(has_text=said("deliveries.is.dead"))
        expect(given_up).to_contain_text(said("problems.delivery_address_refused"), timeout=RESULT_MS)
        page.get_by_role("tab", name=said("deliveries.rules")).click()
        expect(row(page, name)).to_contain_text(f"localhost:{stage.port}")
        assert secret not in page.content()
    finally:
        _remove(page, name)
