"""The active ModelVersion in this process: its Bundle from the object store, verified, and its engine."""

from __future__ import annotations

import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import numpy as np

from core.errors import BundleInvalid, EngineFailed, LucencyError, ObjectMissing
from core.logs import logger
from core.settings import Settings
from networks.bundle import Bundle
from networks.engines import Engine, make_engine
from networks.manifest import MANIFEST_NAME, parse_manifest
from networks.sanity import SanityModel
from storage.store import ObjectStore, bundle_prefix

log = logger(__name__)


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A ModelVersion whose engine is loaded and warm, on `threads` CPU threads.

    `sanity` judges its input, where the Bundle says how.
    """

    version_id: UUID
    bundle: Bundle
    engine: Engine
    threads: int = 1
    sanity: SanityModel | None = None


class BundleCache:
    """Verified Bundles in a folder that worker processes of this machine share, one sub-folder per digest."""

    def __init__(self, folder: Path, store: ObjectStore) -> None:
        self._folder = folder
        self._store = store

    def fetch(self, digest: str) -> Bundle:
        """The Bundle of `digest`. A cached copy that fails its checksums is fetched anew.

        Raises BundleInvalid, StoreUnavailable.
        """
        place = self._folder / digest
        if place.exists():
            try:
                return _verified(place, digest)
            except BundleInvalid:
                log.warning("cached_bundle_invalid", digest=digest)
        self._folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{digest[:12]}-", dir=self._folder))
        try:
            self._download(digest, draft)
            _verified(draft, digest)
            self._put_in_place(draft, digest)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return _verified(place, digest)

    def _download(self, digest: str, draft: Path) -> None:
        prefix = bundle_prefix(digest)
        try:
            manifest = self._store.get(prefix + MANIFEST_NAME)
            (draft / MANIFEST_NAME).write_bytes(manifest)
            # The manifest's parser refuses names that lead out of the folder.
            for name in parse_manifest(manifest).files:
                (draft / name).write_bytes(self._store.get(prefix + name))
        except ObjectMissing as error:
            raise BundleInvalid("the object store lacks a file of the Bundle") from error

    def _put_in_place(self, draft: Path, digest: str) -> None:
        """A rename, so that no process sees half a Bundle."""
        place = self._folder / digest
        try:
            draft.rename(place)
        except OSError:
            if _is_valid(place, digest):  # another process was quicker
                return
            discarded = Path(tempfile.mkdtemp(prefix=".discarded-", dir=self._folder))
            place.rename(discarded / "bundle")
            draft.rename(place)
            shutil.rmtree(discarded, ignore_errors=True)


def _is_valid(folder: Path, digest: str) -> bool:
    try:
        _verified(folder, digest)
    except BundleInvalid:
        return False
    return True


def _verified(folder: Path, digest: str) -> Bundle:
    bundle = Bundle.load(folder, verify=True)
    if bundle.digest != digest:
        raise BundleInvalid("the manifest is not the one that was registered")
    return bundle


def _sanity_model(bundle: Bundle, engine: Engine) -> SanityModel | None:
    """What judges the input of the Bundle's network; None where it says nothing of that, or its graph has no features.

    Raises BundleInvalid where it was fitted on another network's features.
    """
    model = SanityModel.load(bundle)
    if model is None:
        return None
    size = bundle.preprocessing.size
    features = engine.run(np.zeros((1, size, size, 1), dtype=np.uint8)).features
    if features is not None and features.shape[1] != len(model.features.mean):
        raise BundleInvalid("the sanity scores were fitted on another network's features")
    return model if features is not None else None


class Models:
    """The model in use. `load` replaces it; the one before is freed when its last batch is done.

    `failed`: digest and error code of the version that was wanted and could not be loaded, while that is so.
    """

    def __init__(self, *, cache: BundleCache, settings: Settings) -> None:
        self._cache = cache
        self._settings = settings
        self.current: LoadedModel | None = None
        self.failed: tuple[str, str] | None = None

    @property
    def digest(self) -> str | None:
        return None if self.current is None else self.current.bundle.digest

    def load(self, version_id: UUID, digest: str) -> LoadedModel:
        """Make it the current model. Raises as `make` does; then `current` is unchanged, and `failed` says which."""
        try:
            self.current = self.make(version_id, digest)
        except LucencyError as error:
            self.failed = (digest, error.code)
            raise
        self.failed = None
        return self.current

    def make(self, version_id: UUID, digest: str) -> LoadedModel:
        """Fetch, load and warm beside the current one. Raises BundleInvalid, StoreUnavailable, EngineFailed."""
        started = time.perf_counter()
        threads = self._settings.engine_threads
        try:
            bundle = self._cache.fetch(digest)
            engine = make_engine(self._settings.engine, bundle, threads=threads)
            engine.warm_up(sorted({1, min(engine.pass_size, self._settings.claim_batch)}))
            sanity = _sanity_model(bundle, engine)
        except LucencyError:
            raise
        except Exception as error:
            # Whatever is wrong with it, or with this machine's disk or memory, the worker goes on with what it has.
            raise EngineFailed("the Bundle cannot be loaded") from error
        log.info(
            "model_loaded",
            digest=digest,
            engine=str(self._settings.engine),
            duration_ms=round(1000 * (time.perf_counter() - started)),
        )
        return LoadedModel(version_id, bundle, engine, threads, sanity)
