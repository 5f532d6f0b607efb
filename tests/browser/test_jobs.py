"""The list of jobs by hand, what is held until someone looked, and what a job's page gives away."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.catalogue import filled, said
from tests.browser.conftest import Visit
from tests.browser.stage import LEG, VIEWER, Stage, dicom, radiograph
from tests.browser.test_live import LONG_MS, state
from tests.browser.watch import Watch

PAGE = 50
# A priority that no other test uses tells this test's jobs from all others.
PRIORITY, COUNT = -7, 56


def rows(page: Page) -> Locator:
    return page.locator("tr[data-job]")


def ids(page: Page) -> list[str]:
    found: list[str] = rows(page).evaluate_all("(rows) => rows.map((row) => row.dataset.job)")
    return found


def downloaded(page: Page, link: Locator) -> bytes:
    with page.expect_download() as waiting:
        link.click()
    return waiting.value.path().read_bytes()


@pytest.fixture
def waiting(stage: Stage) -> Iterator[list[str]]:
    """More jobs than a page holds, newest first, which wait behind a worker that is busy."""
    held = stage.hold_worker(rows=166)
    fields = {"priority": str(PRIORITY)}
    made: list[str] = []
    for _ in range(COUNT):
        answer = stage.hospital.post("/v1/jobs", data=fields, files={"file": ("image.png", radiograph(970, rows=160))})
        made.insert(0, str(answer.raise_for_status().json()["id"]))
    yield made
    stage.hospital.post("/v1/jobs/bulk", json={"action": "cancel", "filter": {"priority": [PRIORITY]}})
    stage.marks.let_go()
    assert stage.wait(held)["state"] == "succeeded"


@pytest.mark.slow
def test_a_long_list_is_turned_over_chosen_from_and_saved(visit: Visit, stage: Stage, waiting: list[str]) -> None:
    page = visit(f"/jobs?priority={PRIORITY}")
    newest, newer, older = (
        page.get_by_role("navigation", name=said("jobs.pages")).get_by_role("button", name=said(f"jobs.{word}"))
        for word in ("newest", "newer", "older")
    )
    expect(rows(page)).to_have_count(PAGE)
    assert ids(page) == waiting[:PAGE]
    expect(page.get_by_text(filled("jobs.count_other", number=COUNT))).to_be_visible()
    _choose(page, waiting[0])
    older.click()
    expect(rows(page)).to_have_count(COUNT - PAGE)
    assert ids(page) == waiting[PAGE:]
    expect(older).to_be_disabled()
    # The browser's own way back and forth is the same as the page's.
    page.go_back()
    expect(rows(page)).to_have_count(PAGE)
    expect(newer).to_be_disabled()
    page.go_forward()
    expect(rows(page)).to_have_count(COUNT - PAGE)
    page.reload()
    expect(rows(page)).to_have_count(COUNT - PAGE)
    newer.click()
    expect(rows(page)).to_have_count(PAGE)
    expect(newest).to_be_disabled()

    # One of the first page and all of the second.
    _choose(page, waiting[0])
    older.click()
    expect(rows(page)).to_have_count(COUNT - PAGE)
    page.get_by_role("checkbox", name=said("jobs.select_all")).click()
    chosen = [waiting[0], *waiting[PAGE:]]
    expect(page.get_by_text(filled("jobs.selected_other", count=len(chosen)))).to_be_visible()
    _do(page, "cancel")
    expect(page.get_by_text(filled("jobs.done.cancel_other", count=len(chosen)))).to_be_visible()
    expect(page.locator('tr[data-job][data-state="cancelled"]')).to_have_count(COUNT - PAGE)
    assert set(_in_state(stage, "cancelled")) == set(chosen)

    page.goto(f"/jobs?priority={PRIORITY}&state=cancelled")
    expect(rows(page)).to_have_count(len(chosen))
    saved = downloaded(page, page.get_by_role("link", name=said("jobs.csv"))).decode()
    table = list(csv.DictReader(io.StringIO(saved)))
    assert [one["job"] for one in table] == ids(page)
    assert {(one["state"], one["priority"]) for one in table} == {("cancelled", str(PRIORITY))}

    for job in chosen[:2]:
        _choose(page, job)
    _do(page, "retry")
    expect(page.get_by_text(filled("jobs.done.retry_other", count=2))).to_be_visible()
    again = [one for one in _jobs(stage) if one["replay_of"]]
    assert {one["replay_of"] for one in again} == set(chosen[:2])
    assert {one["state"] for one in again} == {"queued"}


def _choose(page: Page, job: str) -> None:
    page.get_by_role("checkbox", name=filled("jobs.select", id=job)).check()


def _do(page: Page, action: str) -> None:
    """Press the button for what is chosen, and say yes."""
    page.get_by_role("main").get_by_role("button", name=said(f"jobs.do.{action}"), exact=True).click()
    question = page.get_by_role("dialog", name=said(f"jobs.ask.{action}"))
    question.get_by_role("button", name=said(f"jobs.do.{action}"), exact=True).click()


def _jobs(stage: Stage) -> list[dict[str, str]]:
    found: list[dict[str, str]] = (
        stage.hospital.get("/v1/jobs", params={"priority": PRIORITY, "limit": 100}).raise_for_status().json()["items"]
    )
    return found


def _in_state(stage: Stage, wanted: str) -> list[str]:
    return [one["id"] for one in _jobs(stage) if one["state"] == wanted]


@pytest.mark.slow
def test_filters_are_in_the_address_and_stay(visit: Visit, stage: Stage, furnished: dict[str, str]) -> None:
    dead = furnished["dead"]
    page = visit("/jobs")
    expect(rows(page).nth(1)).to_be_visible()
    page.get_by_role("group", name=said("jobs.state")).get_by_text(said("words.state.dead"), exact=True).click()
    page.get_by_role("searchbox", name=said("jobs.text")).fill(dead[:18])
    page.wait_for_url(f"**/jobs?**{dead[:18]}**")
    assert "dead" in page.url.partition("?")[2]

    def shown() -> None:
        expect(rows(page)).to_have_count(1)
        assert ids(page) == [dead]
        expect(page.get_by_role("searchbox", name=said("jobs.text"))).to_have_value(dead[:18])
        expect(page.get_by_text(filled("jobs.count_one", number=1), exact=True)).to_be_visible()

    shown()
    page.reload()
    shown()
    page.get_by_role("link", name=dead[:18]).click()
    page.wait_for_url(f"**/jobs/{dead}")
    page.go_back()
    shown()
    page.get_by_role("searchbox", name=said("jobs.text")).fill("nothing is called so")
    expect(page.get_by_text(said("jobs.none_matching"))).to_be_visible()
    page.get_by_role("button", name=said("jobs.clear")).click()
    expect(rows(page).nth(1)).to_be_visible()
    assert "?" not in page.url


def burned(number: int) -> bytes:
    """The leg, which says of itself that something is written into it."""
    source = pydicom.dcmread(io.BytesIO(dicom(LEG)))
    source.BurnedInAnnotation = "YES"
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = f"2.25.{number}"
    written = io.BytesIO()
    source.save_as(written)
    return written.getvalue()


@pytest.mark.slow
def test_what_is_held_runs_when_someone_has_looked(visit: Visit, watch: Watch, stage: Stage) -> None:
    page = visit("/admin/sites")
    page.get_by_role("combobox", name=said("admin.sites.burned_in")).click()
    page.get_by_role("option", name=said("admin.sites.burned_in_is.quarantine"), exact=True).click()
    page.get_by_role("main").get_by_role("button", name=said("shell.save"), exact=True).click()
    expect(page.get_by_text(said("admin.saved"))).to_be_visible()
    try:
        job = stage.give(burned(980), name=LEG)
        page.goto(f"/jobs/{job}")
        state(page, "held")
        expect(page.get_by_text(said("job.situation.held"))).to_be_visible()
        watch.allow(f"^403: GET /v1/jobs/{job}/(radiograph|display)$")
        reader = visit(f"/jobs/{job}", as_=VIEWER)
        state(reader, "held")
        expect(reader.get_by_role("button", name=said("job.do.release"))).to_have_count(0)
        reader.goto(f"/jobs/{job}/view")
        expect(reader.get_by_test_id("pane").get_by_text(said("problems.image_held"))).to_be_visible()
        expect(reader.get_by_test_id("surface")).to_have_count(0)
        page.get_by_role("button", name=said("job.do.release"), exact=True).click()
        question = page.get_by_role("dialog", name=said("job.ask.release"))
        question.get_by_role("button", name=said("job.do.release"), exact=True).click()
        state(page, "succeeded", timeout=LONG_MS)
        expect(page.get_by_role("heading", name=said("job.downloads"))).to_be_visible()
    finally:
        stage.hospital.patch("/v1/site", json={"burned_in": "refuse"}).raise_for_status()


SR, SC, GSPS = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.11.1"
BEGINNINGS = {"pdf": b"%PDF-", "overlay": b"\x89PNG\r\n"}


def test_each_download_is_what_it_says(visit: Visit, furnished: dict[str, str]) -> None:
    job = furnished["job"]
    page = visit(f"/jobs/{job}", as_=VIEWER)
    got = {
        kind: downloaded(page, page.get_by_role("link", name=said(f"reports.download.{kind}"), exact=True))
        for kind in ("pdf", "sr", "sc", "gsps", "fhir", "json", "csv", "overlay")
    }
    for kind, beginning in BEGINNINGS.items():
        assert got[kind].startswith(beginning), kind
    for kind, sop_class in (("sr", SR), ("sc", SC), ("gsps", GSPS)):
        assert pydicom.dcmread(io.BytesIO(got[kind])).SOPClassUID == sop_class, kind
    assert pydicom.dcmread(io.BytesIO(got["sc"])).pixel_array.shape[2] == 3
    fhir, plain = json.loads(got["fhir"]), json.loads(got["json"])
    assert fhir["resourceType"] in {"Bundle", "DiagnosticReport"}
    assert job in json.dumps(plain)
    table = list(csv.DictReader(io.StringIO(got["csv"].decode())))
    assert {one["label"] for one in table} >= {"fracture"}


@pytest.mark.slow
def test_where_a_result_went_is_on_its_page(visit: Visit, furnished: dict[str, str]) -> None:
    for person, name in ((None, "PACS"), (VIEWER, said("job.a_rule").partition(" ")[0])):
        page = visit(f"/jobs/{furnished['job']}", **({"as_": person} if person else {}))
        card = page.get_by_role("main").locator("section").filter(has_text=said("job.deliveries"))
        expect(card.get_by_text(name).first).to_be_visible()
        expect(card.get_by_text(said("job.delivery.pending")).first).to_be_visible()
        # What is on its way is nobody's to send again.
        expect(card.get_by_role("button", name=said("job.do.redeliver"))).to_have_count(0)


@pytest.mark.slow
def test_a_saved_table_has_only_the_sites_own_jobs(visit: Visit, stage: Stage, tmp_path: Path) -> None:
    theirs = stage.give(radiograph(981), client=stage.elsewhere)
    page = visit("/jobs")
    saved = downloaded(page, page.get_by_role("link", name=said("jobs.csv"))).decode()
    assert theirs not in saved
    assert len(saved.splitlines()) > 1
