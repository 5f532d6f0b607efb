"""The supervisor: `python -m lucency.stack.supervisor` starts the whole stack, keeps it running, stops it on SIGTERM.

One thread only: the kernel takes the end of the thread that started a child for the end of its parent.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import SecretStr

from core import shipped
from core.errors import StackFailed
from core.settings import Settings, load_settings
from lucency.stack.embedded import EmbeddedServers
from lucency.stack.environment import environment_of, write_environment_file
from lucency.stack.ports import next_free
from lucency.stack.processes import child_environment, kill_leftovers, kill_process, launched, spawn, tail
from lucency.stack.servers import Server
from lucency.stack.state import ProcessState, StackState, make_home, supervisor_lock

READY_TIMEOUT = 180.0
COMMAND_TIMEOUT = 120.0
FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 30.0
STEADY = 60.0
# A process that ended this often while starting will not come up.
HOPELESS = 3
# Celery's warm shutdown lets running tasks end; a task is over within a claim of a few seconds, or released.
STOP_PATIENCE = 60.0
SECRET = ("database_url", "broker_url", "s3_secret_key", "identity_key")
KEY_PATTERN = re.compile(r"lcy_[\w-]+\.[\w-]+")


class Interrupted(Exception):
    """SIGTERM or SIGINT: stop the stack."""


@dataclass(slots=True)
class Application:
    """One of our own processes and how it has fared."""

    name: str
    command: list[str]
    port: int | None = None
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    restarts: int = 0
    backoff: float = FIRST_BACKOFF
    restart_at: float | None = None


class Supervisor:
    """Starts and watches the servers and applications of one home."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.settings = settings
        self.servers = EmbeddedServers(home)
        self.state = StackState(phase="starting")
        self.applications: dict[str, Application] = {}
        self._server_started: dict[str, float] = {}

    # --- Start --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring everything up; returns when /readyz says 200. Raises StackFailed."""
        kill_leftovers(self.home)
        self._save()
        self._step("servers", self._start_servers)
        self._choose_api_port()
        self._write_environment()
        self._step("migrations", lambda: self._command("db", "migrate"))
        # On two cores nearly all of a start is Python importing: what can overlap does.
        publishing = self._start_publishing()
        self._launch(self._application("api"))
        if self.settings.api_key is None:
            self._step("API key", self._issue_key)
        if publishing is not None:
            self._step("model", lambda: self._finish_publishing(publishing))
        for name in ("worker", "services", "beat", *(["gateway"] if self.settings.gateway else [])):
            self._launch(self._application(name))
        self._step("ready", self._wait_ready)
        self.state.phase = "running"
        self._save()

    def _start_servers(self) -> None:
        self.servers.start()
        self._server_started = {server.name: time.time() for server in self.servers.all}

    def _choose_api_port(self) -> None:
        wanted = self.settings.api_port
        port = next_free(wanted, host=self.settings.api_host)
        if port != wanted:
            self.state.notes.append(f"Port {wanted} is taken; the API listens on {port}.")
        self.settings = self.settings.model_copy(
            update={"api_port": port, "api_url": f"http://{self.settings.api_host}:{port}"}
        )
        self.state.api_url = self.settings.api_url
        if self.settings.gateway:
            chosen = next_free(self.settings.gateway_port, host=self.settings.gateway_host)
            self.settings = self.settings.model_copy(update={"gateway_port": chosen})
            self.state.notes.append(f"DICOM gateway: {self.settings.gateway_ae_title} on port {chosen}.")

    def _write_environment(self) -> None:
        values = self.servers.settings()
        if self.settings.identity_key is not None:
            # A key that was given wins: the database of this home may have been sealed by it.
            values["LUCENCY_IDENTITY_KEY"] = self.settings.identity_key.get_secret_value()
        update: dict[str, object] = {name.removeprefix("LUCENCY_").lower(): value for name, value in values.items()}
        update |= {name: SecretStr(str(update[name])) for name in SECRET}
        self.settings = self.settings.model_copy(update=update | {"home": self.home})
        values |= {"LUCENCY_API_PORT": str(self.settings.api_port), "LUCENCY_API_URL": self.settings.api_url}
        if self.settings.gateway:
            values["LUCENCY_GATEWAY_PORT"] = str(self.settings.gateway_port)
        if self.settings.api_key is not None:
            values["LUCENCY_API_KEY"] = self.settings.api_key.get_secret_value()
        write_environment_file(self.home / "lucency.env", values)

    def _issue_key(self) -> None:
        scopes = [part for scope in ("submit", "read", "admin") for part in ("--scope", scope)]
        output = self._command("db", "key", "--site", "local", *scopes)
        found = KEY_PATTERN.search(output)
        if found is None:
            raise StackFailed("`lucency db key` printed no API key.")
        self.settings = self.settings.model_copy(update={"api_key": SecretStr(found.group())})
        self._write_environment()

    def _start_publishing(self) -> subprocess.Popen[str] | None:
        """Begin to publish the Bundle; None where this home has it already."""
        bundle = (self.settings.bundle or shipped.BUNDLE).absolute()
        manifest = bundle / "bundle.json"
        if not manifest.exists():
            raise StackFailed(f"There is no Bundle in {bundle}: `lucency train` makes one.")
        done = self.home / "published"
        if done.exists() and done.read_text() == hashlib.sha256(manifest.read_bytes()).hexdigest():
            return None
        return self._start_command("models", "publish", str(bundle), "--activate")

    def _finish_publishing(self, publishing: subprocess.Popen[str]) -> None:
        manifest = (self.settings.bundle or shipped.BUNDLE) / "bundle.json"
        self._finish_command(publishing)
        (self.home / "published").write_text(hashlib.sha256(manifest.read_bytes()).hexdigest())

    def _wait_ready(self) -> None:
        end = time.monotonic() + READY_TIMEOUT
        while (answer := http_status(f"{self.settings.api_url}/readyz"))[0] != 200:
            self._watch_applications()
            crashing = any(application.restarts >= HOPELESS for application in self.applications.values())
            if crashing or time.monotonic() > end:
                logs = "\n".join(f"--- {name}\n{tail(self._log(name), lines=8)}" for name in ("api", "worker"))
                raise StackFailed(f"The stack did not become ready. /readyz: {answer[1]}\n{logs}")
            time.sleep(0.1)

    # --- Processes ----------------------------------------------------------------------------------------------

    def _application(self, name: str) -> Application:
        celery = [sys.executable, "-m", "celery", "-A", "worker.app:celery"]
        log = ["--loglevel", self.settings.log_level, "--without-gossip", "--without-mingle"]
        host, port = self.settings.api_host, self.settings.api_port
        commands = {
            "api": [
                *(sys.executable, "-m", "uvicorn", "api.app:create_app", "--factory"),
                *("--host", host, "--port", str(port), "--no-access-log", "--timeout-graceful-shutdown", "10"),
            ],
            "worker": [
                *(*celery, "worker", "-Q", "inference", "--pool", "prefork", "-n", "inference@%h"),
                *("--concurrency", str(self.settings.worker_concurrency), *log),
            ],
            "services": [
                *(*celery, "worker", "-Q", "services", "--pool", "prefork", "-n", "services@%h"),
                *("--concurrency", "1", *log),
            ],
            "beat": [*celery, "beat", "--loglevel", self.settings.log_level],
            "gateway": [sys.executable, "-m", "lucency.commands", "gateway", "run"],
        }
        ports = {"api": port, "gateway": self.settings.gateway_port}
        return Application(name, commands[name], port=ports.get(name))

    def _launch(self, application: Application) -> None:
        application.process = spawn(
            launched(application.command, death_signal=signal.SIGTERM),
            cwd=self.home,
            log=self._log(application.name),
            environment=self._environment(),
        )
        application.started_at = time.time()
        application.restart_at = None
        self.applications[application.name] = application
        self._save()

    def _start_command(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a `lucency` command."""
        return subprocess.Popen(
            launched([sys.executable, "-m", "lucency.commands", *arguments], death_signal=signal.SIGTERM),
            cwd=self.home,
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _finish_command(self, process: subprocess.Popen[str]) -> str:
        """Wait for a command's end and return its stdout. Raises StackFailed with its stderr."""
        arguments = process.args if isinstance(process.args, list) else []
        name = "lucency " + " ".join(str(part) for part in arguments[arguments.index("lucency.commands") + 1 :][:2])
        try:
            output, errors = process.communicate(timeout=COMMAND_TIMEOUT)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise StackFailed(f"`{name}` took over {COMMAND_TIMEOUT:.0f} s.") from error
        if process.returncode != 0:
            end = "\n".join((output + errors).splitlines()[-20:])
            raise StackFailed(f"`{name}` failed:\n{end}")
        return output

    def _command(self, *arguments: str) -> str:
        return self._finish_command(self._start_command(*arguments))

    def _environment(self) -> dict[str, str]:
        return child_environment(self.home, environment_of(self.settings))

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    # --- Watch --------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Restart what ends, for ever; Interrupted ends it."""
        while True:
            for server in self.servers.all:
                self._watch_server(server)
            self._watch_applications()
            time.sleep(0.5)

    def _watch_server(self, server: Server) -> None:
        if server.process is None or server.process.poll() is None:
            return
        # The rest of its group goes first: Postgres does not start while children of the last one hold its memory.
        kill_process(server.process)
        before = server.ports
        try:
            server.start()
            server.wait_ready()
        except StackFailed as error:
            self.state.notes.append(error.detail)
            self._save()
            return
        self._server_started[server.name] = time.time()
        self.state.notes.append(f"{server.name} ended and was started again.")
        if server.ports != before:
            self._write_environment()
            for application in self.applications.values():
                if application.process is not None:
                    application.process.terminate()
        self._save()

    def _watch_applications(self) -> None:
        now = time.time()
        for application in self.applications.values():
            if application.process is None or application.process.poll() is None:
                continue
            if application.restart_at is None:
                kill_process(application.process)
                if now - application.started_at > STEADY:
                    application.backoff = FIRST_BACKOFF
                application.restart_at = now + application.backoff
                application.backoff = min(application.backoff * 2, LONGEST_BACKOFF)
            elif now >= application.restart_at:
                application.restarts += 1
                self._launch(application)

    # --- Stop ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop applications together, then the servers. What does not stop in time is killed."""
        self.state.phase = "stopping"
        self._save()
        running = [application.process for application in self.applications.values() if application.process]
        for process in running:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + STOP_PATIENCE
        for process in running:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                # Celery's soft shutdown has had its time.
                kill_process(process)
        self.servers.stop()
        kill_leftovers(self.home)

    # --- State --------------------------------------------------------------------------------------------------

    def _step(self, name: str, action: Callable[[], object]) -> None:
        began = time.monotonic()
        action()
        self.state.steps.append((name, round(time.monotonic() - began, 2)))
        self._save()

    def _save(self) -> None:
        processes = [
            ProcessState(server.name, server.pid, server.port, str(server.log), self._server_started[server.name])
            for server in self.servers.all
            if server.name in self._server_started
        ]
        processes += [
            ProcessState(
                application.name,
                application.process.pid if application.process else None,
                application.port,
                str(self._log(application.name)),
                application.started_at,
                application.restarts,
            )
            for application in self.applications.values()
        ]
        self.state.processes = processes
        self.state.write(self.home)


def http_status(url: str) -> tuple[int, str]:
    """GET `url`: (status, start of the body), or (0, why) when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 — our own address
            return response.status, response.read(2000).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(2000).decode("utf-8", "replace")
    except OSError as error:
        return 0, str(error)


def run(settings: Settings) -> int:
    """Run the stack until a signal; the exit code says whether it came up."""
    home = make_home(settings.home)
    with supervisor_lock(home, patience=1.0) as free:
        if not free:
            return 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _interrupt)
        supervisor = Supervisor(home, settings)
        supervisor.state.supervisor = os.getpid()
        failed = ""
        try:
            supervisor.start()
            supervisor.watch()
        except Interrupted:
            pass
        except StackFailed as error:
            failed = error.detail
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()
        supervisor.state.phase = "failed" if failed else "stopped"
        supervisor.state.error = failed
        supervisor.state.processes = []
        supervisor.state.write(home)
        return 1 if failed else 0


def _interrupt(_number: int, _frame: object) -> None:
    raise Interrupted


if __name__ == "__main__":
    sys.exit(run(load_settings()))
