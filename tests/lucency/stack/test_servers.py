"""The embedded servers: data survives kill -9, credentials stay private, and a crash leaves nothing in the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest

from lucency.stack import ports, s3_signature
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.processes import kill_leftovers, leftovers
from lucency.stack.servers import Credentials, Postgres, Valkey, ping

OBJECT = "/lucency/kept"


def write_everywhere(servers: EmbeddedServers) -> None:
    assert servers.postgres.psql("CREATE TABLE kept AS SELECT 42 AS answer").returncode == 0
    assert s3_signature.request(servers.seaweedfs.signing_endpoint(), "PUT", OBJECT, body=b"kept") == 200


def assert_everything_there(servers: EmbeddedServers) -> None:
    assert servers.postgres.psql("SELECT answer FROM kept").stdout == b"42\n"
    assert s3_signature.request(servers.seaweedfs.signing_endpoint(), "GET", OBJECT) == 200


def test_data_survives_kill_nine_of_everything_ports_are_kept_and_secrets_private(tmp_path: Path) -> None:
    first = EmbeddedServers(tmp_path)
    first.start()
    write_everywhere(first)
    before = [server.ports for server in first.all]
    for server in first.all:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)  # as the kernel would: nothing is tidied
    for server in first.all:
        assert server.process is not None
        server.process.wait()
    with EmbeddedServers(tmp_path) as second:
        assert_everything_there(second)
        assert [server.ports for server in second.all] == before
        secrets = vars_of(second.credentials)
        for process in leftovers(tmp_path):
            assert not secrets & set(" ".join(process.cmdline()).split())
        assert_private(second, secrets)
    assert leftovers(tmp_path) == []


def test_a_server_whose_port_another_takes_first_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as quicker:
        taken, choose = quicker.getsockname()[1], ports.choose_ports
        answers = iter([{"resp": taken}])
        monkeypatch.setattr(ports, "choose_ports", lambda *names, **how: next(answers, None) or choose(*names, **how))
        valkey = Valkey(tmp_path, Credentials.of(tmp_path), durable=False)
        (tmp_path / "logs").mkdir(exist_ok=True)
        valkey.start()
        assert valkey.port == taken
        try:
            valkey.wait_ready()
            assert valkey.port != taken
            kept = json.loads((valkey.folder / "ports.json").read_text())
            assert kept == valkey.ports
        finally:
            valkey.kill()


def vars_of(credentials: Credentials) -> set[str]:
    return {
        credentials.postgres_password,
        credentials.valkey_password,
        credentials.s3_secret_key,
        credentials.identity_key,
    }


def assert_private(servers: EmbeddedServers, secrets: set[str]) -> None:
    """Whatever file of the home holds a secret is nobody else's to read."""
    holding = [
        path
        for path in servers.home.rglob("*")
        if path.is_file() and not path.is_relative_to(servers.postgres.data)
        if any(secret.encode() in path.read_bytes() for secret in secrets)
    ]
    assert len(holding) >= 4
    assert all(path.stat().st_mode & 0o077 == 0 for path in holding)


def test_wrong_keys_and_passwords_are_refused(servers: EmbeddedServers) -> None:
    endpoint = servers.seaweedfs.signing_endpoint()
    wrong = s3_signature.Endpoint(endpoint.host, endpoint.port, endpoint.access_key, "wrong")
    assert s3_signature.request(wrong, "PUT", OBJECT, body=b"no") == 403
    assert not ping(servers.valkey.port, "wrong")
    assert ping(servers.valkey.port, servers.credentials.valkey_password)


def test_children_die_with_the_process_that_started_them(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from lucency.stack.embedded import EmbeddedServers;"
        "servers = EmbeddedServers(Path(sys.argv[1])); servers.valkey.start(); servers.valkey.wait_ready();"
        "print(servers.valkey.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.name() == "valkey-server"
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert kill_leftovers(tmp_path) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_postgres_falls_back_to_the_user_nobody(tmp_path: Path) -> None:
    # pytest's own temporary folders are closed to others.
    above = Path(tempfile.gettempdir()).resolve()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(above) and folder != above:
            folder.chmod(0o711)
    postgres = Postgres(tmp_path, Credentials.of(tmp_path), identity="nobody", durable=False)
    postgres.start()
    try:
        postgres.wait_ready()
        assert psutil.Process(postgres.pid).username() == "nobody"
    finally:
        postgres.stop()
