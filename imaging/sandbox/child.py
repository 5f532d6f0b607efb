"""The decoder process: limits first, then one request after the other until the parent is gone."""

from __future__ import annotations

import json
import math
import os
import resource
import sys
import threading
import time
from dataclasses import asdict
from typing import BinaryIO

from core.errors import LucencyError
from imaging.decode_requests import read
from imaging.header import Limits
from imaging.sandbox.protocol import ANSWER, REQUEST

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
    data: bytes, *, longest_side: int, limits: Limits, request: bytes = b""
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


def serve(requests: BinaryIO, answers: BinaryIO, *, limits: Limits) -> None:
    """Answer requests until the stream ends."""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        asked, longest_side, timeout_s, length = REQUEST.unpack(head)
        allow_cpu(timeout_s)
        request = requests.read(asked)
        data = requests.read(length)
        if len(data) < length:
            return
        fields, pixels = answer_for(data, longest_side=longest_side, limits=limits, request=request)
        text = json.dumps(fields).encode()
        answers.write(ANSWER.pack(len(text), len(pixels)) + text)
        answers.write(pixels)
        answers.flush()


def main(memory_bytes: int, limits: Limits) -> None:
    """Serve standard input. Libraries that print do so into standard error, which nobody reads."""
    parent = os.getppid()
    limit(memory_bytes)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    serve(sys.stdin.buffer, answers, limits=limits)


if __name__ == "__main__":
    main(int(sys.argv[1]), Limits(**json.loads(sys.argv[2])))
