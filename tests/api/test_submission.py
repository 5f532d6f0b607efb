"""What one request is: the same key with the same request is the same job, whatever release answers it."""

from __future__ import annotations

from pathlib import Path

from api.jobs.submission import read_options, request_hash
from api.uploads.request_body import Upload
from api.uploads.spool import Spool


def hash_of(folder: Path, content: bytes, **fields: str) -> str:
    with Spool(folder, limit=1000) as spool:
        spool.write(content)
        spool.finish()
        return request_hash(Upload(spool, fields, file_name="a.png", content_type="image/png"), read_options(fields))


def test_a_request_is_its_bytes_and_its_fields(tmp_path: Path) -> None:
    asked: list[dict[str, str]] = [
        {}, {"priority": "1"}, {"priority": "-1"}, {"explain": ""}, {"explain": "a"}, {"explain": "a,b"},
        {"explain": "b,a"}, {"stability": "true"}, {"stability": "true", "priority": "1"},
    ]  # fmt: skip
    hashes = [hash_of(tmp_path, b"image", **fields) for fields in asked] + [hash_of(tmp_path, b"another")]
    assert len(set(hashes)) == len(hashes)
    # As it is meant, not as it is written.
    assert hash_of(tmp_path, b"image", priority=" 1 ", stability="0") == hashes[1]
    assert hash_of(tmp_path, b"image", explain=" a, b ,a") == hashes[5]


def test_a_request_of_the_release_before_keeps_its_hash(tmp_path: Path) -> None:
    """Literal: a client may repeat over an update what it asked the release before."""
    assert hash_of(tmp_path, b"image") == "f2dee815eb2c6a5463aea5f58e8942ff2feb7a00598d6ff781299af43b5dbf08"
    assert (
        hash_of(tmp_path, b"image", priority="3", explain="fracture")
        == "2c1ca1d6b5b38a78e04f67a9867db1c14eb05011523e7477b2d6f22ca10f30d6"
    )
