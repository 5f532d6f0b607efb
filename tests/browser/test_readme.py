"""The README's pictures: what a newcomer sees, from the first page to the platform's overview.

`make pictures` runs this and puts them into docs/images.
"""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.catalogue import said
from tests.browser.conftest import PATIENCE_MS, PICTURES, Visit
from tests.browser.stage import CHEST, OPERATOR, SUBMITTER, Stage, dicom, radiograph
from tests.browser.survey import settle

FOLDER = PICTURES / "readme"
LARGEST = 120_000  # bytes
WINDOW = {"width": 1280, "height": 900}
# Of the server's overlay, in pixels.
CAPTION, BAR = 26, 64

pytestmark = pytest.mark.slow


def kept(picture: Image.Image, name: str) -> None:
    """As small as everyone who clones likes to carry it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.webp"
    picture.convert("RGB").save(path, quality=88, method=6)
    assert path.stat().st_size <= LARGEST, f"{path.name} has {path.stat().st_size} bytes"


def shown(page: Page, name: str) -> None:
    """What the window shows."""
    settle(page)
    kept(Image.open(io.BytesIO(page.screenshot(animations="disabled"))), name)


def test_from_a_sample_to_its_result(visit: Visit, stage: Stage) -> None:
    stage.done(dicom(CHEST), name=CHEST)
    page = visit("/submit", as_=SUBMITTER, viewport=WINDOW)
    title = said("submit.samples.known.lower-leg.title")
    sample = page.get_by_role("button", name=said("submit.samples.try_named").replace("{{title}}", title))
    expect(sample).to_be_visible()
    shown(page, "submit")
    sample.click()
    page.get_by_role("link", name=said("submit.see_result")).click(timeout=PATIENCE_MS)
    view = page.get_by_role("link", name=said("job.do.view"), exact=True)
    expect(view).to_be_visible(timeout=PATIENCE_MS)
    job = page.url.rpartition("/")[2]
    shown(page, "job")
    page.emulate_media(color_scheme="dark")
    view.click()
    expect(page.get_by_test_id("heatmap").first).to_be_visible(timeout=PATIENCE_MS)
    page.keyboard.press("b")
    shown(page, "viewer")
    kept(_beside(stage, job), "overlay")


def _beside(stage: Stage, job: str) -> Image.Image:
    """The radiograph, and the server's own overlay of it."""
    plain, overlay = (
        Image.open(io.BytesIO(stage.hospital.get(f"/v1/jobs/{job}/explanations/fracture.png", params=asked).content))
        for asked in ({"opacity": 0}, {"boxes": True})
    )
    both = Image.new("RGB", (2 * overlay.width, overlay.height), "white")
    # Without its caption and its colour bar.
    both.paste(plain.crop((0, CAPTION, overlay.width - BAR, overlay.height)), (BAR // 2, CAPTION))
    both.paste(overlay, (overlay.width, 0))
    return both


def test_the_platform_at_work(visit: Visit, stage: Stage, furnished: dict[str, str]) -> None:
    stage.hold_worker(rows=181)
    try:
        for number, priority in enumerate([5] * 2 + [0] * 5 + [-5] * 14):
            file = {"file": ("image.png", radiograph(7000 + number))}
            stage.hospital.post("/v1/jobs", files=file, data={"priority": str(priority)}).raise_for_status()
        page = visit("/admin/overview", as_=OPERATOR, viewport=WINDOW)
        page.wait_for_timeout(2_500)
        shown(page, "overview")
    finally:
        stage.marks.let_go()
