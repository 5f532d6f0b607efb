from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest

from core.errors import DecodeFailed, ImageTruncated
from imaging.decode import decode
from imaging.sandbox import DecoderPool
from tests.data import encoded, generated_radiograph
from tests.imaging.reference import dicom, ramp

PNG = encoded(generated_radiograph(300, 200))
GIB = 1 << 30


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=10) as pool:
        pool.warm_up()
        yield pool


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "imaging.sandbox" in child.cmdline()]


def test_equals_the_decode_in_process_and_reports_errors_as_they_are(pool: DecoderPool) -> None:
    ours, theirs = decode(PNG, longest_side=128), pool.decode(PNG, longest_side=128)
    assert (ours.pixels == theirs.pixels).all()
    assert (theirs.rows, theirs.columns, theirs.media_kind) == (300, 200, ours.media_kind)
    with pytest.raises(ImageTruncated):
        pool.decode(PNG[:-30], longest_side=128)


def test_a_bomb_fails_alone(pool: DecoderPool) -> None:
    pixels = np.zeros((9999, 10000), np.uint16)
    # Rescaled with padding, a hundred megapixels need several floats each: more than the limit.
    with pytest.raises(DecodeFailed):
        pool.decode(
            dicom(pixels, PixelPaddingValue=0, RescaleSlope=2, RescaleIntercept=1)[:-2] + b"\1\1", longest_side=64
        )
    assert pool.decode(PNG, longest_side=64).rows == 300


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_fails_its_image_and_the_child_is_replaced(pool: DecoderPool, number: int) -> None:
    (child,) = children()
    child.send_signal(number)
    child.wait(10)
    with pytest.raises(DecodeFailed):
        pool.decode(PNG, longest_side=64)
    assert pool.decode(PNG, longest_side=64).rows == 300


def test_a_hang_ends_at_the_timeout() -> None:
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=1) as pool:
        pool.warm_up()
        (child,) = children()
        child.suspend()
        started = time.monotonic()
        with pytest.raises(DecodeFailed, match="too long"):
            pool.decode(PNG, longest_side=64)
        assert time.monotonic() - started < 5


def test_threads_share_the_children() -> None:
    with DecoderPool(size=2, memory_bytes=GIB, timeout_s=20) as pool, ThreadPoolExecutor(6) as threads:
        files = [dicom(ramp(20 + index, 30)) for index in range(24)]
        found = list(threads.map(lambda data: pool.decode(data, longest_side=512).rows, files))
        assert found == [20 + index for index in range(24)]
        assert len(children()) == 2
    assert threading.active_count() >= 1
    assert not children()


def test_children_end_with_their_parent() -> None:
    program = (
        "from imaging.sandbox import DecoderPool\nimport psutil, time\n"
        f"pool = DecoderPool(size=1, memory_bytes={GIB}, timeout_s=10)\npool.warm_up()\n"
        "print(psutil.Process().children()[0].pid, flush=True)\ntime.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while (
        psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline
    ):
        time.sleep(0.05)
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert os.getpid() != pid
