"""The gateway as a process that a test may kill, and the DICOM that is sent to it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import FileDataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from core.settings import Settings
from gateway.state import status_of
from lucency.stack.environment import environment_of
from lucency.stack.ports import choose_ports
from lucency.stack.processes import child_environment, kill_process, spawn, tail
from tests.data import generated_radiograph
from tests.peers import Modality, Orthanc, dcmtk
from tests.worker.factories import until

ROOT = Path(__file__).parents[2]
COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
CANARY = "CANARY^PATIENT"


class Gateway:
    """`lucency gateway run` with its own spool in `folder`, on a port that stays the same over restarts."""

    def __init__(self, folder: Path, settings: Settings, **overrides: Any) -> None:
        self.folder = folder
        self.log = folder / "gateway.log"
        self.settings = settings.model_copy(
            update={
                "home": folder,
                "gateway_spool": folder / "spool",
                "gateway_port": choose_ports(["gateway"])["gateway"],
                "gateway_free_bytes": 1,
                "gateway_retry_cap": 1.0,
                **overrides,
            }
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def spool(self) -> Path:
        return self.folder / "spool"

    @property
    def modality(self) -> Modality:
        return Modality(self.settings.gateway_ae_title, "127.0.0.1", self.settings.gateway_port)

    def start(self, *, wait: bool = True) -> None:
        self.process = spawn(
            [sys.executable, "-m", "lucency.commands", "gateway", "run"],
            cwd=ROOT,
            log=self.log,
            environment=child_environment(self.folder, environment_of(self.settings)),
        )
        if wait:
            self.until(lambda status: bool(status["healthy"]), what="the gateway healthy")

    def kill(self) -> None:
        """kill -9."""
        if self.process is not None:
            kill_process(self.process)

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def status(self) -> dict[str, Any]:
        return status_of(self.settings)

    def until(self, reached: Callable[[dict[str, Any]], bool], *, what: str, timeout: float = 60.0) -> None:
        try:
            until(lambda: reached(self.status()), timeout=timeout)
        except AssertionError:
            raise AssertionError(f"{what}: not within {timeout:.0f} s. {self.status()}\n{tail(self.log)}") from None

    def until_drained(self, *, timeout: float = 60.0) -> None:
        """Wait until nothing is owed to the API any more."""
        self.until(lambda status: status["waiting"] == 0, what="the spool drained", timeout=timeout)

    def storescu(self, *arguments: str | Path, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """dcmtk's storescu to this gateway, in the transfer syntaxes of the files."""
        target = [
            "-xf",
            str(ROOT / "deploy" / "storescu.cfg"),
            "Lucency",
            "-nh",
            "-aec",
            self.settings.gateway_ae_title,
            "127.0.0.1",
            str(self.settings.gateway_port),
        ]
        return dcmtk("storescu", "-v", *target, *arguments, timeout=timeout)


def send_study(orthanc: Orthanc, gateway: Gateway, study: str) -> dict[str, Any]:
    """Orthanc forwards a study to the gateway."""
    orthanc.know("lucency", gateway.modality)
    return orthanc.send("lucency", [study])


def radiograph(*, seed: int = 0, sop_class: str = COMPUTED_RADIOGRAPHY, study: str | None = None) -> FileDataset:
    """A generated CR instance of a patient that must not show in any log."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset(BytesIO(), {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID, made.SeriesInstanceUID = study or generate_uid(), generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = CANARY, "CANARY-ID", "19500101", "O"
    made.Modality, made.BodyPartExamined, made.StudyDate, made.StudyTime = "CR", "HAND", "20240101", "120000"
    made.StudyID, made.AccessionNumber, made.SeriesNumber, made.InstanceNumber = "1", "CANARY-ACC", 1, 1
    pixels = generated_radiograph(160, 120, seed=seed)
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PixelRepresentation = 1, "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = pixels.tobytes()
    made["PixelData"].VR = "OW"
    return made


def written(path: Path, made: FileDataset) -> Path:
    """`made` as a file."""
    made.save_as(path, enforce_file_format=True)
    return path


def spooled(gateway: Gateway) -> list[FileDataset]:
    """What waits in the spool, parsed."""
    return [dcmread(path) for path in sorted((gateway.spool / "waiting").glob("*.dcm"))]


def quiet_for(seconds: float) -> None:
    """Give what should not happen the time to happen."""
    time.sleep(seconds)
