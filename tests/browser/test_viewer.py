"""The viewer: the picture lies where the server draws it, keeps its depth, and what readers say is kept."""

from __future__ import annotations

import io
from uuid import uuid4

import cv2
import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.catalogue import filled, said
from tests.browser.conftest import PATIENCE_MS, PHONE, Visit
from tests.browser.stage import LEG, VIEWER, Stage, dicom, radiograph
from tests.browser.watch import Watch
from tests.chaos.batch_corpus import damaged_pixels
from tests.data import generated_radiograph
from tests.imaging.reference import dicom as written_dicom

Picture = NDArray[np.uint8]
# Of the overlay as the server draws it: the caption's band and the colour bar.
BAND, BAR = 26, 64
BARE = """(shown) => {
  for (const pane of document.querySelectorAll('[data-testid=pane]'))
    for (const part of pane.children) part.style.visibility = shown.includes(part.dataset.testid) ? '' : 'hidden';
}"""


def readout(page: Page, pane: int = 0) -> Locator:
    return page.get_by_test_id("readout").nth(pane)


def opened(visit: Visit, path: str, **options: object) -> Page:
    page = visit(path, **options)
    expect(readout(page)).to_be_visible(timeout=PATIENCE_MS)
    for heatmap in page.get_by_test_id("heatmap").all():
        expect(heatmap).to_have_js_property("complete", value=True, timeout=PATIENCE_MS)
    return page


def seen(page: Page, *parts: str) -> Picture:
    """The first pane with these of its parts alone, RGB."""
    page.evaluate(BARE, list(parts))
    box = page.get_by_test_id("surface").first.bounding_box()
    assert box is not None
    return np.asarray(Image.open(io.BytesIO(page.screenshot(clip=box))).convert("RGB"))


def place(page: Page) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the heatmap in the first pane."""
    surface, heatmap = (page.get_by_test_id(name).first.bounding_box() for name in ("surface", "heatmap"))
    assert surface is not None
    assert heatmap is not None
    left, top = heatmap["x"] - surface["x"], heatmap["y"] - surface["y"]
    return left, top, left + heatmap["width"], top + heatmap["height"]


def overlay(stage: Stage, job: str, turns: int) -> Picture:
    """The server's own drawing, without caption and colour bar, turned clockwise."""
    answer = stage.hospital.get(f"/v1/jobs/{job}/explanations/fracture.png")
    picture = np.asarray(Image.open(io.BytesIO(answer.raise_for_status().content)).convert("RGB"))
    return np.rot90(picture[BAND:, :-BAR], -turns)


def number(text: str, sign: str) -> float:
    """The number after `sign` in a read-out."""
    return float(text.partition(f"{sign} ")[2].partition(" ")[0].replace(",", ""))


