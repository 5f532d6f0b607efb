"""The documents as a site: complete, nothing in it from elsewhere, diagrams drawn; a dead link fails the build."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import QUIET
from tests.docs.pages import ROOT

# What a browser fetches by itself, by element; a link that a reader follows is none.
FETCHED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "link": "href", "object": "data"}
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]+)|@import\s+['\"]([^'\"]+)")
WITH_DIAGRAMS = ("architecture.html", "guarantees.html")


def built(root: Path, out: Path) -> subprocess.CompletedProcess[str]:
    """The site of the repository at `root`, into `out`."""
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--site-dir", str(out)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = built(ROOT, out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


class Asked(HTMLParser):
    """The addresses that a page makes a browser fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(FETCHED.get(tag, ""))
        if address:
            self.found.append(address)


def addresses(site: Path) -> Iterator[tuple[Path, str]]:
    for file in site.rglob("*.html"):
        yield from ((file, address) for address in Asked(file.read_text()).found)
    for file in site.rglob("*.css"):
        for first, second in CSS_URL.findall(file.read_text()):
            yield file, first or second


def test_pages_fetch_what_lies_beside_them_and_nothing_else(site: Path) -> None:
    asked = [(file, urlsplit(address)) for file, address in addresses(site)]
    assert len(asked) > 100
    for file, address in asked:
        if address.scheme == "data" or file.name == "404.html":
            continue
        where = f"{file.relative_to(site)}: {address.geturl()}"
        assert address.scheme == address.netloc == "", where
        assert (file.parent / address.path).exists(), where


def test_every_document_is_a_page_of_the_menu(site: Path) -> None:
    menu = (site / "index.html").read_text()
    for document in (ROOT / "docs").rglob("*.md"):
        page = document.relative_to(ROOT / "docs").with_suffix(".html").as_posix().replace("README", "index")
        assert (site / page).is_file(), page
        assert f'href="{page}"' in menu, page
    assert not (site / "hooks").exists()


def test_a_link_to_what_is_not_there_fails_the_build(tmp_path: Path) -> None:
    copy = tmp_path / "repository"
    shutil.copytree(ROOT / "docs", copy / "docs")
    shutil.copy(ROOT / "mkdocs.yml", copy)
    for entry in ROOT.iterdir():
        if entry.name not in {"docs", "mkdocs.yml", "artefacts", ".git"}:
            (copy / entry.name).symlink_to(entry)
    faults = ("[a](nowhere.md)", "[b](gateway.md#no-such-part)", "[c](../core/no_such_module.py)")
    with (copy / "docs" / "jobs.md").open("a") as page:
        page.write("\n" + " ".join(faults) + "\n")
    done = built(copy, tmp_path / "site")
    assert done.returncode != 0
    for named in ("nowhere.md", "no-such-part", "no_such_module.py"):
        assert named in done.stderr
    assert done.stderr.count("WARNING") == len(faults)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed (Debian: apt-get install chromium)")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=QUIET)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("name", WITH_DIAGRAMS)
def test_diagrams_are_drawn_without_a_network(site: Path, page: Page, name: str) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(urlsplit(request.url).scheme))
    page.goto((site / name).as_uri())
    drawing = page.locator("div.mermaid")
    drawing.first.wait_for()
    assert page.locator("pre.mermaid").count() == 0
    box = drawing.first.bounding_box()
    assert box is not None
    assert box["height"] > 150
    assert "file" in asked
    assert asked <= {"file", "blob", "data"}


def test_the_search_finds_from_a_folder(site: Path, page: Page) -> None:
    page.goto((site / "index.html").as_uri())
    page.get_by_role("textbox", name="Search").fill("quarantine")
    result = page.locator(".md-search-result__link").first
    result.wait_for()
    assert "quarantine" in result.inner_text().lower()
