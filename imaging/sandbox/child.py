"""The decoder process: limits first, then one request after the other until the parent is gone."""

from __future__ import annotations

import gc
import json
import math
import mmap
import os
import resource
import socket
import sys
import threading
import time
from dataclasses import asdict
from typing import BinaryIO

from core.errors import LucencyError
from imaging.decode_requests import read
from imaging.file_data import FileData
from imaging.header import Limits
from imaging.sandbox.protocol import ANSWER, REQUEST, pieces_of

OPEN_FILES = 64
PARENT_CHECK_S = 1.0


def limit(memory_bytes: int) -> None:
    """Bound memory, and take away files to write, descriptors and core dumps. The interpreter's own memory counts
    too.
    """
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def allow_cpu(seconds: float) -> None:
    """Let the process use `seconds` more of CPU; the kernel ends it beyond."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(used.ru_utime + used.ru_stime + seconds) + 1, hard))


def _end_with(parent: int) -> None:
    # A sibling may hold the other end of the pipe open: the end of the stream alone does not tell.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(0)


def answer_for(
    data: FileData, *, longest_side: int, limits: Limits, request: bytes = b""
) -> tuple[dict[str, object], bytes]:
    """The child's answer to one request: fields and pixels of the Radiograph or the request, or a code and a detail."""
    from imaging import frames  # noqa: PLC0415 - codecs are loaded in the child only
    from imaging.decode import decode  # noqa: PLC0415

    try:
        wanted = read(request)
        if wanted is not None:
            return frames.answer(data, wanted, limits=limits)
        radiograph = decode(data, longest_side=longest_side, limits=limits)
    except LucencyError as error:
        return {"code": error.code, "detail": error.detail}, b""
    fields = {name: value for name, value in asdict(radiograph).items() if name != "pixels"}
    return fields | {"shape": radiograph.pixels.shape}, radiograph.pixels.tobytes()


def _received(requests: socket.socket) -> tuple[bytes, mmap.mmap | None]:
    """The head of a request, and what its descriptor is of; an empty one at the end of the stream."""
    head, descriptors, _flags, _address = socket.recv_fds(requests, REQUEST.size, 1, socket.MSG_WAITALL)
    if not descriptors:
        return head, None
    try:
        return head, mmap.mmap(descriptors[0], 0, access=mmap.ACCESS_READ)
    finally:
        os.close(descriptors[0])


def serve(requests: socket.socket, answers: BinaryIO, *, limits: Limits) -> None:
    """Answer requests until the stream ends."""
    stream = requests.makefile("rb")
    while True:
        head, mapped = _received(requests)
        if len(head) < REQUEST.size:
            return
        asked, listed, length, longest_side, timeout_s = REQUEST.unpack(head)
        allow_cpu(timeout_s)
        request, written, sent = stream.read(asked), stream.read(listed), stream.read(length)
        if len(sent) < length:
            return
        data = FileData(pieces_of(written, sent), mapped)
        fields, pixels = answer_for(data, longest_side=longest_side, limits=limits, request=request)
        del data, sent
        _unmap(mapped)
        text = json.dumps(fields).encode()
        answers.write(ANSWER.pack(len(text), len(pixels)) + text)
        answers.write(pixels)
        answers.flush()


def _unmap(mapped: mmap.mmap | None) -> None:
    if mapped is None:
        return
    try:
        mapped.close()
    except BufferError:  # an error's traceback holds what was read of it
        gc.collect()
        mapped.close()


def main(memory_bytes: int, limits: Limits) -> None:
    """Serve standard input, a socket. Libraries that print do so into standard error, which nobody reads."""
    parent = os.getppid()
    limit(memory_bytes)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    serve(socket.socket(fileno=0), answers, limits=limits)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(**json.loads(sys.argv[2])))
