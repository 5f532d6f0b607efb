"""The application's own words, so that tests name buttons as people read them, and find what was not translated."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "ui" / "src" / "i18n"
# Words that no German sentence has. ("in", "an", "die", "was", "so", "am", "also" are in both languages.)
ENGLISH = re.compile(
    r"\b(the|and|of|with|for|from|this|that|is|are|were|has|have|not|you|your|to|by|or|yet|there|no|all|which|when|failed)\b",
    re.IGNORECASE,
)
# `jobs.filters.state`, or a key alone such as `not_found_detail`: what i18next shows where it finds no word.
RAW_KEY = re.compile(r"[a-z]+(?:_[a-z0-9]+)*(?:[.:][a-z0-9]+(?:_[a-z0-9]+)*)+|[a-z]+(?:_[a-z0-9]+)+")


@cache
def words(language: str) -> dict[str, str]:
    """`namespace.key.key` to its text; `menu.name` to what the menu calls a page, wherever that stands."""
    found: dict[str, str] = {}
    for file in sorted((FOLDER / language).glob("*.json")):
        tree = json.loads(file.read_text())
        found |= _flat(tree.pop("menu", {}), "menu") | _flat(tree, file.stem)
    return found


def _flat(tree: dict[str, Any], prefix: str) -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in tree.items():
        name = f"{prefix}.{key}"
        flat |= _flat(value, name) if isinstance(value, dict) else {name: str(value)}
    return flat


def said(key: str, language: str = "en") -> str:
    """The text of `namespace.key`; a KeyError where there is none."""
    return words(language)[key]


def filled(key: str, language: str = "en", **values: object) -> str:
    """The text of `namespace.key` with these values in it."""
    text = said(key, language)
    for name, value in values.items():
        text = text.replace(f"{{{{{name}}}}}", str(value))
    return text


def pattern(key: str, language: str = "en") -> re.Pattern[str]:
    """What the text of `namespace.key` looks like with any values in it."""
    return re.compile(_pattern(said(key, language)))


def _pattern(text: str) -> str:
    return r".+?".join(re.escape(part) for part in re.split(r"\{\{.*?\}\}", text))


@cache
def _english_only() -> tuple[frozenset[str], tuple[re.Pattern[str], ...]]:
    german = {_plain(text) for text in words("de").values()}
    foreign = {text for text in words("en").values() if _plain(text) not in german and len(text) > 2}
    whole = frozenset(text for text in foreign if "{{" not in text)
    # Where hardly more than values is left nothing can be told.
    templates = [text for text in foreign if "{{" in text and len(re.sub(r"\{\{.*?\}\}|\W", "", text)) > 6]
    return whole, tuple(re.compile(_pattern(text) + r"\Z") for text in templates)


def _plain(text: str) -> str:
    return text.strip().casefold()


def untranslated(texts: list[str]) -> list[str]:
    """Those of a German page's texts that are a raw key, an English word of the catalogue, or an English sentence."""
    whole, templates = _english_only()
    folded = {_plain(text) for text in whole}
    return [
        text
        for text in texts
        if RAW_KEY.fullmatch(text)
        or _plain(text) in folded
        or ENGLISH.search(text)
        or any(template.match(text) for template in templates)
    ]
