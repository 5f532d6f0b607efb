"""A manifest read from its spool, one file at a time: a hundred thousand of them never are in memory together."""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NoReturn

from core.errors import RequestInvalid

MAX_PATH_BYTES = 4096
MAX_EXPLAIN = 32
# What a file's entry may take in JSON, on average; and what any single value may take.
ENTRY_BYTES = 600
LOOKAHEAD = 64 * 1024
CHUNK_BYTES = 256 * 1024

SHA256 = re.compile(r"[0-9a-f]{64}")
_SPACE = re.compile(r"[ \t\r\n]*")
_ENTRY_NAMES = frozenset({"path", "sha256", "size"})


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """One entry: the client's name for the file, what it holds, and its size in bytes where it says so."""

    path: str
    sha256: str
    size: int | None


@dataclass(frozen=True, slots=True)
class Summary:
    """A manifest that was read whole and is sound. `digest`: SHA-256 (hex) over what it asks for, however written."""

    files: int
    priority: int
    explain: tuple[str, ...] | None
    digest: str


def check(file: BinaryIO, *, limit: int) -> Summary:
    """Read the manifest whole. Raises RequestInvalid, which says where, for anything but 1 to `limit` sound entries."""
    reader = _Reader(file)
    digest = hashlib.sha256()
    files = 0
    for entry in reader.files():
        files += 1
        if files > limit:
            raise RequestInvalid(f"A batch may have at most {limit} files.")
        digest.update(json.dumps([entry.path, entry.sha256, entry.size]).encode())
    if files == 0:
        raise RequestInvalid("The manifest has no files.")
    priority, explain = _priority(reader.others.get("priority")), _explain(reader.others.get("explain"))
    digest.update(json.dumps([priority, explain]).encode())
    return Summary(files, priority, explain, digest.hexdigest())


def entries(file: BinaryIO) -> Iterator[ManifestFile]:
    """The files of a manifest that `check` found sound."""
    return _Reader(file).files()


def _priority(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not -10 <= value <= 10:
        raise RequestInvalid("priority must be a whole number from -10 to 10.")
    return value


def _explain(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > MAX_EXPLAIN or not all(isinstance(label, str) for label in value):
        raise RequestInvalid(f"explain must be a list of at most {MAX_EXPLAIN} labels.")
    if any(not label.strip() or "," in label or "\0" in label or not _encodable(label) for label in value):
        raise RequestInvalid("explain holds what cannot be a label.")
    return tuple(dict.fromkeys(label.strip() for label in value))


class _Reader:
    """Walks `{"files": [entry, …], …}`; of the other members `others` is left when `files` is exhausted."""

    def __init__(self, file: BinaryIO) -> None:
        self.others: dict[str, Any] = {}
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")("strict")
        self._values = json.JSONDecoder(parse_constant=_no_constant)
        self._text = ""
        self._at = 0
        self._ended = False

    def files(self) -> Iterator[ManifestFile]:
        self._expect("{")
        seen: set[str] = set()
        while not (not seen and self._take("}")):
            name = self._value()
            if not isinstance(name, str) or name in seen or name not in {"files", "priority", "explain"}:
                raise RequestInvalid("A manifest has the members files, priority and explain, each once.")
            seen.add(name)
            self._expect(":")
            if name == "files":
                yield from self._entries()
            else:
                self.others[name] = self._value()
            if self._take("}"):
                break
            self._expect(",")
        self._fill()
        if self._at < len(self._text):
            raise RequestInvalid("Something follows the manifest.")

    def _entries(self) -> Iterator[ManifestFile]:
        self._expect("[")
        if self._take("]"):
            return
        number = 0
        while True:
            yield _entry(self._value(), number)
            number += 1
            if self._take("]"):
                return
            self._expect(",")

    def _value(self) -> Any:
        self._fill()
        try:
            value, self._at = self._values.raw_decode(self._text, self._at)
        except (ValueError, RecursionError) as error:
            raise RequestInvalid("The manifest is not JSON, or a value of it is far too long.") from error
        return value

    def _take(self, sign: str) -> bool:
        self._fill()
        if self._text.startswith(sign, self._at):
            self._at += 1
            return True
        return False

    def _expect(self, sign: str) -> None:
        if not self._take(sign):
            raise RequestInvalid(f"The manifest is not as it should be: '{sign}' was expected.")

    def _fill(self) -> None:
        """Step over space, with LOOKAHEAD characters or the whole rest in sight."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._ended or len(self._text) - self._at >= LOOKAHEAD:
                return
            chunk = self._file.read(CHUNK_BYTES)
            self._ended = not chunk
            try:
                more = self._decode.decode(chunk, final=self._ended)
            except UnicodeDecodeError as error:
                raise RequestInvalid("The manifest is not UTF-8.") from error
            self._text, self._at = self._text[self._at :] + more, 0


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and infinities are not JSON")


def _entry(value: Any, number: int) -> ManifestFile:
    def wrong(what: str) -> RequestInvalid:
        return RequestInvalid(f"files[{number}]: {what}")

    if not isinstance(value, dict) or not value.keys() <= _ENTRY_NAMES:
        raise wrong("a file has path, sha256 and, if you like, size.")
    path, sha256, size = value.get("path"), value.get("sha256"), value.get("size")
    if not isinstance(path, str) or not _encodable(path) or not 1 <= len(path.encode()) <= MAX_PATH_BYTES:
        raise wrong(f"path must be a text of 1 to {MAX_PATH_BYTES} bytes of UTF-8.")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise wrong("sha256 must be 64 lower-case hex digits.")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**63):
        raise wrong("size must be a whole number of bytes.")
    return ManifestFile(path, sha256, size)


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def labels_of(explain: Sequence[str] | None) -> dict[str, str]:
    """The form field of a single upload that asks for the same."""
    return {} if explain is None else {"explain": ",".join(explain)}