@pytest.mark.parametrize("drawn_by", ["gpu", pytest.param("cpu", marks=pytest.mark.slow)])
def test_the_heatmap_lies_where_the_server_draws_it(
    visit: Visit, stage: Stage, furnished: dict[str, str], drawn_by: str
) -> None:
    job = furnished["job"]
    page = opened(visit, f"/jobs/{job}/view" + ("?cpu=true" if drawn_by == "cpu" else ""))
    for turns in (0, 1):
        if turns:
            page.keyboard.press("t")
            page.wait_for_timeout(300)
        left, top, right, bottom = place(page)
        both, alone = seen(page, "surface", "heatmap"), seen(page, "surface")
        # The picture is white to its edges and what surrounds it black: it ends where the heatmap ends.
        rows, columns = np.where(alone.max(axis=2) > 3)
        edges = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert np.abs(np.subtract(edges, (left, top, right, bottom))).max() < 1
        mine = both[round(top) : round(bottom), round(left) : round(right)]
        theirs = cv2.resize(overlay(stage, job, turns), mine.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(mine.astype(int) - theirs).mean() < 2
        (dx, dy), _ = cv2.phaseCorrelate(mine.mean(axis=2), theirs.mean(axis=2))
        assert np.hypot(dx, dy) < 0.5, "less than half a pixel apart"


def test_pixels_that_are_not_square_are_shown_as_a_reader_sees_them(visit: Visit, stage: Stage) -> None:
    """A picture of 320 × 240 of which every second row was stored: its place, its grey and its boxes."""
    shaft = (generated_radiograph(320, 240, seed=41).astype(np.uint16) * 16)[::2]
    uids = {"StudyInstanceUID": "1.41", "SeriesInstanceUID": "1.41.1", "SOPInstanceUID": "1.41.1.1"}
    window = {"BitsStored": 12, "HighBit": 11, "WindowCenter": 2048, "WindowWidth": 4096}
    spacing = {"ImagerPixelSpacing": [0.4, 0.2]}
    job = stage.done(written_dicom(shaft, **uids, **window, **spacing), name="flat.dcm")
    result = stage.hospital.get(f"/v1/jobs/{job}/result").json()
    assert (result["image"]["rows"], result["image"]["columns"]) == (160, 240)
    page = opened(visit, f"/jobs/{job}/view?boxes=true")
    left, top, right, bottom = place(page)
    assert (bottom - top) / (right - left) == pytest.approx(320 / 240, rel=0.01)
    # 0.2 mm a pixel of the picture, whichever way it lies.
    bar = page.get_by_test_id("scale-bar")
    per_mm = (right - left) / (240 * 0.2)
    length = float((bar.locator("..").text_content() or "").split(" mm")[0])
    box = bar.bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(length * per_mm, abs=1)
    regions = next(one for one in result["findings"] if one["label"] == "fracture")["regions_of_interest"]
    shapes = page.get_by_test_id("pane").locator("polygon")
    assert shapes.count() == 2 * len(regions)
    across, down = (right - left) / 240, (bottom - top) / 160
    for index, region in enumerate(regions):
        drawn = shapes.nth(2 * index).evaluate(
            "(one) => { const b = one.getBBox(); return [b.x, b.y, b.width, b.height]; }"
        )
        x, y, width, height = (region[name] for name in ("x", "y", "width", "height"))
        wanted = [left + x * across, top + y * down, width * across, height * down]
        assert np.abs(np.subtract(drawn, wanted)).max() < 1
    mine = seen(page, "surface")[round(top) : round(bottom), round(left) : round(right)].mean(axis=2)
    picture = cv2.resize((shaft / 16).astype(np.float32), (mine.shape[1], mine.shape[0]))
    assert np.abs(mine - picture).mean() < 255 * 0.03


def test_boxes_are_the_findings(visit: Visit, stage: Stage, furnished: dict[str, str]) -> None:
    job = furnished["job"]
    result = stage.hospital.get(f"/v1/jobs/{job}/result").json()
    regions = next(one for one in result["findings"] if one["label"] == "fracture")["regions_of_interest"]
    assert regions
    page = opened(visit, f"/jobs/{job}/view?boxes=true")
    left, top, right, _bottom = place(page)
    scale = (right - left) / result["image"]["columns"]
    surface = page.get_by_test_id("surface").first.bounding_box()
    assert surface is not None
    shapes = page.get_by_test_id("pane").locator("polygon")
    assert shapes.count() == 2 * len(regions)
    for index, region in enumerate(regions):
        drawn = shapes.nth(2 * index).evaluate(
            "(one) => { const b = one.getBBox(); return [b.x, b.y, b.width, b.height]; }"
        )
        wanted = [
            left + region["x"] * scale,
            top + region["y"] * scale,
            region["width"] * scale,
            region["height"] * scale,
        ]
        assert np.abs(np.subtract(drawn, wanted)).max() < 1
    expect(page.get_by_test_id("pane").get_by_text(f"{regions[0]['score']:.2f}").first).to_be_visible()


def test_windows_show_what_eight_bits_would_have_lost(visit: Visit, stage: Stage) -> None:
    """Two fields that differ by one of 4096 steps: alike in the file's window, black and white in a narrow one."""
    source = pydicom.dcmread(io.BytesIO(dicom(LEG)))
    pixels = np.full((400, 400), 2000, np.uint16)
    pixels[:, 200:] = 2001
    pixels[:40], pixels[-40:] = 0, 4095
    source.Rows = source.Columns = 400
    source.BitsStored, source.HighBit, source.PhotometricInterpretation = 12, 11, "MONOCHROME2"
    source.WindowCenter, source.WindowWidth = [2001, 2048], [2, 4096]
    source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    source.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    source.PixelData = pixels.tobytes()
    source["PixelData"].VR = "OW"
    source["PixelData"].is_undefined_length = False
    written = io.BytesIO()
    source.save_as(written)
    page = opened(visit, f"/jobs/{stage.done(written.getvalue(), name=LEG)}/view?heatmap=false")
    narrow = seen(page, "surface")
    middle = narrow.shape[0] // 2
    centre = narrow.shape[1] // 2
    dark, light = narrow[middle, centre - 40, 0], narrow[middle, centre + 40, 0]
    assert int(light) - int(dark) > 200
    page.keyboard.press("2")
    page.wait_for_timeout(300)
    wide = seen(page, "surface")
    assert abs(int(wide[middle, centre + 40, 0]) - int(wide[middle, centre - 40, 0])) <= 1
    page.keyboard.press("i")
    page.wait_for_timeout(300)
    assert abs(255 - int(seen(page, "surface")[middle, centre, 0]) - int(wide[middle, centre, 0])) <= 2


def test_a_picture_of_eight_bits_is_shown_as_stored(visit: Visit, stage: Stage) -> None:
    content = radiograph(990)
    page = opened(visit, f"/jobs/{stage.done(content)}/view")
    window = page.get_by_role("combobox", name=said("viewer.window_title"))
    expect(window).to_have_value(f"1 · {said('viewer.preset.stored')}")
    left, top, right, bottom = (round(edge) for edge in place(page))
    with_heatmap, drawn = seen(page, "surface", "heatmap"), seen(page, "surface")
    stored = np.asarray(Image.open(io.BytesIO(content)))
    wanted = cv2.resize(stored, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    assert np.abs(drawn[top:bottom, left:right, 0].astype(int) - wanted).mean() < 2
    assert np.ptp(with_heatmap.astype(int), axis=2).max() > 50, "the heatmap has colours"


def test_what_cannot_be_shown_or_judged_says_why(
    visit: Visit, watch: Watch, stage: Stage, furnished: dict[str, str]
) -> None:
    damaged = stage.give(damaged_pixels(991))
    stage.wait(damaged, "failed")
    watch.allow(f"^422: GET /v1/jobs/{damaged}/(radiograph|display)$")
    page = visit(f"/jobs/{damaged}/view", as_=VIEWER)
    expect(page.get_by_test_id("pane").get_by_role("alert")).to_contain_text(said("problems.decode_failed"))
    expect(page.get_by_test_id("surface")).to_have_count(0)
    side = page.get_by_role("complementary", name=said("viewer.side"))
    expect(side).to_contain_text(said("problems.decode_failed"))
    # A sound picture whose job has no result: it is shown, and the panel says what became of the job.
    page = opened(visit, f"/jobs/{furnished['dead']}/view")
    side = page.get_by_role("complementary", name=said("viewer.side"))
    expect(side).to_contain_text(said("problems.worker_crashed"))
    expect(page.get_by_test_id("heatmap")).to_have_count(0)


def test_hands_move_window_and_picture(visit: Visit, furnished: dict[str, str]) -> None:
    page = opened(visit, f"/jobs/{furnished['job']}/view")
    before = readout(page).inner_text()
    box = page.get_by_test_id("surface").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 50, y, steps=4)
    page.mouse.up()
    expect(readout(page)).not_to_have_text(before)
    assert number(readout(page).inner_text(), "W") > number(before, "W")
    page.keyboard.press("1")
    expect(readout(page)).to_have_text(before)
    fitted = place(page)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -500)
    page.wait_for_timeout(300)
    larger = place(page)
    assert larger[2] - larger[0] > 1.5 * (fitted[2] - fitted[0])
    # What is under the pointer stays there: here the centre.
    assert abs((larger[0] + larger[2]) - (fitted[0] + fitted[2])) < 2
    page.keyboard.press("p")
    page.mouse.down()
    page.mouse.move(x - 60, y - 30, steps=4)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert np.abs(np.subtract(place(page), np.subtract(larger, (60, 30, 60, 30)))).max() < 1
    page.keyboard.press("n")
    expect(readout(page)).to_contain_text("100 %")
    page.keyboard.press("0")
    expect(readout(page)).to_have_text(before)
    slider = page.get_by_role("slider")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert page.get_by_test_id("heatmap").evaluate("(one) => one.style.opacity") == "0.41"
    page.keyboard.press("h")
    expect(page.get_by_test_id("heatmap")).to_have_count(0)


