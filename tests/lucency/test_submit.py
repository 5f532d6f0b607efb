"""`lucency submit`: exit status and files written, over a plain HTTP server that speaks the API's answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from core.errors import Forbidden, IdentityKeyMissing, LucencyError, PixelsTooLarge, StackFailed, Unauthorized
from lucency.client import Client, WaitTimeout
from lucency.commands import app
from lucency.exit_status import exit_code
from lucency.submit import Item, overall


class Recorded(ThreadingHTTPServer):
    """Answers from a list, in order; what came in is kept. It stands for a network, not for our API's behaviour."""

    answers: list[tuple[int, dict[str, str], object]]
    requests: list[tuple[str, str, dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    server: Recorded

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        status, headers, payload = self.server.answers.pop(0)
        content = json.dumps(payload).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 — the names that http.server asks for

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[Recorded]:
    running = Recorded(("127.0.0.1", 0), Handler)
    running.answers, running.requests = [], []
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def url(server: Recorded) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def job(state: str = "queued", identifier: str = "j1") -> dict[str, object]:
    return {"id": identifier, "state": state, "problem": None, "links": {}}


def problem(code: str) -> dict[str, object]:
    return {"type": "about:blank", "code": code, "title": code, "detail": f"about {code}"}


def test_a_busy_server_is_asked_again_with_the_same_key_and_body(server: Recorded, tmp_path: Path) -> None:
    file = tmp_path / "a.dcm"
    file.write_bytes(b"pixels" * 1000)
    server.answers = [(503, {"Retry-After": "0"}, problem("queue_full")), (202, {}, job())]
    with Client(url(server), "lcy_a.b") as client:
        assert client.submit(file, explain=["fracture"], priority=3)["id"] == "j1"
    first, second = server.requests
    assert first[2]["Idempotency-Key"] == second[2]["Idempotency-Key"]
    assert second[2]["Authorization"] == "Bearer lcy_a.b"
    assert first[3].count(b"pixels") == second[3].count(b"pixels") == 1000
    assert b'name="priority"\r\n\r\n3' in second[3]


def test_errors_have_the_class_of_their_code_and_are_not_repeated(server: Recorded) -> None:
    server.answers = [(422, {}, problem("pixels_too_large"))]
    with Client(url(server), "lcy_a.b") as client, pytest.raises(PixelsTooLarge) as caught:
        client.submit(b"x")
    assert caught.value.problem["code"] == "pixels_too_large"
    assert len(server.requests) == 1


def test_what_only_a_person_can_mend_is_not_waited_for(server: Recorded) -> None:
    server.answers = [(503, {"Retry-After": "1"}, problem("identity_key_missing"))]
    with Client(url(server), "lcy_a.b") as client, pytest.raises(IdentityKeyMissing):
        client.create_batch([{"path": "a", "sha256": "0" * 64}])
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [502, 504])
def test_a_proxy_in_front_of_a_server_that_is_away(server: Recorded, status: int) -> None:
    server.answers = [(status, {}, "Bad Gateway"), (200, {}, {"items": ["a" * 64], "next": None})]
    with Client(url(server), "lcy_a.b") as client:
        assert list(client.batch_needed("b1")) == ["a" * 64]


def test_all_pages_are_read(server: Recorded) -> None:
    server.answers = [
        (200, {}, {"items": [job(identifier="a")], "next": "c1"}),
        (200, {}, {"items": [job(identifier="b")], "next": None}),
    ]
    with Client(url(server), "k") as client:
        assert [found["id"] for found in client.jobs()] == ["a", "b"]
    assert "cursor=c1" in server.requests[1][1]


def test_waiting_ends_with_wait_timeout(server: Recorded) -> None:
    server.answers = [(200, {}, job("running"))]
    with Client(url(server), "k") as client, pytest.raises(WaitTimeout):
        client.wait("j1", timeout=0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([(202, {}, job()), (202, {}, job())], 0),
        ([(415, {}, problem("type_unsupported")), (202, {}, job())], 3),
        ([(415, {}, problem("type_unsupported")), (415, {}, problem("type_unsupported"))], 1),
        ([(401, {}, problem("unauthorized"))], 4),
    ],
)
def test_exit_status_of_two_files(server: Recorded, tmp_path: Path, answers: list[object], expected: int) -> None:
    server.answers = list(answers)  # type: ignore[arg-type]
    files = [tmp_path / name for name in ("a.png", "b.png")]
    for file in files:
        file.write_bytes(b"x")
    done = CliRunner().invoke(app, ["submit", *map(str, files), "--url", url(server), "--json"])
    assert done.exit_code == expected, done.output
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == [str(file) for file in files]


