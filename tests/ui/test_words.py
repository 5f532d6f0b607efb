"""The application's words: every error that a page can meet is told in plain words, in every language alike."""

from __future__ import annotations

import re

import pytest

from core.errors import LucencyError
from tests.browser.catalogue import FOLDER, RAW_KEY, untranslated, words

VALUE = re.compile(r"\{\{.*?\}\}")
# Of commands, training, DICOMweb, probes and the gateway: no page asks for what raises these. Of single sign-on, which
# leads to a notice of the sign-in page: login.notice.
ELSEWHERE = {
    *("accept_malformed", "gateway_failed", "split_leaks", "data_invalid", "recipe_invalid"),
    *("training_failed", "stack_failed", "oidc_failed", "oidc_unreachable", "no_worker"),
}


def codes(of: type[LucencyError] = LucencyError) -> set[str]:
    """Of the errors that every process knows. The command line has some of its own, once it was imported."""
    known = {of.code} if of.__module__ == LucencyError.__module__ else set()
    return known.union(*(codes(kind) for kind in of.__subclasses__()))


def test_every_error_has_words() -> None:
    told = {key.removeprefix("problems.") for key in words("en") if key.startswith("problems.")}
    assert codes() - ELSEWHERE <= told


def test_languages_have_the_same_words_with_the_same_values_in_them() -> None:
    english, german = words("en"), words("de")
    assert english.keys() == german.keys()
    assert len(list((FOLDER / "en").glob("*.json"))) > 10
    assert not [key for key, text in german.items() if not text.strip()]
    for key, text in german.items():
        assert set(VALUE.findall(text)) == set(VALUE.findall(english[key])), key
    filled = [VALUE.sub("7", text) for key, text in german.items() if text != english[key]]
    assert not untranslated(filled)


def test_every_page_of_the_menu_has_a_name_and_no_other_is_named() -> None:
    router = (FOLDER.parent / "router.tsx").read_text()
    named = re.findall(r"menu: \{ name: '(\w+)'", router)
    assert len(named) == len(set(named)) > 10
    assert set(named) == {key.removeprefix("menu.") for key in words("en") if key.startswith("menu.")}


def test_every_file_of_words_is_known_to_the_compiler() -> None:
    listed = re.findall(r"(\w+): typeof import\('\./en/(\w+)\.json'\)", (FOLDER / "i18next.d.ts").read_text())
    assert listed == [(file.stem, file.stem) for file in sorted((FOLDER / "en").glob("*.json"))]


@pytest.mark.parametrize("language", ["en", "de"])
def test_the_steps_of_a_job_are_the_same_on_its_page_and_in_the_overview(language: str) -> None:
    told = words(language)
    steps = {key.removeprefix("job.phase.") for key in told if key.startswith("job.phase.")}
    assert steps == {key.removeprefix("overview.phases.names.") for key in told if "phases.names." in key} - {"total"}


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_judgement_begins_with_the_key_of_its_opposite(language: str) -> None:
    """A accepts and R rejects, in every language: nobody shall say the opposite of what they mean."""
    told = words(language)
    assert not told["viewer.accept"].upper().startswith("R")
    assert not told["viewer.reject"].upper().startswith("A")


def test_a_raw_key_and_an_english_sentence_are_noticed() -> None:
    assert untranslated(["jobs.filters.state", "not_found_detail", "Try again", "Sent by the nurse"])
    assert not untranslated(["Erneut versuchen", "Lucency", "12. Nov. 2026", "DICOM"])
    assert RAW_KEY.fullmatch("problems:not_found")