@pytest.mark.slow
def test_another_image_stands_beside_it(visit: Visit, stage: Stage) -> None:
    jobs: list[str] = []
    study, patient = pydicom.uid.generate_uid(), uuid4().hex
    for day in ("20240110", "20240101"):
        source = pydicom.dcmread(io.BytesIO(dicom(LEG)))
        source.StudyInstanceUID = study if not jobs else pydicom.uid.generate_uid()
        source.PatientID, source.StudyDate = patient, day
        source.SOPInstanceUID = source.file_meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        written = io.BytesIO()
        source.save_as(written)
        jobs.append(stage.done(written.getvalue(), name=LEG))
    page = opened(visit, f"/jobs/{jobs[0]}/view")
    prior = page.get_by_role("button", name=said("viewer.other_before_other").replace("{{count}}", "9"))
    prior.click()
    expect(page.get_by_test_id("readout")).to_have_count(2, timeout=PATIENCE_MS)
    assert jobs[1] in page.url
    page.keyboard.press("+")
    page.wait_for_timeout(300)
    percents = [text.split("·")[-1] for text in page.get_by_test_id("readout").all_inner_texts()]
    assert percents[0] == percents[1], "they move together"
    page.keyboard.press("y")
    page.keyboard.press("+")
    page.wait_for_timeout(300)
    percents = [text.split("·")[-1] for text in page.get_by_test_id("readout").all_inner_texts()]
    assert percents[0] != percents[1], "and one by one"


