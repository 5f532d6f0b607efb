"""Every page of the application, and what is measured on each: axe, its texts, whether it fits, how it looks."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.catalogue import said
from tests.browser.conftest import DESKTOP, PHONE, PICTURES
from tests.browser.stage import ADMIN, OPERATOR, Person

AXE = Path(__file__).parents[2] / "ui" / "node_modules" / "axe-core" / "axe.min.js"


@dataclass(frozen=True)
class Place:
    """A page by its address, with the names of what the furnished stage puts into it; who looks (None: nobody)."""

    name: str
    path: str
    person: Person | None = ADMIN


PLACES = (
    Place("login", "/login", None),
    Place("missing", "/no/such/page"),
    Place("submit", "/submit"),
    Place("jobs", "/jobs"),
    Place("job", "/jobs/{job}"),
    Place("job-dead", "/jobs/{dead}"),
    Place("viewer", "/jobs/{job}/view"),
    Place("studies", "/studies"),
    Place("study", "/studies/{study}"),
    Place("batches", "/batches"),
    Place("batch", "/batches/{batch}"),
    Place("account", "/account"),
    Place("overview", "/admin/overview"),
    Place("overview-operator", "/admin/overview", OPERATOR),
    Place("workers", "/admin/workers", OPERATOR),
    Place("dead", "/admin/dead"),
    Place("models", "/admin/models", OPERATOR),
    Place("model", "/admin/models/{model}", OPERATOR),
    Place("drift", "/admin/drift"),
    Place("deliveries", "/admin/deliveries"),
    Place("sites", "/admin/sites", OPERATOR),
    Place("users", "/admin/users"),
    Place("keys", "/admin/keys"),
    Place("audit", "/admin/audit"),
)

HIGHEST = 3000

# Done: a heading is there, nothing is a placeholder any more, no picture is on its way, and nothing fades.
SETTLED = """() => document.querySelector('h1') !== null
  && document.querySelector('.mantine-Skeleton-root[data-visible], .mantine-Loader-root, [aria-busy="true"]') === null
  && [...document.images].every((image) => image.complete)
  && !document.getAnimations().some((one) => one instanceof CSSTransition && one.playState === 'running')"""
# Drawn twice since: what React and the style sheets make of a change is on the page.
DRAWN = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
FITS = "() => document.documentElement.scrollWidth <= window.innerWidth"
FITTING_MS = 5_000

RUN_AXE = """async (rules) => await axe.run(document, {
  resultTypes: ['violations'], rules: {'target-size': {enabled: true}},
  ...(rules.length ? {runOnly: {type: 'rule', values: rules}} : {}),
})"""
# What axe judges by colours: all that another colour scheme can change of what it found in the first.
COLOURS = ("color-contrast", "link-in-text-block")

# What a reader meets: text on the page, and the names that assistive technology speaks. Not what is no language:
# code, times, what is marked as another language or as not to be translated.
TEXTS = """() => {
  const other = 'code, pre, time, script, style, noscript, [translate="no"], [lang]:not(html)';
  const found = new Set();
  const add = (text) => { const plain = (text ?? '').trim(); if (plain) found.add(plain); };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent || parent.closest(other) || !parent.checkVisibility()) continue;
    add(walker.currentNode.textContent);
  }
  for (const name of ['aria-label', 'placeholder', 'title', 'alt', 'aria-description'])
    for (const element of document.querySelectorAll(`[${name}]`))
      if (!element.closest(other)) add(element.getAttribute(name));
  add(document.title);
  return [...found];
}"""

# Elements that reach over the right edge, where the page as a whole does.
OVERFLOW = """() => {
  const edge = window.innerWidth;
  if (document.documentElement.scrollWidth <= edge) return [];
  const right = (element) => Math.round(element.getBoundingClientRect().right);
  return [...document.querySelectorAll('body *')].filter((element) => right(element) > edge + 1)
    .map((element) => `${element.tagName.toLowerCase()}.${element.className} to ${right(element)}`);
}"""


@cache
def _axe_source() -> str:
    return AXE.read_text()


def settle(page: Page) -> None:
    """Wait until the page shows what it has to show."""
    page.evaluate(DRAWN)
    page.wait_for_function(SETTLED)
    page.evaluate(DRAWN)


def axe(page: Page, *rules: str) -> dict[str, Any]:
    """What axe finds, by all its rules or by these. It comes in by the debugger's way, which no
    Content-Security-Policy hinders.
    """
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(_axe_source())
    found: dict[str, Any] = page.evaluate(RUN_AXE, list(rules))
    return found


def picture(page: Page, name: str) -> None:
    """Keep how it looks, as a whole, in artefacts/browser."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    size = page.viewport_size
    assert size is not None
    # A window as high as the page, for header and footer stay at the window's edges.
    height = min(page.evaluate("() => document.documentElement.scrollHeight"), HIGHEST)
    page.set_viewport_size({"width": size["width"], "height": max(height, size["height"])})
    page.screenshot(path=PICTURES / f"{name}.png", animations="disabled")
    page.set_viewport_size(size)


def texts(page: Page) -> list[str]:
    found: list[str] = page.evaluate(TEXTS)
    return found


def overflowing(page: Page) -> list[str]:
    """Elements over the edge when the page must be scrolled sideways; a table may scroll inside its own frame.

    A page whose width has just changed has a moment to follow.
    """
    with contextlib.suppress(PlaywrightTimeout):
        page.wait_for_function(FITS, timeout=FITTING_MS)
    found: list[str] = page.evaluate(OVERFLOW)
    return found


def narrow(page: Page) -> None:
    page.set_viewport_size(PHONE)
    settle(page)


def widen(page: Page) -> None:
    page.set_viewport_size(DESKTOP)
    settle(page)


def speak_german(page: Page) -> None:
    """Choose German as a user does, and be asked nothing more."""
    if page.get_by_role("button", name=said("shell.nav.account"), exact=True).count():
        page.get_by_role("button", name=said("shell.nav.account"), exact=True).click()
        page.get_by_role("menuitem", name="Deutsch").click()
    elif page.get_by_role("button", name="Deutsch").count():
        page.get_by_role("button", name="Deutsch").click()
    else:
        # A page without a menu: as someone who chose it before.
        page.evaluate("() => localStorage.setItem('lucency.language', 'de')")
        page.reload()
    page.wait_for_function("() => document.documentElement.lang === 'de'")
    # The menu closes slowly, and is in the page until then.
    page.wait_for_function("() => document.querySelector('[role=menu]') === null")
    settle(page)
