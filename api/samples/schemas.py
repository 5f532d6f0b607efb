"""Samples as clients see them. Every name is part of the API: add, never rename."""

from __future__ import annotations

from urllib.parse import quote

from pydantic import Field

from api.samples.samples import Sample
from api.schemas import Schema
from core.vocabulary import MediaKind


class SampleLinks(Schema):
    file: str
    thumbnail: str | None = Field(description="A small JPEG; null of what is there to be rejected.")


class SampleView(Schema):
    """A real radiograph to try: fetch `links.file` and submit it as any other."""

    name: str
    title: str
    description: str
    file_name: str
    media_kind: MediaKind
    links: SampleLinks


class SampleList(Schema):
    items: list[SampleView]


def sample_view(sample: Sample) -> SampleView:
    path = f"/v1/samples/{quote(sample.name, safe='')}"
    return SampleView(
        name=sample.name,
        title=sample.title,
        description=sample.description,
        file_name=sample.file_name,
        media_kind=sample.kind,
        links=SampleLinks(file=path, thumbnail=f"{path}/thumbnail" if sample.accepted else None),
    )
