"""The viewer: a real radiograph whose window, heatmap and zoom can be seen to change; the report as PDF."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.catalogue import pattern, said
from tests.browser.conftest import Visit
from tests.browser.stage import VIEWER

TIMEOUT_MS = 60_000


def surface(page: Page) -> bytes:
    """The drawn radiograph, as PNG."""
    return page.get_by_test_id("surface").screenshot()


def opened(visit: Visit, job: str) -> Page:
    """The viewer, with the picture on its canvas and the heatmap over it."""
    page = visit(f"/jobs/{job}", as_=VIEWER)
    page.get_by_role("link", name=said("job.do.view"), exact=True).click()
    page.wait_for_url("**/view**")
    expect(page.get_by_test_id("readout").first).to_be_visible(timeout=TIMEOUT_MS)
    expect(page.get_by_test_id("heatmap").first).to_be_visible(timeout=TIMEOUT_MS)
    page.wait_for_timeout(300)
    return page


def test_window_and_opacity_change_what_is_seen(visit: Visit, furnished: dict[str, str]) -> None:
    page = opened(visit, furnished["job"])
    expect(page.get_by_text(said("viewer.not_for_diagnosis")).first).to_be_visible()
    readout = page.get_by_test_id("readout").first
    before, said_before = surface(page), readout.inner_text()
    box = page.get_by_test_id("surface").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 120, box["y"] + box["height"] / 2 + 60, steps=6)
    page.mouse.up()
    expect(readout).not_to_have_text(said_before)
    page.wait_for_timeout(200)
    windowed = surface(page)
    assert windowed != before

    slider = page.get_by_role("slider").first
    label = page.get_by_text(pattern("viewer.opacity")).first
    opacity_before = label.inner_text()
    slider.focus()
    page.keyboard.press("Home")
    expect(label).not_to_have_text(opacity_before)
    expect(page.get_by_test_id("heatmap").first).to_have_css("opacity", "0")
    page.keyboard.press("End")
    expect(page.get_by_test_id("heatmap").first).to_have_css("opacity", "1")


def test_the_report_is_a_pdf(visit: Visit, furnished: dict[str, str]) -> None:
    page = visit(f"/jobs/{furnished['job']}", as_=VIEWER)
    with page.expect_download(timeout=TIMEOUT_MS) as waiting:
        page.get_by_role("link", name=said("job.form.pdf"), exact=True).click()
    saved = waiting.value.path()
    assert saved.read_bytes().startswith(b"%PDF-")
