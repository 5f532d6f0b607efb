"""The one typed settings class, and the only reader of the environment.

Every setting is `LUCENCY_<NAME>`; a stack started by `lucency up` writes its own into `<home>/lucency.env`, which the
environment overrides.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.vocabulary import EngineName

# ONNX Runtime reports to its maker unless this is set before it loads, in this process or the one that started it.
# Nothing that handles images of patients reports to anybody.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
# OpenVINO reports that it was imported, by its conversion tools. It does without them where they are missing, and is
# imported in half the time.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]
sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]

DEFAULT_HOME = Path(".lucency")
MEBIBYTE = 1024 * 1024

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """All settings of every process. Sizes are bytes, durations seconds."""

    model_config = SettingsConfigDict(env_prefix="LUCENCY_", frozen=True, extra="ignore")

    # Where the local stack keeps its state; nothing else is written outside the temporary folder.
    home: Path = DEFAULT_HOME
    log_level: str = "INFO"
    log_json: bool = True

    # Servers.
    database_url: SecretStr = SecretStr("postgresql+psycopg2://lucency@127.0.0.1:5432/lucency")
    database_pool_size: PositiveInt = 10
    database_statement_timeout: PositiveFloat = 30.0
    # Not where a pooler gives each transaction another connection.
    database_prepared: bool = True
    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    s3_endpoint: str = "127.0.0.1:8333"
    s3_access_key: str = "lucency"
    s3_secret_key: SecretStr = SecretStr("")
    s3_bucket: str = "lucency"
    s3_region: str = "us-east-1"
    s3_secure: bool = False
    # Where clients reach the store for presigned uploads, such as https://store.hospital.org; null: the endpoint above.
    s3_public_url: str | None = None
    s3_timeout: PositiveFloat = 10.0

    # The API and its clients.
    api_host: str = "127.0.0.1"
    api_port: Annotated[int, Field(ge=0, le=65535)] = 8000
    api_url: str = "http://127.0.0.1:8000"
    api_key: SecretStr | None = None
    wait_limit: PositiveFloat = 30.0

    # The web application: where it was built. Its sessions end when idle, and at the latest after `session_lifetime`.
    ui_folder: Path | None = None
    samples_folder: Path | None = None
    session_idle: PositiveFloat = 3600.0
    session_lifetime: PositiveFloat = 12 * 3600.0
    # Off: by OpenID Connect alone.
    password_login: bool = True
    login_failures: PositiveInt = 5
    login_lock: PositiveFloat = 60.0
    login_lock_cap: PositiveFloat = 3600.0
    # How browsers reach us, such as https://lucency.hospital.org; behind TLS it makes browsers insist on it.
    public_url: str | None = None
    # Sign-in by OpenID Connect, offered when an issuer is set. Who signs in becomes nobody by that alone: a user of
    # that e-mail address must exist.
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = "single sign-on"
    # A provider that does not say whether it verified an address (`email_verified`) is believed nevertheless.
    oidc_trust_email: bool = False

    # Intake. The temporary folder must hold `upload_bytes` for every concurrent upload.
    temporary_folder: Path | None = None
    upload_bytes: PositiveInt = 128 * MEBIBYTE
    upload_timeout: PositiveFloat = 60.0
    # A file of so many bytes is stored with a copy of 512 px, decoded at intake: workers and pictures take that.
    reduced_from: PositiveInt = MEBIBYTE
    pixel_limit: PositiveInt = 100_000_000
    inflated_bytes: PositiveInt = 512 * MEBIBYTE
    queue_limit: PositiveInt = 1_000_000
    site_active_limit: PositiveInt = 100_000

    # Seals the Sites' keys: 32 bytes in URL-safe base64. `lucency up` makes one; losing it loses every identity.
    identity_key: SecretStr | None = None

    # Batches. Sizes of archives are bytes after inflation.
    batch_files: PositiveInt = 100_000
    archive_files: PositiveInt = 20_000
    archive_bytes: PositiveInt = 16 * 1024 * MEBIBYTE
    archive_ratio: PositiveInt = 200

    # DICOMweb: what one STOW-RS request may hold; each of its parts is bounded as an upload is.
    stow_bytes: PositiveInt = 4 * 1024 * MEBIBYTE
    stow_parts: PositiveInt = 5000

    # Studies: judged together when no image came for so long.
    study_quiet: PositiveFloat = 60.0

    # Deliveries.
    delivery_attempts: PositiveInt = 12
    delivery_timeout: PositiveFloat = 30.0
    delivery_retry_base: PositiveFloat = 5.0
    delivery_retry_cap: PositiveFloat = 3600.0
    # Private addresses may be named as webhook and STOW targets: within a hospital they are what is wanted.
    delivery_private_addresses: bool = False

    # The DICOM gateway; `gateway` makes the local stack run one. An empty allow-list lets everyone in; entries are AE
    # titles, and addresses or networks, with commas between.
    gateway: bool = False
    gateway_ae_title: str = "LUCENCY"
    gateway_host: str = "127.0.0.1"
    gateway_port: Annotated[int, Field(ge=0, le=65535)] = 11112
    gateway_spool: Path | None = None
    gateway_peers: str = ""
    gateway_networks: str = ""
    gateway_accept_secondary_capture: bool = False
    gateway_tls_certificate: Path | None = None
    gateway_tls_key: Path | None = None
    gateway_tls_authority: Path | None = None
    # Nothing more is taken when less than this is free on the spool's disk, or when the spool holds more than that.
    gateway_free_bytes: PositiveInt = 1024 * MEBIBYTE
    gateway_spool_bytes: PositiveInt = 64 * 1024 * MEBIBYTE
    gateway_forwarders: PositiveInt = 4
    gateway_associations: PositiveInt = 20
    gateway_pdu_bytes: PositiveInt = 256 * 1024
    gateway_timeout: PositiveFloat = 60.0
    # Between two tries of an API that does not answer, at most.
    gateway_retry_cap: PositiveFloat = 30.0

    # A job's life.
    max_attempts: PositiveInt = 5
    max_crashes: PositiveInt = 3
    lease: PositiveFloat = 30.0
    heartbeat: PositiveFloat = 10.0
    sweep: PositiveFloat = 5.0
    retry_base: PositiveFloat = 2.0
    retry_cap: PositiveFloat = 120.0
    job_deadline: PositiveFloat = 24 * 3600.0
    stale_hint: PositiveFloat = 5.0
    orphan_age: PositiveFloat = 24 * 3600.0

    # The worker.
    engine: EngineName = EngineName.ONNXRUNTIME
    engine_threads: PositiveInt = 1
    worker_concurrency: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1)
    claim_batch: PositiveInt = 8
    decoders: PositiveInt = 1
    decode_memory: PositiveInt = 1024 * MEBIBYTE
    decode_timeout: PositiveFloat = 10.0
    bundle_cache: Path | None = None

    # The Bundle that `lucency up` publishes; the shipped one where this is not set.
    bundle: Path | None = None

    # Data sets for the trainer and for tests that want real files.
    data: Path = Path("../shared/data")

    @property
    def environment_file(self) -> Path:
        """The file that a local stack writes its settings into (mode 0600: it holds the stack's own secrets)."""
        return self.home / "lucency.env"


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """Settings of this process: environment over `<home>/lucency.env` over defaults.

    Raises pydantic.ValidationError where a value is out of range.
    """
    home = Path(os.environ.get("LUCENCY_HOME", DEFAULT_HOME))
    return Settings(_env_file=home / "lucency.env")


def inherited_environment() -> dict[str, str]:
    """A copy of the environment for child processes, without any `LUCENCY_` setting: those are passed explicitly."""
    return {name: value for name, value in os.environ.items() if not name.startswith("LUCENCY_")}


def limit_threads(count: int) -> None:
    """Bound the thread pools of numeric libraries in this process and its children. They read it when they load."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(count)
    os.environ["TF_NUM_INTEROP_THREADS"] = "1"
