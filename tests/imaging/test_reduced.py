"""The reduced copy: what decoding gives, as a file."""

from __future__ import annotations

import dataclasses
from importlib import metadata

import numpy as np
import pytest

from core.errors import ImageInvalid
from imaging import reduced
from imaging.decode import decode
from tests.data import encoded, generated_radiograph, pydicom_file


@pytest.mark.parametrize(
    "content",
    [encoded(generated_radiograph(700, 300)), encoded(generated_radiograph(20, 30), "JPEG")],
    ids=["reduced", "smaller"],
)
def test_it_is_what_was_decoded(content: bytes) -> None:
    _same(content)


@pytest.mark.parametrize("name", ["RG1_J2KI.dcm", "RG3_UNCR.dcm"])
def test_a_dicom_file(name: str) -> None:
    _same(pydicom_file(name).read_bytes())


def _same(content: bytes) -> None:
    radiograph = decode(content, longest_side=reduced.LONGEST_SIDE)
    again = reduced.decode(reduced.encode(radiograph))
    np.testing.assert_array_equal(again.pixels, radiograph.pixels)
    for field in dataclasses.fields(radiograph):
        if field.name != "pixels":
            assert getattr(again, field.name) == getattr(radiograph, field.name)
            assert type(getattr(again, field.name)) is type(getattr(radiograph, field.name))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data.replace(b'"rows"', b'"rose"'),
        lambda data: data[data.index(b"\n") :],
        lambda data: b"[]" + data[data.index(b"\n") :],
        lambda data: data.replace(b'"png"', b'"gif"'),
        lambda data: b"",
    ],
)
def test_anything_else_is_none(change: object) -> None:
    assert callable(change)
    data = reduced.encode(decode(encoded(generated_radiograph(40, 30)), longest_side=reduced.LONGEST_SIDE))
    with pytest.raises(ImageInvalid):
        reduced.decode(change(data))


def test_another_release_or_library_makes_another_revision(monkeypatch: pytest.MonkeyPatch) -> None:
    reduced.revision.cache_clear()
    first, real = reduced.revision(), metadata.version
    assert reduced.revision() == first
    for change in (
        lambda: monkeypatch.setattr(reduced, "VERSION", "99"),
        lambda: monkeypatch.setattr(reduced, "version", lambda name: "99" if name == "imagecodecs" else real(name)),
        lambda: monkeypatch.setattr(reduced, "LONGEST_SIDE", 640),
    ):
        change()
        reduced.revision.cache_clear()
        assert reduced.revision() != first
        monkeypatch.undo()
    reduced.revision.cache_clear()
    assert reduced.revision() == first
