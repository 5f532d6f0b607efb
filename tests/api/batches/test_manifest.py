"""Manifests: whatever JSON may look like is read, and whatever is not one is refused."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.batches import manifest
from core.errors import RequestInvalid
from tests.api.conftest import Trace

GOOD = {"path": "a", "sha256": "0" * 64}


def read(text: str | bytes, *, limit: int = 100_000) -> tuple[manifest.Summary, list[manifest.ManifestFile]]:
    data = text.encode() if isinstance(text, str) else text
    return manifest.check(io.BytesIO(data), limit=limit), list(manifest.entries(io.BytesIO(data)))


PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
ENTRIES = st.fixed_dictionaries(
    {"path": PATHS, "sha256": st.text("0123456789abcdef", min_size=64, max_size=64)},
    optional={"size": st.one_of(st.none(), st.integers(0, 2**63 - 1))},
)


@given(
    st.lists(ENTRIES, min_size=1, max_size=20),
    st.integers(-10, 10),
    st.booleans(),
    st.sampled_from([None, 0, 3]),
    st.booleans(),
)
@settings(max_examples=100, deadline=None)
def test_round_trip(files: list[Any], priority: int, ascii_only: bool, indent: int | None, first: bool) -> None:
    members: dict[str, Any] = {"priority": priority, "explain": ["a", "b", "a"]}
    whole = {"files": files, **members} if first else {**members, "files": files}
    summary, found = read(json.dumps(whole, ensure_ascii=ascii_only, indent=indent))
    assert [(file.path, file.sha256, file.size) for file in found] == [
        (file["path"], file["sha256"], file.get("size")) for file in files
    ]
    assert (summary.files, summary.priority, summary.explain) == (len(files), priority, ("a", "b"))
    # However it is written: the same request.
    assert summary.digest == read(json.dumps({**members, "files": files}))[0].digest


def whole(*files: Any, **more: Any) -> str:
    return json.dumps({"files": list(files), **more})


BAD: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "hello",
    "a list": "[]",
    "empty": "{}",
    "no files": whole(),
    "files no list": '{"files": {}}',
    "cut": whole(GOOD)[:-1],
    "cut within": whole(GOOD)[:30],
    "something behind": whole(GOOD) + "x",
    "comma": '{"files": [' + json.dumps(GOOD) + ",]}",
    "twice": '{"files": [' + json.dumps(GOOD) + '], "files": [' + json.dumps(GOOD) + "]}",
    "unknown member": whole(GOOD, other=1),
    "a file that is none": whole("a"),
    "unknown name": whole(GOOD | {"job": 1}),
    "no path": whole({"sha256": "0" * 64}),
    "empty path": whole(GOOD | {"path": ""}),
    "long path": whole(GOOD | {"path": "ä" * 2049}),
    "half a sign": '{"files": [{"path": "\\ud800", "sha256": "' + "0" * 64 + '"}]}',
    "short hash": whole(GOOD | {"sha256": "0" * 63}),
    "upper-case hash": whole(GOOD | {"sha256": "A" * 64}),
    "negative size": whole(GOOD | {"size": -1}),
    "size of words": whole(GOOD | {"size": "1"}),
    "size true": whole(GOOD | {"size": True}),
    "endless size": '{"files": [{"path": "a", "sha256": "' + "0" * 64 + '", "size": ' + "9" * 5000 + "}]}",
    "NaN": '{"files": [{"path": "a", "sha256": "' + "0" * 64 + '", "size": NaN}]}',
    "priority": whole(GOOD, priority=11),
    "priority of words": whole(GOOD, priority="1"),
    "explain": whole(GOOD, explain="fracture"),
    "too many labels": whole(GOOD, explain=["a"] * 33),
    "labels with a comma": whole(GOOD, explain=["a,b"]),
    "deep": '{"files": ' + "[" * 100_000,
    "deep entry": '{"files": [' + '{"path":' * 5000,
    "endless text": '{"files": [{"path": "' + "a" * 1_000_000,
    "not UTF-8": b'{"files": [{"path": "\xff"}]}',
    "too many": whole(GOOD, GOOD, GOOD),
}


@pytest.mark.parametrize("name", BAD)
def test_bad(name: str) -> None:
    with pytest.raises(RequestInvalid):
        read(BAD[name], limit=2)


def test_the_digest_is_of_all_that_is_asked() -> None:
    """Not of how it is written: but each path, hash, size, order and option counts."""
    other = {"path": "b", "sha256": "1" * 64}
    asked = [
        whole(GOOD), whole(GOOD | {"size": 1}), whole(GOOD | {"size": 2}), whole(GOOD | {"path": "b"}),
        whole(GOOD | {"sha256": "1" * 64}), whole(GOOD, other), whole(other, GOOD), whole(GOOD, priority=1),
        whole(GOOD, explain=[]), whole(GOOD, explain=["a"]),
    ]  # fmt: skip
    assert len({read(text)[0].digest for text in asked}) == len(asked)
    assert read(whole(GOOD | {"size": None}, priority=0, explain=None))[0].digest == read(asked[0])[0].digest


def test_memory() -> None:
    """20,000 files of a manifest take no more than its buffer does."""
    entry = json.dumps(GOOD | {"path": "ward/" + "x" * 200})
    data = io.BytesIO(('{"files": [' + ",".join([entry] * 20_000) + "]}").encode())
    tracemalloc.start()
    assert manifest.check(data, limit=20_000).files == 20_000
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * 1024 * 1024


def test_refused(client: httpx2.Client, trace: Trace) -> None:
    with trace.nothing_left():
        unknown = whole(GOOD, explain=["nobody"]).encode()
        for body, code in ((b"", "upload_empty"), (b"hello", "request_invalid"), (unknown, "request_invalid")):
            answer = client.post("/v1/batches", content=body)
            assert answer.json()["code"] == code
        assert client.get("/v1/batches").json()["items"] == []
