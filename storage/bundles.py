"""A published Bundle in the object store: whether it is there whole, before anything is served from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from core.errors import BundleInvalid, ObjectMissing
from storage.store import ObjectStore, bundle_prefix

MANIFEST = "bundle.json"


def require_stored(store: ObjectStore, digest: str) -> None:
    """Raises BundleInvalid unless the object store holds each file of the Bundle as it was published."""
    prefix = bundle_prefix(digest)
    try:
        manifest = store.get(prefix + MANIFEST)
        if hashlib.sha256(manifest).hexdigest() != digest:
            raise BundleInvalid("The object store's manifest of this model was altered; publish its Bundle again")
        for name, sha256 in _files(manifest).items():
            content = hashlib.sha256()
            for piece in store.read(prefix + name):
                content.update(piece)
            if content.hexdigest() != sha256:
                raise BundleInvalid(f"The object store's {name} of this model was altered; publish its Bundle again")
    except ObjectMissing as error:
        raise BundleInvalid("The object store does not hold this model whole; publish its Bundle again") from error


def _files(manifest: bytes) -> Mapping[str, str]:
    """SHA-256 by name. The digest of the manifest was that of the registry, so it is what was verified then."""
    return dict(json.loads(manifest)["files"])
