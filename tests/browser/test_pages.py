"""Every page: no serious finding of axe in light and dark, whole in German, fits a phone; and its pictures."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from tests.browser.catalogue import untranslated
from tests.browser.conftest import PHONE, Visit
from tests.browser.survey import PLACES, Place, axe, narrow, overflowing, picture, settle, speak_german, texts, widen
from tests.browser.watch import Watch, violations


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_page_is_accessible_translated_and_fits(
    place: Place, visit: Visit, watch: Watch, furnished: dict[str, str]
) -> None:
    if place.person is None:
        watch.allow("401: GET /v1/session$")
    page = visit(place.path.format(**furnished), as_=place.person)
    settle(page)
    assert page.title().endswith("Lucency")
    found = _seen_in(page, place, "light")
    page.emulate_media(color_scheme="dark")
    found += _seen_in(page, place, "dark")
    assert not found, "\n".join(found)
    speak_german(page)
    _fits(page, place, "de-dark")
    page.emulate_media(color_scheme="light")
    settle(page)
    picture(page, f"{place.name}-phone-de-light")
    widen(page)
    picture(page, f"{place.name}-de-light")
    left = untranslated(texts(page))
    assert not left, f"not German: {left}"


def _seen_in(page: Page, place: Place, scheme: str) -> list[str]:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    settle(page)
    assert page.locator("html").get_attribute("data-mantine-color-scheme") == scheme
    picture(page, f"{place.name}-{scheme}")
    found = [f"{scheme}: {line}" for line in violations(axe(page))]
    _fits(page, place, scheme)
    widen(page)
    return found


def _fits(page: Page, place: Place, form: str) -> None:
    narrow(page)
    assert page.viewport_size == PHONE
    picture(page, f"{place.name}-phone-{form}")
    over = overflowing(page)
    assert not over, f"{form}: wider than the phone: {over[:6]}"
