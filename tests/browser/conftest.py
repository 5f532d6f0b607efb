"""One platform and one Chromium for all tests of this folder; every test has a context of its own, which is watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.browser.catalogue import said
from tests.browser.furniture import furnish
from tests.browser.stage import ADMIN, PASSWORD, Person, Stage
from tests.browser.watch import Watch

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "artefacts" / "browser"
BUILT = ROOT / "ui" / "dist" / "index.html"
# Nothing that Chromium does by itself shall reach the network, or take the cores that the stack needs.
QUIET = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-default-apps", "--mute-audio"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE_MS = 30_000
# What a page is waited for is waited for as long by `expect`, whose own 5 s a busy machine breaks.
expect.set_options(timeout=PATIENCE_MS)

Visit = Callable[..., Page]
Keep = Callable[[Page, str], None]


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Stage]:
    if shutil.which("chromium") is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    assert BUILT.exists(), "the web application is not built: make ui"
    made = Stage(tmp_path_factory.mktemp("stage"), bundle)
    yield made
    made.close()


@pytest.fixture(scope="package")
def chromium(stage: Stage) -> Iterator[Browser]:
    """Debian's Chromium. Its sandbox is off, for containers give it no rights; it opens our pages alone."""
    program = shutil.which("chromium")
    # Chromium's launcher reads a user's flags; a test's browser is the same for everyone.
    environment = {name: value for name, value in os.environ.items() if name != "CHROMIUM_FLAGS"}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=QUIET, env=environment)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def cookies(stage: Stage, chromium: Browser) -> Callable[[Person], list[object]]:
    """The cookies of a person who signed in, by the form, once."""
    kept: dict[Person, list[object]] = {}

    def of(person: Person) -> list[object]:
        if person not in kept:
            context = chromium.new_context(base_url=stage.address, locale="en-GB")
            page = context.new_page()
            sign_in(page, person)
            kept[person] = list(context.cookies())
            context.close()
        return kept[person]

    return of


@pytest.fixture(scope="package")
def furnished(stage: Stage) -> dict[str, str]:
    """Ids of what was put on the stage for pages to show."""
    return furnish(stage)


@pytest.fixture
def watch(stage: Stage) -> Iterator[Watch]:
    """What is amiss in any context of the test; it fails the test at its end."""
    made = Watch(stage.address)
    yield made
    made.check()


@pytest.fixture
def visit(
    stage: Stage,
    chromium: Browser,
    watch: Watch,
    cookies: Callable[[Person], list[object]],
    request: pytest.FixtureRequest,
) -> Iterator[Visit]:
    """`visit(path, as_=VIEWER)`: a page in a context of its own, opened by someone who is signed in (None: nobody)."""
    opened: list[BrowserContext] = []

    def open_page(path: str, *, as_: Person | None = ADMIN, **options: object) -> Page:
        settings = {
            "viewport": DESKTOP,
            "locale": "en-GB",
            "accept_downloads": True,
            "reduced_motion": "reduce",
        } | options
        context = chromium.new_context(base_url=stage.address, **settings)
        opened.append(context)
        context.set_default_timeout(PATIENCE_MS)
        watch.over(context)
        if as_ is not None:
            context.add_cookies(cookies(as_))  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(path)
        return page

    yield open_page
    failed = getattr(request.node, "failed", False)
    for number, context in enumerate(opened):
        if failed:
            for page in context.pages:
                PICTURES.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=PICTURES / f"failed-{request.node.name}-{number}.png")
        context.close()


@pytest.fixture(scope="session")
def keep(pytestconfig: pytest.Config) -> Keep:
    """`keep(page, name)`: how it looks, into artefacts/browser, where --pictures asks for that."""
    from tests.browser.survey import picture

    return picture if pytestconfig.getoption("pictures") else lambda _page, _name: None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    report = yield
    if report.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report


def sign_in(page: Page, person: Person, password: str = PASSWORD) -> None:
    """Fill the form of the login page, and be inside."""
    page.goto("/login")
    page.get_by_label(said("login.email")).fill(person.email)
    page.get_by_label(said("login.password"), exact=True).fill(password)
    page.get_by_role("button", name=said("login.submit"), exact=True).click()
    page.wait_for_url(lambda url: "/login" not in url)
