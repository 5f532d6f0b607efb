"""The three servers together, in one folder."""

from __future__ import annotations

from pathlib import Path

from lucency.stack.processes import kill_leftovers
from lucency.stack.seaweed import BUCKET, SeaweedFS
from lucency.stack.servers import Credentials, Postgres, Server, Valkey


class EmbeddedServers:
    """Postgres, Valkey and SeaweedFS below `home`. Use as a context manager, or `start` and `stop`.

    `durable=False` trades safety against a crash of the machine (not of a process) for speed: tests only.
    """

    def __init__(self, home: Path, *, durable: bool = True) -> None:
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.credentials = Credentials.of(self.home)
        self.postgres = Postgres(self.home, self.credentials, durable=durable)
        self.valkey = Valkey(self.home, self.credentials, durable=durable)
        self.seaweedfs = SeaweedFS(self.home, self.credentials, durable=durable)

    @property
    def all(self) -> tuple[Server, ...]:
        # The slowest to become ready first.
        return (self.seaweedfs, self.valkey, self.postgres)

    def start(self) -> None:
        """Kill leftovers of an earlier run, start all, wait until each does real work. Raises StackFailed."""
        kill_leftovers(self.home)
        try:
            for server in self.all:
                server.start()
            for server in self.all:
                server.wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        for server in self.all:
            server.stop()

    def kill(self) -> None:
        """kill -9 of all three."""
        for server in self.all:
            server.kill()

    def settings(self) -> dict[str, str]:
        """The LUCENCY_* settings with which every process reaches these servers, and the home's identity key."""
        return {
            "LUCENCY_DATABASE_URL": self.postgres.url(),
            "LUCENCY_BROKER_URL": self.valkey.url(),
            "LUCENCY_S3_ENDPOINT": self.seaweedfs.endpoint,
            "LUCENCY_S3_ACCESS_KEY": self.credentials.s3_access_key,
            "LUCENCY_S3_SECRET_KEY": self.credentials.s3_secret_key,
            "LUCENCY_S3_BUCKET": BUCKET,
            "LUCENCY_IDENTITY_KEY": self.credentials.identity_key,
        }

    def __enter__(self) -> EmbeddedServers:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
