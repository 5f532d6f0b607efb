"""Media types as HTTP writes them (RFC 9110 sections 8.3.1 and 12.5.1), with what DICOM adds (PS3.18 section 8.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from core.errors import AcceptMalformed

NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"\s*({NAME})/({NAME})")
# RFC 9110: no space around "="; some clients put it there all the same.
_PARAMETER = re.compile(rf'\s*;\s*(?:({NAME})\s*=\s*("(?:[^"\\]|\\.)*"|[^\s;,"]*))?')
_NEXT = re.compile(r"\s*(?:,|$)")
_WEIGHT = re.compile(r"0(\.\d{0,3})?|1(\.0{0,3})?")
MAX_RANGES = 64

RELATED = "multipart/related"
DICOM = "application/dicom"
DICOM_JSON = "application/dicom+json"
JSON = "application/json"
OCTETS = "application/octet-stream"
ANY = "*"


@dataclass(frozen=True, slots=True)
class MediaType:
    """One media type or range; names are in lower case, `parameters` without `q`."""

    type: str
    parameters: dict[str, str] = field(default_factory=dict)
    quality: float = 1.0

    @property
    def is_related(self) -> bool:
        return self.type == RELATED

    @property
    def content(self) -> str:
        """What is asked for, or sent: of multipart/related the type of its parts, any type where it does not say."""
        return self.parameters.get("type", "*/*").lower() if self.is_related else self.type

    @property
    def transfer_syntax(self) -> str | None:
        return self.parameters.get("transfer-syntax")

    def takes(self, media_type: str) -> bool:
        """Whether `media_type`, without parameters, is in the range of `content`."""
        wanted, _, subtype = self.content.partition("/")
        kind, _, sub = media_type.partition("/")
        return wanted in (kind, ANY) and subtype in (sub, ANY, "")


def parse(value: str) -> list[MediaType]:
    """The elements of an Accept or a Content-Type field, most wanted first, those with q=0 left out.

    Raises AcceptMalformed.
    """
    found = sorted(_elements(value), key=lambda element: -element.quality)
    return [element for element in found if element.quality > 0]


def _elements(value: str) -> Iterator[MediaType]:
    position = 0
    for _ in range(MAX_RANGES):
        if not value[position:].strip():
            return
        matched = _TYPE.match(value, position)
        if matched is None:
            raise AcceptMalformed
        position = matched.end()
        parameters: dict[str, str] = {}
        while (parameter := _PARAMETER.match(value, position)) is not None:
            position = parameter.end()
            if parameter[1]:
                parameters.setdefault(parameter[1].lower(), _unquoted(parameter[2]))
        ended = _NEXT.match(value, position)
        if ended is None:
            raise AcceptMalformed
        position = ended.end()
        weight = parameters.pop("q", "1")
        if not _WEIGHT.fullmatch(weight):
            raise AcceptMalformed
        yield MediaType(f"{matched[1]}/{matched[2]}".lower(), parameters, float(weight))
    raise AcceptMalformed("The field lists too many media types.")


def _unquoted(text: str) -> str:
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def accepted(header: str | None, query: Iterable[str]) -> list[MediaType]:
    """What the client takes, most wanted first: the `accept` query parameters go before the header field (PS3.18
    section 8.3.3.1); nothing said is anything.
    """
    asked = ",".join(query) or header or ""
    return parse(asked) if asked.strip() else [MediaType("*/*")]
