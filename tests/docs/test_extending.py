"""docs/extending.md against the tree: every path is there, and each list is complete for its example."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "extending.md").read_text()
SECTIONS = {text.partition("\n")[0]: text for text in PAGE.split("\n## ")[1:]}
PATH = re.compile(r"`([\w.-]+(?:/[\w.-]+)+/?|[\w-]+\.(?:json|toml|md))`")
HOLDS = re.compile(r"<!-- holds: (.+) -->")
# Beside every list: tests and documents; what is generated or measured; and what is the standard's or Keras' own.
ASIDE = ("tests/", "docs/", "benchmarks/", "bundles/", "requirements/", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
ASIDE += ("SECURITY.md", "openapi.json", "ui/package-lock.json", "imaging/standard_uids.txt")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [path for path in listed.stdout.splitlines() if not path.startswith(ASIDE) and (ROOT / path).is_file()]


def naming(pattern: re.Pattern[str]) -> set[str]:
    """The files that name an example, by their text or by their own name."""
    found = set()
    for path in tracked():
        if pattern.search(path) or pattern.search((ROOT / path).read_text(errors="ignore")):
            found.add(path)
    return found


def listed(section: str) -> set[str]:
    """Paths of the numbered list and of the words below it: from the example to the end of its paragraph."""
    body = section.partition("\n1. ")[2]
    numbered, _, rest = body.partition("\n\n")
    words = rest.partition("\n\n")[0] if rest.startswith("And its words") else ""
    return set(PATH.findall(numbered)) | set(PATH.findall(words.partition(". A ")[0]))


def test_every_path_of_the_page_exists() -> None:
    paths = PATH.findall(PAGE)
    assert len(paths) > 30
    assert not [path for path in paths if not (ROOT / path).exists()]


@pytest.mark.parametrize("name", SECTIONS)
def test_a_list_is_complete_for_its_example(name: str) -> None:
    (pattern,) = HOLDS.findall(SECTIONS[name])
    paths = listed(SECTIONS[name])
    assert paths
    used = {path for path in paths if any(one.startswith(path) for one in naming(re.compile(pattern)))}
    unlisted = {one for one in naming(re.compile(pattern)) if not one.startswith(tuple(paths))}
    assert not unlisted, "these name the example too"
    assert used == paths, f"these do not name it: {paths - used}"
