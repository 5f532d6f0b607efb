"""What results are drawn from: the radiograph as a small picture, and the heatmaps.

A worker stores neither as an object. The radiograph is decoded when somebody first looks, and kept in memory for
whoever looks next; results of older releases have objects of both.
"""

from __future__ import annotations

import tempfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol
from uuid import UUID

from core.errors import DiskFull, ImageInvalid, InputIntegrity, ObjectMissing
from core.result_record import Pictures, ResultRecord
from storage.store import ObjectStore, image_key, reduced_key

# A preview is some 40 kB.
KEPT_BYTES = 16 * 1024 * 1024


class PreviewMaker(Protocol):
    """Makes previews: grey JPEGs."""

    def of_file(self, file: BinaryIO, size: int) -> bytes:
        """Of a stored file of so many bytes. Raises what decoding raises."""
        ...

    def of_copy(self, data: bytes) -> bytes:
        """Of a reduced copy (`imaging.reduced`). Raises ImageInvalid for what is none."""
        ...


class PictureSource:
    """The pictures of results. Thread-safe; `folder` takes what is decoded."""

    def __init__(
        self, store: ObjectStore, previews: PreviewMaker, *, folder: Path | None, kept_bytes: int = KEPT_BYTES
    ) -> None:
        self._store = store
        self._makers = previews
        self._folder = folder
        self._room = kept_bytes
        self._kept: OrderedDict[tuple[UUID, str], bytes] = OrderedDict()
        self._lock = Lock()

    def fetch(self, record: ResultRecord) -> Pictures:
        """The preview and every heatmap of `record`. Raises as `preview` and `heatmap` do."""
        return Pictures(
            preview=self.preview(
                record.site_id, record.image.sha256, key=record.preview_key, reduced=record.image.reduced
            ),
            heatmaps={
                finding.label: self.heatmap(finding.heatmap, key=finding.heatmap_key)
                for finding in record.findings
                if finding.explained
            },
        )

    def heatmap(self, content: bytes | None, *, key: str | None) -> bytes:
        """`content`, or the object of an older release. Raises InputIntegrity where there is neither,
        StoreUnavailable.
        """
        if content is not None:
            return content
        if key is None:
            raise InputIntegrity("The explanation's heatmap is missing.")
        return self._stored(key)

    def preview(self, site_id: UUID, sha256: str, *, key: str | None = None, reduced: bool = False) -> bytes:
        """A grey JPEG of the Site's Image; `key` of one that an older release stored, `reduced`: it has a copy.

        Raises InputIntegrity where its file is missing, StoreUnavailable, DiskFull, and what decoding raises.
        """
        if key is not None:
            return self._stored(key)
        name = (site_id, sha256)
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        made = self._of_copy(site_id, sha256) if reduced else None
        if made is None:
            with spooled(self._store, image_key(site_id, sha256), folder=self._folder) as file:
                made = self._makers.of_file(file, file.seek(0, 2))
        with self._lock:
            self._keep(name, made)
        return made

    def _of_copy(self, site_id: UUID, sha256: str) -> bytes | None:
        try:
            return self._makers.of_copy(self._store.get(reduced_key(site_id, sha256)))
        except (ObjectMissing, ImageInvalid):
            return None  # the file itself is there

    def _keep(self, name: tuple[UUID, str], made: bytes) -> None:
        self._room -= len(made) - len(self._kept.pop(name, b""))
        self._kept[name] = made
        while self._room < 0:
            self._room += len(self._kept.popitem(last=False)[1])

    def _stored(self, key: str) -> bytes:
        try:
            return self._store.get(key)
        except ObjectMissing as error:
            raise InputIntegrity("The result's stored pictures are missing.") from error


def spooled(store: ObjectStore, key: str, *, folder: Path | None) -> BinaryIO:
    """The object in a nameless file of `folder`, at its start, never as a whole in memory.

    Raises InputIntegrity where it is missing, StoreUnavailable, DiskFull.
    """
    try:
        file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
    except OSError as error:
        raise DiskFull from error
    try:
        for piece in store.read(key):
            file.write(piece)
    except ObjectMissing as error:
        file.close()
        raise InputIntegrity from error
    except OSError as error:
        file.close()
        raise DiskFull from error
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file
