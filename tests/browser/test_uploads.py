"""Uploads that are cut: by a reload, and by the connection; and what the browser keeps of them."""

from __future__ import annotations

import json

from playwright.sync_api import Page, Route, expect

from tests.browser.catalogue import said
from tests.browser.conftest import Visit
from tests.browser.stage import Stage, radiograph

RESULT_MS = 60_000
FILES = {f"Doe^Jane {number}.png": radiograph(700 + number) for number in range(12)}


def choose(page: Page) -> None:
    given = [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in FILES.items()]
    page.get_by_test_id("files").set_input_files(given)  # type: ignore[arg-type]


def test_after_a_reload_the_same_files_go_on_with_the_batch(visit: Visit, stage: Stage) -> None:
    page = visit("/submit")
    page.on("dialog", lambda dialog: dialog.accept())
    sent: list[str] = []
    dead = True

    def some(route: Route) -> None:
        # After five the tab hangs, as one does behind a dead connection; then it is reloaded.
        if dead and len(sent) == 5:
            return
        if dead:
            sent.append(route.request.url)
        route.continue_()

    page.route("**/v1/batches/*/files/*", some)
    choose(page)
    expect(page.locator('[data-stage="accepted"]')).to_have_count(5, timeout=RESULT_MS)
    kept = page.evaluate("localStorage.getItem('lucency.uploads')")
    assert "Doe" not in kept
    (begun,) = json.loads(kept).values()
    # Not `unroute`: what a page asks for while the browser stops to be listened to is lost.
    dead = False
    page.reload()
    expect(page.get_by_text(said("submit.interrupted.title"))).to_be_visible()
    expect(
        page.get_by_text(said("submit.interrupted.detail").replace("{{received}}", "5").replace("{{count}}", "12"))
    ).to_be_visible()

    again: list[str] = []
    page.on("request", lambda request: again.append(request.url) if request.method == "PUT" else None)
    choose(page)
    card = page.locator("article[data-drop]")
    expect(card.get_by_text(said("submit.phase.through"))).to_be_visible(timeout=RESULT_MS)
    expect(card.get_by_text(said("submit.resumed"))).to_be_visible()
    assert len(again) == 7
    assert not set(again) & set(sent)
    batch = stage.hospital.get(f"/v1/batches/{begun['batch']}").raise_for_status().json()
    assert (batch["files"], batch["done"], batch["counts"]["rejected"]) == (12, True, 0)
    assert page.evaluate("localStorage.getItem('lucency.uploads')") == "{}"


def test_a_cut_connection_is_waited_for(visit: Visit, watch: object) -> None:
    watch.allow("PUT /v1/batches|ERR_INTERNET_DISCONNECTED|ERR_FAILED|Failed to load|events")  # type: ignore[attr-defined]
    page = visit("/submit")
    cut = True
    page.route("**/v1/batches/*/files/*", lambda route: route.abort("connectionfailed") if cut else route.continue_())
    content = radiograph(730)
    page.get_by_test_id("files").set_input_files(
        [
            {"name": name, "mimeType": "image/png", "buffer": data}
            for name, data in (("a.png", content), ("b.png", radiograph(731)))
        ]
    )
    card = page.locator("article[data-drop]")
    expect(card.get_by_text(said("problems.unreachable")).first).to_be_visible()
    cut = False
    expect(card.get_by_text(said("submit.phase.through"))).to_be_visible(timeout=RESULT_MS)
