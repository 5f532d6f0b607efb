"""The pool of decoder processes: what a hostile file can do ends with the child.

The children are plain subprocesses of `python -m imaging.sandbox.child`, which stay and answer one request after the
other over their standard streams (docs/decisions/0001-decoders-are-subprocesses.md). They read a file on disk
themselves (docs/decisions/0032-bytes-of-an-upload.md).
"""

from __future__ import annotations

import json
import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Literal, Self

import numpy as np

from core.errors import DecodeFailed, InputRejected, LucencyError
from core.settings import Settings, inherited_environment
from core.vocabulary import MediaKind
from imaging.decode_requests import DecodeRequest, FrameRequest, FullDepthRequest, PictureRequest, written
from imaging.header import Limits
from imaging.radiograph import Radiograph
from imaging.sandbox.protocol import ANSWER, REQUEST, SENT, table
from imaging.stored import Pieces

# Nothing of the parent's environment reaches the child but what a dynamic loader may need.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "OPENCV_FOR")}
START_TIMEOUT = 60.0
COPY_BYTES = 256 * 1024
PACKAGES = Path(__file__).resolve().parents[2]


def error_classes() -> dict[str, type[LucencyError]]:
    """What a child may report, by wire code: any rejection, or DecodeFailed."""
    found: dict[str, type[LucencyError]] = {DecodeFailed.code: DecodeFailed}
    waiting: list[type[LucencyError]] = [InputRejected]
    while waiting:
        kind = waiting.pop()
        found[kind.code] = kind
        waiting.extend(kind.__subclasses__())
    return found


@dataclass(frozen=True, slots=True)
class _Laid:
    """A file on its way to a child: the table of its pieces, the bytes that are sent, and what the others lie in."""

    listed: bytes
    sent: Iterable[bytes]
    length: int
    descriptor: int | None = None

    @classmethod
    def of(cls, data: bytes) -> _Laid:
        return cls(table([(SENT, len(data))]), (data,), len(data))


@contextmanager
def _laid(file: BinaryIO, size: int) -> Iterator[_Laid]:
    """`file` of `size` bytes: its descriptor, which can only be read; what has none is sent as it is read."""
    file.seek(0)  # which writes what is buffered
    on_disk, pieces = (file.file, file.pieces) if isinstance(file, Pieces) else (file, ((0, size),))
    descriptor = _opened_once_more(on_disk) if size else None
    if descriptor is None:
        yield _Laid(table([(SENT, size)]), iter(lambda: file.read(COPY_BYTES), b""), size)
        return
    sent = [piece for piece in pieces if isinstance(piece, bytes)]
    try:
        ranges = ((SENT, len(piece)) if isinstance(piece, bytes) else piece for piece in pieces)
        yield _Laid(table(ranges), sent, sum(map(len, sent)), descriptor)
    finally:
        os.close(descriptor)


def _opened_once_more(file: BinaryIO) -> int | None:
    """Another descriptor of `file`, for reading only; None of one that is nowhere but in memory, and without /proc."""
    try:
        return os.open(f"/proc/self/fd/{file.fileno()}", os.O_RDONLY)
    except OSError:
        return None


