"""What the platform holds when its pages are looked at: a little of everything, made as users make it."""

from __future__ import annotations

import hashlib
import time

from tests.browser.stage import CHEST, LEG, Stage, dicom, radiograph
from tests.worker.inference.marked_app import POISON, marked


def furnish(stage: Stage) -> dict[str, str]:
    """Ids by name.

    job (a real DICOM radiograph, succeeded), study (its exam), batch, model; dead and buried, which end every worker.
    """
    hospital = stage.hospital
    # Nothing listens there: its deliveries fail, which the page has to show.
    target = {"host": "pacs.invalid", "port": 104, "called_ae_title": "PACS"}
    rule = {"name": "PACS", "kind": "c_store", "reports": ["sr"], "target": target}
    hospital.post("/v1/delivery-rules", json=rule).raise_for_status()
    batch = _batch(stage)
    dead, buried = (stage.give(marked(POISON, rows=rows), name="poison.png") for rows in (160, 164))
    leg, chest = stage.give(dicom(LEG), name=LEG), stage.give(dicom(CHEST), name=CHEST)
    for job in (leg, chest):
        assert stage.wait(job)["state"] == "succeeded"
    for job in (dead, buried):
        assert stage.wait(job)["state"] == "dead"
    return {
        "job": leg,
        "dead": dead,
        "buried": buried,
        "batch": batch,
        "study": _study(stage),
        "model": hospital.get("/v1/models").raise_for_status().json()["items"][0]["id"],
    }


def _batch(stage: Stage) -> str:
    """Six radiographs and a text, which is rejected; closed."""
    hospital = stage.hospital
    files = {f"ward 3/radiograph-{number}.png": radiograph(number) for number in range(6)}
    files["ward 3/notes.txt"] = b"no image at all"
    manifest = [
        {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
        for path, content in files.items()
    ]
    batch: str = hospital.post("/v1/batches", json={"files": manifest}).raise_for_status().json()["id"]
    parts = [("file", (path, content)) for path, content in files.items()]
    hospital.post(f"/v1/batches/{batch}/files", files=parts).raise_for_status()
    hospital.post(f"/v1/batches/{batch}/complete").raise_for_status()
    return batch


def _study(stage: Stage) -> str:
    end = time.monotonic() + 60
    while not (found := stage.hospital.get("/v1/studies").raise_for_status().json()["items"]):
        assert time.monotonic() < end, "no study"
        time.sleep(0.2)
    return str(found[0]["id"])
