"""Every page: no serious finding of axe in light and dark, whole in German, fits a phone; and its pictures.

Pictures are made where --pictures asks for them: nobody looks at those of every run.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.catalogue import untranslated
from tests.browser.conftest import Keep, Visit
from tests.browser.survey import COLOURS, PLACES, Place, axe, narrow, overflowing, settle, speak_german, texts, widen
from tests.browser.watch import Watch, violations


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_page_is_accessible_translated_and_fits(
    place: Place, visit: Visit, watch: Watch, furnished: dict[str, str], keep: Keep
) -> None:
    page = _opened(place, visit, watch, furnished)
    assert page.title().endswith("Lucency")
    found = _amiss(page, "light")
    keep(page, f"{place.name}-light")
    found += _amiss(page, "dark", *COLOURS)
    keep(page, f"{place.name}-dark")
    assert not found, "\n".join(found)
    narrow(page)
    keep(page, f"{place.name}-dark-phone")
    assert not overflowing(page), "wider than a phone"
    speak_german(page)
    assert not overflowing(page), "wider than a phone in German"
    left = untranslated(texts(page))
    assert not left, f"not German: {left}"


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_a_page_in_every_other_form(
    place: Place, visit: Visit, watch: Watch, furnished: dict[str, str], keep: Keep
) -> None:
    """In the dark by all its rules, on a phone and in German axe finds nothing either; the remaining pictures."""
    page = _opened(place, visit, watch, furnished)
    found = _amiss(page, "dark")
    page.emulate_media(color_scheme="light")
    narrow(page)
    keep(page, f"{place.name}-light-phone")
    found += [f"phone: {line}" for line in violations(axe(page))]
    speak_german(page)
    keep(page, f"{place.name}-light-phone-de")
    widen(page)
    settle(page)
    keep(page, f"{place.name}-light-de")
    found += [f"German: {line}" for line in violations(axe(page))]
    assert not found, "\n".join(found)


def _opened(place: Place, visit: Visit, watch: Watch, furnished: dict[str, str]) -> Page:
    if place.person is None:
        watch.allow("^401: GET /v1/session$")
    page = visit(place.path.format(**furnished), as_=place.person)
    settle(page)
    return page


def _amiss(page: Page, scheme: str, *rules: str) -> list[str]:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
    settle(page)
    return [f"{scheme}: {line}" for line in violations(axe(page, *rules))]