class _Child:
    """One decoder process. Used by one thread at a time."""

    def __init__(self, *, memory_bytes: int, limits: Limits) -> None:
        environment = inherited_environment()
        self._in, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "imaging.sandbox.child", str(memory_bytes), json.dumps(asdict(limits))],
                stdin=theirs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd="/",
                env={name: environment[name] for name in PASSED_ON if name in environment}
                | ONE_THREAD
                | {"PYTHONPATH": str(PACKAGES)},
            )  # fmt: skip
        if self._process.stdout is None:
            raise DecodeFailed("The decoder did not start")
        self._out: IO[bytes] = self._process.stdout
        self._expired = False
        self.warm = False

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, data: bytes, *, longest_side: int, timeout_s: float) -> tuple[dict[str, object], bytes]:
        """One request. Raises DecodeFailed where the child dies or is killed at its time; it is of no use then."""
        taken: list[bytes] = []
        head = self.ask_for(None, _Laid.of(data), longest_side=longest_side, timeout_s=timeout_s, take=taken)
        return head, b"".join(taken)

    def ask_for(
        self,
        request: DecodeRequest | None,
        file: _Laid,
        *,
        longest_side: int,
        timeout_s: float,
        take: list[bytes] | BinaryIO,
    ) -> dict[str, object]:
        """As `ask`; the answer's bytes go to `take`: one piece of a list, or a file, without ever being in memory as a
        whole.
        """
        watch = threading.Timer(timeout_s if self.warm else timeout_s + START_TIMEOUT, self._expire)
        watch.daemon = True
        watch.start()
        try:
            self._send(written(request), file, longest_side, timeout_s)
            head, length = ANSWER.unpack(self._exactly(ANSWER.size))
            answer: dict[str, object] = json.loads(self._exactly(head))
            if isinstance(take, list):
                take.append(self._exactly(length))
            else:
                self._copy(length, take)
        except (OSError, EOFError) as error:
            raise DecodeFailed(
                "Decoding took too long" if self._expired else "The decoder crashed or ran out of memory on this image",
            ) from error
        finally:
            watch.cancel()
        self.warm = True
        return answer

    def _send(self, wanted: bytes, file: _Laid, longest_side: int, timeout_s: float) -> None:
        head = REQUEST.pack(len(wanted), len(file.listed), file.length, longest_side, timeout_s)
        socket.send_fds(self._in, [head], [] if file.descriptor is None else [file.descriptor])
        self._in.sendall(wanted + file.listed)
        for piece in file.sent:
            self._in.sendall(piece)

    def _copy(self, length: int, target: BinaryIO) -> None:
        while length > 0:
            piece = self._exactly(min(length, COPY_BYTES))
            target.write(piece)
            length -= len(piece)

    def _exactly(self, size: int) -> bytes:
        data = self._out.read(size)
        if len(data) < size:
            raise EOFError
        return data

    def _expire(self) -> None:
        self._expired = True
        self._process.kill()

    def end(self) -> None:
        """Kill and reap the process."""
        self._process.kill()
        self._in.close()
        self._out.close()
        self._process.wait()


