"""Submitting as people do: files, samples, several at once; and the result arrives while they look."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.catalogue import pattern, said
from tests.browser.conftest import Visit
from tests.browser.stage import LEG, SUBMITTER, Stage, archive, dicom, radiograph

RESULT_MS = 60_000


def choose(page: Page, files: dict[str, bytes]) -> None:
    """Choose files in the browser's own dialogue."""
    given = [{"name": name, "mimeType": "application/octet-stream", "buffer": data} for name, data in files.items()]
    page.get_by_test_id("files").set_input_files(given)  # type: ignore[arg-type]


def test_dicom_and_png_go_in_and_their_results_come_by_themselves(visit: Visit, stage: Stage) -> None:
    for name, content in ((LEG, dicom()), ("wrist.png", radiograph(901))):
        page = visit("/submit", as_=SUBMITTER)
        choose(page, {name: content})
        card = page.locator("article[data-drop]").first
        expect(card.get_by_text(name, exact=True)).to_be_visible()
        result = card.get_by_role("link", name=said("submit.see_result"))
        expect(result).to_be_visible(timeout=RESULT_MS)
        result.click()
        page.wait_for_url("**/jobs/*")
        job = stage.hospital.get(f"/v1/jobs/{page.url.rpartition('/')[2]}").raise_for_status().json()
        assert job["state"] == "succeeded"
        expect(page.locator('[data-state="succeeded"]').first).to_be_visible()


def test_from_a_sample_to_its_result_in_two_clicks(visit: Visit) -> None:
    page = visit("/")
    page.wait_for_url("**/submit")
    title = said("submit.samples.known.lower-leg.title")
    page.get_by_role("button", name=said("submit.samples.try_named").replace("{{title}}", title)).click()
    page.get_by_role("link", name=said("submit.see_result")).click(timeout=RESULT_MS)
    page.wait_for_url("**/jobs/*")
    expect(page.locator('[data-state="succeeded"]').first).to_be_visible()


def test_what_is_no_radiograph_is_refused_in_plain_words(visit: Visit, watch: object) -> None:
    watch.allow("^4..: POST /v1/jobs$")  # type: ignore[attr-defined]
    page = visit("/submit")
    choose(page, {"letter.txt": b"Dear colleague, thank you for"})
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text(said("submit.rejected_title"))
    expect(alert).not_to_contain_text("Error")
    assert page.get_by_role("link", name=said("submit.see_result")).count() == 0


def test_a_zip_with_duplicates_and_a_stray_file_adds_up(visit: Visit, stage: Stage) -> None:
    known = radiograph(910)
    stage.done(known)
    files = {f"ward/{number}.png": radiograph(911 + number) for number in range(3)}
    files |= {"ward/again.png": known, "ward/notes.txt": b"not a radiograph"}
    page = visit("/submit")
    choose(page, {"ward.zip": archive(files)})
    card = page.locator("article[data-drop]")
    expect(card).to_have_attribute("data-drop", "done", timeout=RESULT_MS)
    expect(card.get_by_text(said("submit.phase.through"))).to_be_visible(timeout=RESULT_MS)
    expect(card.get_by_text(pattern("submit.tally.judged_of")).first).to_have_text(
        said("submit.tally.judged_of").replace("{{judged}}", "4").replace("{{count}}", "4")
    )
    assert card.locator('[data-stage="duplicate"]').count() == 1
    # Each row says what was found in its file.
    expect(card.locator('[data-job-state="succeeded"] [data-decision]')).to_have_count(4)
    assert card.locator('[data-stage="rejected"]').count() == 1
