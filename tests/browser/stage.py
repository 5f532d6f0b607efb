"""The platform that the browser meets: real processes, two Sites, users of every role made by `lucency user add`."""

from __future__ import annotations

import io
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx2

from core.passwords import hash_password
from core.vocabulary import Role, Scope
from db.repositories import sites, users
from tests.chaos.harness import Platform
from tests.data import encoded, generated_radiograph, pydicom_file
from tests.worker.inference.marked_app import HOLD, marked

PASSWORD = "a sentence that only tests may know"
HOSPITAL, ELSEWHERE = "City Hospital", "Elsewhere"
ENDED = {"succeeded", "dead", "cancelled"}
# Real radiographs of the pydicom-data wheel: a lower leg and a chest, CR.
LEG, CHEST = "RG3_J2KR.dcm", "RG1_J2KR.dcm"
# One process of each kind; a second worker would only take the core from the browser.
PROCESSES = ("api", "services", "beat", "worker-a")


@dataclass(frozen=True)
class Person:
    """Who signs in: `role` at `site`, or the platform's operator."""

    name: str
    email: str
    site: str
    role: Role
    operator: bool = False


VIEWER = Person("Vera Lind", "viewer@example.org", HOSPITAL, Role.VIEWER)
SUBMITTER = Person("Simon Ruiz", "submitter@example.org", HOSPITAL, Role.SUBMITTER)
ADMIN = Person("Ada Okoye", "admin@example.org", HOSPITAL, Role.ADMIN)
OPERATOR = Person("Olaf Berg", "operator@example.org", HOSPITAL, Role.ADMIN, operator=True)
STRANGER = Person("Stella Fern", "stranger@example.org", ELSEWHERE, Role.ADMIN)
PEOPLE = (VIEWER, SUBMITTER, ADMIN, OPERATOR, STRANGER)


class Stage(Platform):
    """A running platform with people; `hospital` and `elsewhere` are clients with API keys of the two Sites."""

    def __init__(self, home: Path, bundle: Path) -> None:
        # Three attempts: what kills its worker is dead after three restarts.
        super().__init__(home, bundle, study_quiet=2.0, max_attempts=3)
        for name in PROCESSES:
            self.launch(name)
        self._add_people()
        self.hospital = self._client(HOSPITAL)
        self.elsewhere = self._client(ELSEWHERE)
        self.start(*PROCESSES)

    def _add_people(self) -> None:
        """The operator by the command that users know; the others as that command adds them, without its start."""
        command = [sys.executable, "-m", "lucency.commands", "user", "add", OPERATOR.email, "--site", OPERATOR.site]
        command += ["--role", OPERATOR.role.value, "--name", OPERATOR.name, "--operator"]
        subprocess.run(
            command,
            env=self.environment(),
            input=PASSWORD + "\n",
            text=True,
            check=True,
            capture_output=True,
            timeout=120,
        )
        hashed = hash_password(PASSWORD)
        with self.database.unit_of_work() as session:
            for person in PEOPLE:
                if person is not OPERATOR:
                    made = users.add(session, email=person.email, name=person.name, password_hash=hashed)
                    site = sites.get_or_create_site(session, person.site)
                    users.set_role(session, made.id, site_id=site.id, role=person.role)

    def _client(self, site: str) -> httpx2.Client:
        with self.database.unit_of_work() as session:
            owner = sites.get_or_create_site(session, site)
            session.flush()
            scopes = [Scope.READ, Scope.SUBMIT, Scope.ADMIN]
            key = sites.issue_key(session, site_id=owner.id, name="browser tests", scopes=scopes)[1]
        return httpx2.Client(base_url=self.address, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def close(self) -> None:
        self.hospital.close()
        self.elsewhere.close()
        super().close()

    # --- Work that a test needs before it looks -----------------------------------------------------------------

    def give(self, content: bytes, *, name: str = "image.png", client: httpx2.Client | None = None) -> str:
        """Submit a file to the hospital, or by another client; the job's id."""
        files = {"file": (name, content)}
        answer = (client or self.hospital).post("/v1/jobs", files=files, headers={"Idempotency-Key": uuid4().hex})
        assert answer.status_code in {200, 202}, answer.text
        return str(answer.json()["id"])

    def wait(self, job: str, *states: str, timeout: float = 90.0) -> dict[str, Any]:
        """The hospital's job once it is in one of `states`, or at its end."""
        end = time.monotonic() + timeout
        while True:
            found: dict[str, Any] = self.hospital.get(f"/v1/jobs/{job}").raise_for_status().json()
            if found["state"] in (states or ENDED):
                return found
            assert time.monotonic() < end, f"job {job} is still {found['state']}"
            time.sleep(0.1)

    def done(self, content: bytes, *, name: str = "image.png") -> str:
        """A job of the hospital that has its result."""
        job = self.give(content, name=name)
        assert self.wait(job)["state"] == "succeeded"
        return job

    def hold_worker(self, *, rows: int = 160) -> str:
        """Keep the one worker busy with a job until `marks.let_go`; the job's id. What is given next stays queued."""
        self.marks.hold()
        job = self.give(marked(HOLD, rows=rows))
        child = self.child_of("worker-a")
        self.until(lambda: child in self.marks.inside(), what="inside the engine")
        self.until(self.marks.looked_ahead(child).exists, what="nothing claimed ahead")
        return job

    def site_id(self, name: str = HOSPITAL) -> UUID:
        with self.database.unit_of_work() as session:
            return sites.get_or_create_site(session, name).id


def radiograph(seed: int, *, rows: int = 320, columns: int = 240) -> bytes:
    """A generated radiograph as PNG."""
    return encoded(generated_radiograph(rows, columns, seed=seed))


def dicom(name: str = LEG) -> bytes:
    """A real radiograph."""
    return pydicom_file(name).read_bytes()


def archive(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    return buffer.getvalue()