class DecoderPool:
    """`size` decoder processes, started when first needed.

    `memory_bytes` bounds each one's whole address space (RLIMIT_AS), `timeout_s` the wall clock and the CPU of each
    decode, `limits` what a file may ask for. Thread-safe. Make it after a fork, not before.
    """

    def __init__(self, *, size: int, memory_bytes: int, timeout_s: float, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._memory_bytes = memory_bytes
        self._timeout_s = timeout_s
        self._size = size
        self._closed = False
        self._free: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(size):
            self._free.put(None)

    @classmethod
    def of(cls, settings: Settings, *, size: int | None = None) -> Self:
        """With the settings' bounds; `size` processes, or as many as they say."""
        return cls(
            size=size or settings.decoders,
            memory_bytes=settings.decode_memory,
            timeout_s=settings.decode_timeout,
            limits=Limits.of(settings),
        )

    def decode(self, data: bytes, *, longest_side: int) -> Radiograph:
        """As `imaging.decode.decode`, in a child; blocks until one is free.

        Raises what that raises; a child that crashes, runs out of memory or takes too long is replaced, and the image
        fails with DecodeFailed.
        """
        with self._child() as child:
            head, pixels = child.ask(data, longest_side=longest_side, timeout_s=self._timeout_s)
        return _radiograph(head, pixels)

    def decode_file(self, file: BinaryIO, *, size: int, longest_side: int) -> Radiograph:
        """As `decode`, of a `file` of `size` bytes, which is never in memory as a whole here."""
        taken: list[bytes] = []
        head = self._ask_for(None, file, size=size, take=taken, longest_side=longest_side)
        return _radiograph(head, b"".join(taken))

    def decode_soon(
        self, file: BinaryIO, *, size: int, longest_side: int, wait_s: float, timeout_s: float
    ) -> Radiograph | None:
        """As `decode_file`, within `timeout_s`; None where no child is free within `wait_s`: for what others may do."""
        taken: list[bytes] = []
        try:
            place = self._free.get(timeout=wait_s)
        except queue.Empty:
            return None
        with self._child(place) as child, _laid(file, size) as laid:
            bound = min(timeout_s, self._timeout_s)
            head = child.ask_for(None, laid, longest_side=longest_side, timeout_s=bound, take=taken)
        return _radiograph(head, b"".join(taken))

    def frame(self, file: BinaryIO, *, size: int, target: BinaryIO) -> str:
        """Write the stored values of the frame of the DICOM `file` of `size` bytes to `target` (see `imaging.frames`).

        Gives the photometric interpretation that they are in. Neither file is ever in memory. Raises as `decode` does.
        """
        head = self._ask_for(FrameRequest(), file, size=size, take=target)
        return str(head["photometric"])

    def depth(self, file: BinaryIO, *, size: int, target: BinaryIO) -> dict[str, int | float | bool]:
        """Write the DICOM, PNG or JPEG `file` of `size` bytes at full size and depth to `target`; gives the fields that
        `imaging.depth.full_depth` describes. Neither is ever in memory here. Raises as `decode` does.
        """
        return self._ask_for(FullDepthRequest(), file, size=size, take=target)  # type: ignore[return-value]

    def picture(self, file: BinaryIO, request: PictureRequest, *, size: int) -> bytes:
        """The frame of the DICOM `file` of `size` bytes as an encoded picture. Raises as `decode` does."""
        taken: list[bytes] = []
        self._ask_for(request, file, size=size, take=taken)
        return b"".join(taken)

    def require_whole(self, file: BinaryIO, *, size: int) -> None:
        """Decode the DICOM, PNG or JPEG `file` of `size` bytes, and keep nothing. Raises as `decode` does."""
        self._ask_for(None, file, size=size, take=[])

    def _ask_for(
        self,
        request: DecodeRequest | None,
        file: BinaryIO,
        *,
        size: int,
        take: list[bytes] | BinaryIO,
        longest_side: int = 1,
    ) -> dict[str, object]:
        with self._child() as child, _laid(file, size) as laid:
            head = child.ask_for(request, laid, longest_side=longest_side, timeout_s=self._timeout_s, take=take)
        _raise_reported(head)
        return head

    @contextmanager
    def _child(self, place: _Child | Literal[False] | None = False) -> Iterator[_Child]:
        """A free child that has loaded its codecs. What leaves the block by an error ends it.

        `place`: one that was taken already, None if it is to be started.
        """
        child = self._free.get() if place is False else place
        try:
            if self._closed:
                raise DecodeFailed("The decoders are shut down")
            child = child or self._new_child()
            if not child.warm:
                # Loading the codecs is not the image's time.
                child.ask(b"", longest_side=1, timeout_s=self._timeout_s)
            yield child
        except BaseException:
            # Whatever interrupted it, the child's streams are out of step.
            if child is not None:
                child.end()
            child = None
            raise
        finally:
            self._free.put(child)

    def _new_child(self) -> _Child:
        return _Child(memory_bytes=self._memory_bytes, limits=self._limits)

    def warm_up(self) -> None:
        """Start all children and wait until each has loaded its codecs."""
        taken = [self._free.get() for _ in range(self._size)]
        for child in [kept or self._new_child() for kept in taken]:
            try:
                child.ask(b"", longest_side=1, timeout_s=self._timeout_s)
            except DecodeFailed:
                child.end()
                self._free.put(None)
                raise
            self._free.put(child)

    def close(self) -> None:
        """End all children; waits for decodes that run."""
        self._closed = True
        for _ in range(self._size):
            child = self._free.get()
            if child is not None:
                child.end()
        for _ in range(self._size):
            self._free.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _raise_reported(head: dict[str, object]) -> None:
    if "code" in head:
        raise error_classes().get(str(head["code"]), DecodeFailed)(str(head["detail"]))


def _radiograph(head: dict[str, object], pixels: bytes) -> Radiograph:
    _raise_reported(head)
    shape = head.pop("shape")
    array = np.frombuffer(pixels, np.uint8).reshape(shape)  # type: ignore[call-overload]
    head["media_kind"] = MediaKind(str(head["media_kind"]))
    return Radiograph(pixels=array, **head)  # type: ignore[arg-type]
