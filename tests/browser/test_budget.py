"""How much script a page costs: as built, by the manifest, and as a browser really fetches it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from tests.browser.conftest import BUILT, Visit
from tests.browser.stage import SUBMITTER, VIEWER, Stage
from tests.browser.survey import settle
from tests.browser.watch import Watch

FOLDER = BUILT.parent
FIRST_PAGE = 250_000  # bytes of gzipped script
VIEWER_PAGE = "src/pages/viewer/ViewerPage.tsx"
SHELL, OVERLAYS = "src/shell/Shell.tsx", "src/shell/Overlays.tsx"


def manifest() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / ".vite" / "manifest.json").read_text())
    return found


def closure(names: Iterable[str]) -> set[str]:
    """The script files that these chunks need before they run."""
    chunks = manifest()
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += chunks[name].get("imports", [])
    return {chunks[name]["file"] for name in found}


def packed(files: Iterable[str]) -> int:
    """Their size as gzip makes it, in bytes."""
    return sum(len(gzip.compress((FOLDER / file).read_bytes(), 9)) for file in files if file.endswith(".js"))


def test_first_pages_stay_within_the_budget_as_built() -> None:
    words = ("shell", "words", "problems", "submit", "login", "jobs")
    always = ["index.html", *(f"src/i18n/en/{name}.json" for name in words)]
    for page in ("src/pages/login/LoginPage.tsx", "src/pages/submit/SubmitPage.tsx", "src/pages/jobs/JobsPage.tsx"):
        shell = [] if "login" in page else [SHELL, OVERLAYS]
        assert packed(closure([*always, *shell, page])) <= FIRST_PAGE, page


def test_the_viewers_engine_is_in_no_other_page() -> None:
    others = {name for name, chunk in manifest().items() if chunk.get("isDynamicEntry") and name != VIEWER_PAGE}
    alone = closure([VIEWER_PAGE]) - closure(["index.html", SHELL, *others_but_lazy(others)])
    # The engine is what is large about it: without it the page would be a few kilobytes.
    assert packed(alone) > 200_000


def others_but_lazy(names: set[str]) -> list[str]:
    """Dynamic entries that are pages; a page's own lazily loaded parts are its own."""
    return [name for name in names if name.startswith("src/pages/") and "/viewer/" not in name]


def fetched(watch: Watch) -> set[str]:
    """The scripts that were asked for, as files of the build."""
    paths = {urlsplit(url).path.lstrip("/") for url in watch.requested}
    return {path for path in paths if path.endswith(".js")}


def test_first_pages_stay_within_the_budget_in_the_browser(visit: Visit, watch: Watch) -> None:
    watch.allow("^401: GET /v1/session$")
    for path, person in (("/login", None), ("/", SUBMITTER), ("/", VIEWER)):
        watch.requested.clear()
        page = visit(path, as_=person)
        settle(page)
        # What the shell asks for once it stands.
        page.wait_for_timeout(700)
        scripts = fetched(watch)
        assert scripts
        assert packed(scripts) <= FIRST_PAGE, f"{path}: {packed(scripts)} bytes: {sorted(scripts)}"


def test_the_engine_comes_with_the_viewer_and_not_before(visit: Visit, watch: Watch, furnished: dict[str, str]) -> None:
    engine = closure([VIEWER_PAGE]) - closure(["index.html", SHELL])
    for path in ("/submit", f"/jobs/{furnished['job']}"):
        settle(visit(path))
    large = {file for file in engine if (FOLDER / file).stat().st_size > 200_000}
    assert large
    assert not large & fetched(watch)
    settle(visit(f"/jobs/{furnished['job']}/view"))
    assert large <= fetched(watch)


def test_scripts_are_sent_packed_and_kept_for_ever(stage: Stage) -> None:
    file = manifest()["index.html"]["file"]
    answer = stage.hospital.get(f"/{file}", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert answer.content == (FOLDER / file).read_bytes()
