"""A Bundle: one folder that holds everything a worker needs to serve a network, with a SHA-256 of each file.

`bundle.json` is the manifest (`networks.manifest`); its own SHA-256 is the Bundle's digest. No TensorFlow here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.decisions import decide
from core.errors import BundleInvalid
from core.vocabulary import Decision
from networks.manifest import FORMAT, MANIFEST_NAME, Conformal, Head, Manifest, parse_manifest
from networks.preprocessing import Preprocessing

MODEL_CARD = "MODEL_CARD.md"
SANITY = "sanity.npz"
# A manifest is a few kilobytes; one beyond this is not ours.
MANIFEST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Route:
    """Where the router sent a radiograph, and how sure it was; `referred` where that is too little."""

    specialist: str
    probability: float
    referred: bool


class Bundle:
    """A Bundle folder whose manifest was read; make one with `Bundle.load`."""

    def __init__(self, path: Path, manifest: Manifest, digest: str) -> None:
        self.path = path
        self.manifest = manifest
        self.digest = digest

    @classmethod
    def load(cls, path: Path | str, *, verify: bool = True) -> Bundle:
        """Read the manifest and, unless `verify` is False, compare every file with its SHA-256.

        Raises BundleInvalid where a file is missing, extra, altered or not plain, or the format is unknown.
        """
        path = Path(path)
        content = _manifest_bytes(path)
        bundle = cls(path, parse_manifest(content), hashlib.sha256(content).hexdigest())
        if verify:
            bundle.verify()
        return bundle

    def verify(self) -> None:
        """Raises BundleInvalid unless the folder holds exactly the manifest's files, unaltered."""
        expected = {*self.manifest.files, MANIFEST_NAME}
        try:
            found = {entry.name for entry in self.path.iterdir()}
            missing, extra = sorted(expected - found), sorted(found - expected)
            if missing or extra:
                raise BundleInvalid(f"missing files: {missing}; files the manifest does not name: {extra}")
            for name, sha256 in self.manifest.files.items():
                file = self.path / name
                if file.is_symlink() or not file.is_file():
                    raise BundleInvalid(f"{name} is not a plain file")
                if sha256_of(file) != sha256:
                    raise BundleInvalid(f"{name} was altered: its SHA-256 is not the manifest's")
        except OSError as error:
            raise BundleInvalid("a file of the Bundle cannot be read") from error

    def file(self, name: str) -> Path:
        """The path of a file that the manifest names; BundleInvalid for any other."""
        if name not in self.manifest.files:
            raise BundleInvalid(f"this Bundle has no {name}")
        return self.path / name

    @property
    def preprocessing(self) -> Preprocessing:
        return self.manifest.preprocessing

    @property
    def labels(self) -> tuple[str, ...]:
        return self.manifest.labels

    @property
    def finding_labels(self) -> tuple[str, ...]:
        return self.manifest.finding_labels

    @property
    def explainable(self) -> tuple[str, ...]:
        return self.manifest.explanation.labels

    @property
    def region_head(self) -> Head | None:
        """The first softmax head: it says which region of the body the radiograph shows."""
        return next((head for head in self.manifest.heads if head.kind == "softmax"), None)

    def route(self, regions: Mapping[str, float]) -> Route | None:
        """Where the router sends a radiograph with these calibrated probabilities by region; None without a router."""
        routing = self.manifest.routing
        if routing is None:
            return None
        region = max(self.manifest.part.labels, key=regions.__getitem__)  # of equals the first, as engines do
        return Route(region, regions[region], referred=regions[region] < routing.refer_below)

    def threshold(self, label: str, *, route: Route | None = None) -> float:
        """The probability from which on the Finding `label` is positive: of `route`'s specialist where there is one.

        Raises KeyError for what is no Finding.
        """
        if route is None or self.manifest.routing is None:
            return self.manifest.thresholds[label].value
        return self.manifest.routing.specialists[route.specialist].thresholds[label].value

    def conformal(self, label: str, *, route: Route | None = None) -> Conformal | None:
        """The three-way decision of the Finding `label`, of `route`'s specialist where there is one; None without."""
        if route is None or self.manifest.routing is None:
            return self.manifest.conformal.get(label)
        return self.manifest.routing.specialists[route.specialist].conformal.get(label)

    def decide(self, label: str, probability: float, *, route: Route | None = None) -> Decision:
        """A Finding's decision; `probability` is calibrated, as engines give it."""
        return decide(probability, threshold=self.threshold(label, route=route))


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> Bundle:
    """Write bundle.json over the files now in `folder` and return the loaded, verified Bundle."""
    files = {
        entry.name: sha256_of(entry)
        for entry in sorted(folder.iterdir())
        if entry.is_file() and entry.name != MANIFEST_NAME
    }
    manifest = Manifest.model_validate({**fields, "format": FORMAT, "files": files})
    text = json.dumps(manifest.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST_NAME).write_text(text, encoding="utf-8")
    return Bundle.load(folder)


def sha256_of(file: Path) -> str:
    """SHA-256 of a file's content, in lower-case hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _manifest_bytes(path: Path) -> bytes:
    file = path / MANIFEST_NAME
    try:
        if file.is_symlink() or not file.is_file():
            raise BundleInvalid("there is no bundle.json")
        if file.stat().st_size > MANIFEST_BYTES:
            raise BundleInvalid("bundle.json is too large")
        return file.read_bytes()
    except OSError as error:
        raise BundleInvalid("bundle.json cannot be read") from error
