"""Where the pictures of results come from: kept for a while, decoded anew, or objects of an older release."""

from __future__ import annotations

import io
from typing import BinaryIO
from uuid import UUID, uuid4

import pytest

from core.errors import ImageInvalid, InputIntegrity
from storage.memory import MemoryStore
from storage.pictures import PictureSource
from storage.store import image_key, reduced_key


class Source:
    """A source that counts what it decodes; a preview is forty bytes."""

    def __init__(self, *, kept_bytes: int) -> None:
        self.store = MemoryStore()
        self.decoded: list[bytes] = []
        self.pictures = PictureSource(self.store, self, folder=None, kept_bytes=kept_bytes)
        self.site = uuid4()

    def of_copy(self, data: bytes) -> bytes:
        if not data.startswith(b"copy"):
            raise ImageInvalid
        return data * 2

    def of_file(self, file: BinaryIO, size: int) -> bytes:
        file.seek(0)
        content = file.read()
        assert len(content) == size
        self.decoded.append(content)
        return content * 20

    def add(self, content: bytes, *, site: UUID | None = None) -> None:
        self.store.put(
            image_key(site or self.site, content.decode()), io.BytesIO(content), size=len(content), content_type="a/b"
        )

    def preview(self, content: bytes, *, site: UUID | None = None) -> bytes:
        return self.pictures.preview(site or self.site, content.decode())


def test_a_preview_is_decoded_once_while_there_is_room() -> None:
    source = Source(kept_bytes=100)
    for content in (b"a1", b"b2", b"c3"):
        source.add(content)
    for content in (b"a1", b"b2", b"a1", b"c3", b"a1"):
        assert source.preview(content) == content * 20
    # b2 was looked at longest ago when c3 came.
    assert source.decoded == [b"a1", b"b2", b"c3"]
    source.preview(b"b2")
    assert source.decoded[-1] == b"b2"


def test_one_that_is_larger_than_the_room_is_not_kept() -> None:
    source = Source(kept_bytes=30)
    source.add(b"a1")
    for _ in range(2):
        assert source.preview(b"a1") == b"a1" * 20
    assert len(source.decoded) == 2


def test_another_site_s_file_of_the_same_content_is_its_own() -> None:
    source, other = Source(kept_bytes=1000), uuid4()
    source.add(b"a1")
    source.preview(b"a1")
    with pytest.raises(InputIntegrity):
        source.preview(b"a1", site=other)


def test_objects_of_an_older_release() -> None:
    source = Source(kept_bytes=100)
    source.store.put("out/x/1/preview.jpg", io.BytesIO(b"stored"), size=6, content_type="image/jpeg")
    assert source.pictures.preview(source.site, "gone", key="out/x/1/preview.jpg") == b"stored"
    assert source.pictures.heatmap(None, key="out/x/1/preview.jpg") == b"stored"
    assert source.pictures.heatmap(b"row", key=None) == b"row"
    assert source.decoded == []
    for key in (None, "out/x/1/gone.png"):
        with pytest.raises(InputIntegrity):
            source.pictures.heatmap(None, key=key)


def test_a_copy_is_taken_in_place_of_the_file_and_missed_by_nobody() -> None:
    source = Source(kept_bytes=0)
    source.add(b"a1")
    key = reduced_key(source.site, "a1")
    source.store.put(key, io.BytesIO(b"copy"), size=4, content_type="a/b")
    assert source.pictures.preview(source.site, "a1", reduced=True) == b"copycopy"
    assert source.decoded == []
    source.store.put(key, io.BytesIO(b"else"), size=4, content_type="a/b")
    assert source.pictures.preview(source.site, "a1", reduced=True) == b"a1" * 20
    source.store.delete([key])
    assert source.pictures.preview(source.site, "a1", reduced=True) == b"a1" * 20
