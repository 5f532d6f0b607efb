"""A phone: its menu by the keyboard, tables as cards; and the page that everybody begins on."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.catalogue import said
from tests.browser.conftest import PHONE, Visit
from tests.browser.stage import VIEWER
from tests.browser.survey import settle

# What has the focus, where it is beside the window and so cannot be seen.
UNSEEN = """() => {
  const {left, right, width} = document.activeElement.getBoundingClientRect();
  return width > 0 && (right <= 0 || left >= window.innerWidth) ? document.activeElement.outerHTML : null;
}"""


def test_a_phones_menu_by_keyboard(visit: Visit) -> None:
    page = visit("/jobs", viewport=PHONE)
    settle(page)
    for _ in range(7):
        page.keyboard.press("Tab")
        page.wait_for_timeout(50)  # the frame in which it comes into view
        assert page.evaluate(UNSEEN) is None
    menu = page.get_by_role("navigation", name=said("shell.nav.menu"))
    button = page.get_by_role("button", name=said("shell.nav.menu"))
    button.press("Enter")
    expect(menu).to_be_visible()
    expect(button).to_have_attribute("aria-expanded", "true")
    menu.get_by_role("link", name=said("menu.studies"), exact=True).focus()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()
    expect(button).to_be_focused()
    # The page that one is on is chosen again: it was behind the menu.
    button.click()
    menu.get_by_role("link", name=said("menu.jobs"), exact=True).click()
    expect(menu).to_be_hidden()


def test_a_table_on_a_phone_is_cards_with_names_before_values(visit: Visit) -> None:
    page = visit("/admin/users", viewport=PHONE)
    settle(page)
    cell = page.get_by_role("main").locator("td").filter(has_text=VIEWER.email).first
    assert cell.evaluate("(cell) => getComputedStyle(cell, '::before').content") == f'"{said("admin.name")}"'
    button = page.get_by_role("main").locator("td:last-child button").first
    box = button.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= PHONE["width"]


def test_a_viewer_begins_with_the_jobs(visit: Visit) -> None:
    page = visit("/", as_=VIEWER)
    page.wait_for_url("**/jobs")
    expect(page.get_by_role("heading", level=1, name=said("menu.jobs"))).to_be_visible()