def finding(label: str, **fields: object) -> dict[str, object]:
    made = {"label": label, "probability": 0.7, "threshold": 0.5, "decision": "positive", "regions_of_interest": []}
    return made | {"explanation": None, "three_way": None, "stability": None} | fields


def test_a_result_says_what_was_referred_and_why(server: Recorded, tmp_path: Path) -> None:
    three_way = {"decision": "refer", "coverage": 0.9, "lower": 0.1, "upper": 0.8}
    result = {
        "job_id": "j1",
        "model_version": {"name": "net", "version": "1"},
        "engine": "onnxruntime",
        "findings": [finding("fracture", three_way=three_way, stability=0.75), finding("other")],
        "region": {"label": "hand", "probability": 0.4, "probabilities": {"hand": 0.4}},
        "routing": {"specialist": "hand", "probability": 0.4, "referred": True},
        "sanity": {"accepted": False, "flags": [{"code": "blurred", "score": 1.5, "limit": 1.25}]},
        "timings_ms": {"infer": 1.0, "stability": 2.0},
    }
    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    server.answers = [(202, {}, job()), (200, {}, job("succeeded")), (200, {}, result)]
    done = CliRunner().invoke(app, ["submit", str(file), "--url", url(server), "--wait", "--stability"])
    assert done.exit_code == 0, done.output
    assert b'name="stability"\r\n\r\ntrue' in server.requests[0][3]
    for words in (
        "refer (90%)",
        "0.750",
        "input not accepted: blurred (1.5 > 1.25)",
        "region: hand (0.400)",
        "judged by the specialist of hand, too unsure",
    ):
        assert words in done.stdout


def test_a_result_without_region(server: Recorded, tmp_path: Path) -> None:
    result = {
        "job_id": "j1",
        "model_version": {"name": "net", "version": "1"},
        "engine": "onnxruntime",
        "findings": [finding("abnormal")],
        "region": {"label": None, "probability": None, "probabilities": {}},
        "timings_ms": {"infer": 1.0},
    }
    file = tmp_path / "a.png"
    file.write_bytes(b"x")
    server.answers = [(202, {}, job()), (200, {}, job("succeeded")), (200, {}, result)]
    done = CliRunner().invoke(app, ["submit", str(file), "--url", url(server), "--wait"])
    assert done.exit_code == 0, done.output
    assert "abnormal" in done.stdout
    assert "region: " not in done.stdout
    assert "stability" not in done.stdout + str(server.requests[0][3])


def test_a_missing_file_is_its_own_failure_only(server: Recorded, tmp_path: Path) -> None:
    there = tmp_path / "there.png"
    there.write_bytes(b"x")
    server.answers = [(202, {}, job())]
    done = CliRunner().invoke(app, ["submit", str(tmp_path / "not"), str(there), "--url", url(server)])
    assert done.exit_code == 3
    assert "j1" in done.stdout
    assert "is not a file" in done.stderr


@pytest.mark.parametrize(
    ("error", "expected"), [(Unauthorized(), 4), (Forbidden(), 4), (WaitTimeout(), 5), (StackFailed(), 1)]
)
def test_exit_status_of_errors(error: LucencyError, expected: int) -> None:
    assert exit_code(error) == expected


def test_time_out_counts_before_partial_failure() -> None:
    late, good = Item(Path("a")), Item(Path("b"))
    late.refuse(WaitTimeout())
    assert overall([late, good]) == 5


def test_a_wrong_option_is_a_usage_error() -> None:
    assert CliRunner().invoke(app, ["submit", "--no-such-option"]).exit_code == 2