def test_a_heatmap_on_its_way_is_told_of(visit: Visit, furnished: dict[str, str]) -> None:
    page = visit(f"/jobs/{furnished['job']}")
    stopped: list[Route] = []
    held = True
    page.route("**/v1/**view=colours*", lambda route: stopped.append(route) if held else route.continue_())
    page.goto(f"/jobs/{furnished['job']}/view")
    sign = page.get_by_test_id("awaited")
    expect(sign).to_have_text(said("viewer.heatmap_loading"), timeout=PATIENCE_MS)
    held = False
    for route in stopped:
        route.continue_()
    expect(sign).to_have_text("", timeout=PATIENCE_MS)


def _counted(visit: Visit, stage: Stage, model: str) -> None:
    """The model's page counts what few readers said, with its interval: 1 of 1 is no sensitivity of 1."""
    told = stage.hospital.get("/v1/feedback/summary", params={"model_version_id": model}).raise_for_status().json()
    (figures,) = (one for one in told["items"] if one["label"] == "fracture")
    name, right, wrong = ("sensitivity", "true_positives", "false_negatives")
    if figures[name] is None:
        name, right, wrong = ("specificity", "true_negatives", "false_positives")
    share = visit(f"/admin/models/{model}?tab=live").locator(f'[data-figure="{name}"]').first
    count = figures[right] + figures[wrong]
    expect(share.get_by_role("cell")).to_have_text(
        f"{filled('models.feedback.of', right=figures[right], n=count)} "
        f"({figures[name]['lower']:.3f}–{figures[name]['upper']:.3f})"
    )


def test_what_a_reader_says_is_kept(visit: Visit, stage: Stage, furnished: dict[str, str]) -> None:
    job = furnished["job"]
    page = opened(visit, f"/jobs/{job}/view", as_=VIEWER)
    page.keyboard.press("a")
    accept, reject = (page.get_by_role("button", name=said(f"viewer.{word}")) for word in ("accept", "reject"))
    expect(accept).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("c")
    page.keyboard.type("air, not bone")  # keys are text here: nothing is rejected or inverted
    page.get_by_role("button", name=said("viewer.save_comment")).click()
    expect(page.get_by_role("button", name=said("viewer.save_comment"))).to_have_count(0)
    (kept,) = stage.hospital.get(f"/v1/jobs/{job}/feedback").json()["items"]
    assert (kept["verdict"], kept["comment"]) == ("accept", "air, not bone")
    _counted(visit, stage, furnished["model"])
    page.reload()
    expect(accept).to_have_attribute("aria-pressed", "true")
    reject.click()
    expect(reject).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name=said("viewer.withdraw")).click()
    expect(reject).to_have_attribute("aria-pressed", "false")
    assert stage.hospital.get(f"/v1/jobs/{job}/feedback").json()["items"] == []


@pytest.mark.slow
def test_keys_are_listed_and_can_be_turned_off(visit: Visit, furnished: dict[str, str]) -> None:
    page = opened(visit, f"/jobs/{furnished['job']}/view")
    page.keyboard.press("?")
    card = page.get_by_role("dialog")
    expect(card.get_by_text(said("viewer.do.invert"))).to_be_visible()
    card.get_by_label(said("viewer.keys_on")).click()
    page.keyboard.press("Escape")
    expect(card).to_have_count(0)
    page.keyboard.press("h")
    page.wait_for_timeout(200)
    expect(page.get_by_test_id("heatmap")).to_have_count(1)


def test_on_a_phone(visit: Visit, furnished: dict[str, str]) -> None:
    page = opened(visit, f"/jobs/{furnished['job']}/view", viewport=PHONE, has_touch=True)
    expect(page.get_by_test_id("pane").get_by_text(said("viewer.not_for_diagnosis"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    before = place(page)
    session = page.context.new_cdp_session(page)
    box = page.get_by_test_id("surface").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for kind, apart in (("touchStart", 40), ("touchMove", 60), ("touchMove", 80), ("touchEnd", None)):
        fingers = [] if apart is None else [{"x": x - apart, "y": y}, {"x": x + apart, "y": y}]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})
    page.wait_for_timeout(300)
    after = place(page)
    assert 1.8 < (after[2] - after[0]) / (before[2] - before[0]) < 2.2
