"""CSV, NDJSON and zip of a batch's results: every file is in them, and they open."""

from __future__ import annotations

import csv
import io
import json
import zipfile
import zlib
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from sqlalchemy import text

from api.batches.exports import COLUMNS
from api.batches.zip_stream import ZipStream
from db.session import Database
from tests.api.batches.conftest import BROKEN, JSON, Files, Judge, end, made, picture, put

FORMULA = '=HYPERLINK("http://example.org")'


@pytest.fixture
def judged(client: httpx2.Client, judge: Judge) -> JSON:
    """Two pictures that were judged, one of them named twice; one that failed, one broken, one not sent."""
    files = Files().add(FORMULA, picture(3)).add('a,\n"b"', picture(1)).add("b", picture(2)).add("again", picture(1))
    batch = made(client, files.add("broken", BROKEN).add("never", b"never"))
    for content in (picture(3), picture(1), picture(2), BROKEN):
        put(client, batch, content)
    end(client, batch)
    assert judge.all(fail=1) == 3
    return batch


def test_csv(client: httpx2.Client, judged: JSON) -> None:
    answer = client.get(judged["links"]["csv"])
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert judged["id"] in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
    assert tuple(rows[0]) == COLUMNS
    assert [row["path"] for row in rows] == ["'" + FORMULA, 'a,\n"b"', "b", "again", "broken", "never"]
    assert [row["state"] for row in rows] == ["job", "job", "job", "duplicate", "rejected", "rejected"]
    assert [row["code"] for row in rows] == ["decode_failed", "", "", "", "type_unsupported", "not_received"]
    assert [row["job_state"] for row in rows] == ["failed", "succeeded", "succeeded", "succeeded", "", ""]
    assert [row["decision"] for row in rows] == ["", "positive", "positive", "positive", "", ""]
    found = {name: rows[1][name] for name in ("label", "probability", "threshold", "region", "model")}
    assert found == {"label": "fracture", "probability": "0.7", "threshold": "0.5", "region": "leg", "model": "test 1"}
    assert rows[1]["job"] == rows[3]["job"] != rows[2]["job"]


def test_ndjson(client: httpx2.Client, judged: JSON) -> None:
    answer = client.get(judged["links"]["ndjson"])
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["position"] for line in lines] == list(range(6))
    assert lines[1]["path"] == 'a,\n"b"'
    assert [bool(line.get("result")) for line in lines] == [False, True, True, True, False, False]
    assert lines[1]["result"]["findings"][0]["probability"] == pytest.approx(0.7)
    assert lines[4]["title"] == "Not a DICOM, PNG or JPEG file"


def test_zip(client: httpx2.Client, judged: JSON) -> None:
    answer = client.get(judged["links"]["zip"])
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert archive.read("results.csv").decode() == client.get(judged["links"]["csv"]).text
        names = archive.namelist()
        rows = csv.DictReader(io.StringIO(client.get(judged["links"]["csv"]).text, newline=""))
        jobs = {row["job"] for row in rows if row["job_state"] == "succeeded"}
        assert sorted(names[1:]) == sorted(f"{job}/{form}" for job in jobs for form in ("overlay.png", "report.pdf"))
        assert len(jobs) == 2
        assert archive.read(names[-1]).startswith(b"%PDF")
        overlay = Image.open(io.BytesIO(archive.read(next(name for name in names if name.endswith(".png")))))
        assert min(overlay.size) >= 48
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
    only = client.get(judged["links"]["zip"], params={"report": "json"})
    with zipfile.ZipFile(io.BytesIO(only.content)) as archive:
        assert [name.partition("/")[2] for name in archive.namelist()[1:]] == ["report.json"] * 2


def test_exports_are_audited(client: httpx2.Client, judged: JSON, database: Database) -> None:
    for form in ("csv", "ndjson", "zip"):
        client.get(judged["links"][form])
    with database.unit_of_work() as session:
        rows = session.execute(
            text("SELECT subject, detail->>'form' FROM audit_record WHERE action = 'result_exported' ORDER BY number")
        ).all()
    assert rows == [(f"batch {judged['id']}", form) for form in ("csv", "ndjson", "zip")]


def test_many_pages(client: httpx2.Client) -> None:
    """More files than a page has, and an export while the batch is open."""
    files = Files()
    for number in range(450):
        files.add(f"f{number}", f"{number}".encode())
    batch = made(client, files)
    rows = list(csv.DictReader(io.StringIO(client.get(batch["links"]["csv"]).text)))
    assert [row["path"] for row in rows] == list(files.contents)
    assert len(client.get(batch["links"]["ndjson"]).text.splitlines()) == 450


def test_stream_of_many_entries(tmp_path: Path) -> None:
    """More entries than a plain end can count: Python's zipfile follows the Zip64 end."""
    with ZipStream(tmp_path) as stream, (tmp_path / "a.zip").open("wb") as out:
        out.writelines(stream.add(f"{number}", b"x") for number in range(70_000))
        out.writelines(stream.finish())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert len(archive.namelist()) == 70_000
        assert archive.read("69999") == b"x"


def test_stream_beyond_4_gib(tmp_path: Path) -> None:
    """A sparse file: offsets beyond 32 bits are found."""
    block = bytes(1024 * 1024)
    crc = 0
    for _ in range(1500):
        crc = zlib.crc32(block, crc)
    with ZipStream(tmp_path) as stream, (tmp_path / "a.zip").open("wb") as out:
        for number in range(3):
            out.write(next(stream.add_file(f"{number}", io.BytesIO(), size=1500 * len(block), crc=crc)))
            out.seek(1500 * len(block), 1)
        out.write(stream.add("last", b"content"))
        out.writelines(stream.finish())
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.read("last") == b"content"
        assert archive.getinfo("last").header_offset > 2**32
