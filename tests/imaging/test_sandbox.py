from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, cast

import psutil
import pytest

from core.errors import (
    DecodeFailed,
    DecompressedTooLarge,
    DicomTruncated,
    ImageTruncated,
    LucencyError,
    PixelsTooLarge,
    TypeUnsupported,
    UploadEmpty,
)
from core.settings import load_settings
from imaging.decode import decode
from imaging.header import Limits
from imaging.sandbox.pool import DecoderPool
from imaging.stored import Pieces
from tests.data import encoded, generated_radiograph
from tests.imaging.encodings import png, slow_jpeg
from tests.imaging.reference import dicom, ramp

PNG = encoded(generated_radiograph(300, 200))
SLOW = slow_jpeg()
GIB = 1 << 30


@pytest.fixture
def pool() -> Iterator[DecoderPool]:
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=10) as pool:
        pool.warm_up()
        yield pool


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "imaging.sandbox.child" in child.cmdline()]


def test_equals_the_decode_in_process_and_reports_errors_as_they_are(pool: DecoderPool) -> None:
    ours, theirs = decode(PNG, longest_side=128), pool.decode(PNG, longest_side=128)
    assert (ours.pixels == theirs.pixels).all()
    assert (theirs.rows, theirs.columns, theirs.media_kind) == (300, 200, ours.media_kind)
    with pytest.raises(ImageTruncated):
        pool.decode(PNG[:-30], longest_side=128)


def test_memory_beyond_the_limit_fails_its_image_alone() -> None:
    large = png(11008, 11000)  # 121 megapixels from half a megabyte
    limits = Limits(pixels=200_000_000)
    with DecoderPool(size=1, memory_bytes=GIB // 2, timeout_s=20, limits=limits) as pool:
        with pytest.raises(DecodeFailed):
            pool.decode(large, longest_side=64)
        assert pool.decode(PNG, longest_side=64).rows == 300
    # The same file under a larger limit, and nothing else changed.
    with DecoderPool(size=1, memory_bytes=2 * GIB, timeout_s=20, limits=limits) as pool:
        assert pool.decode(large, longest_side=64).rows == 11008


def test_children_know_the_limits_of_the_settings() -> None:
    deflated = dicom(ramp(), syntax="1.2.840.10008.1.2.1.99")
    settings = load_settings().model_copy(update={"pixel_limit": 20_000, "inflated_bytes": 5_000})
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=10, limits=Limits.of(settings)) as pool:
        with pytest.raises(PixelsTooLarge):
            pool.decode(PNG, longest_side=64)
        with pytest.raises(DecompressedTooLarge):
            pool.decode(deflated, longest_side=64)
        assert pool.decode(dicom(ramp()), longest_side=64).rows == 64


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_crash_while_decoding_fails_its_image_and_the_child_is_replaced(pool: DecoderPool, number: int) -> None:
    (child,) = children()
    before = child.cpu_times().user
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(pool.decode, SLOW, longest_side=64)
        deadline = time.monotonic() + 10
        while child.cpu_times().user < before + 0.2 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not running.done()
        child.send_signal(number)
        with pytest.raises(DecodeFailed, match="crashed"):
            running.result(10)
    assert pool.decode(PNG, longest_side=64).rows == 300
    assert [replaced.pid for replaced in children()] != [child.pid]


def test_a_child_that_died_while_idle_is_replaced(pool: DecoderPool) -> None:
    (child,) = children()
    child.kill()
    child.wait(10)
    with pytest.raises(DecodeFailed):
        pool.decode(PNG, longest_side=64)
    assert pool.decode(PNG, longest_side=64).rows == 300


def test_a_slow_decode_ends_at_the_timeout() -> None:
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=0.5) as pool:
        pool.warm_up()
        (child,) = children()
        started = time.monotonic()
        with pytest.raises(DecodeFailed, match="too long"):
            pool.decode(SLOW, longest_side=64)
        assert 0.4 < time.monotonic() - started < 4
        assert not child.is_running()
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=60) as pool:  # slow, not damaged
        assert pool.decode(SLOW, longest_side=64).rows == 1200


def test_a_stopped_child_ends_at_the_timeout() -> None:
    with DecoderPool(size=1, memory_bytes=GIB, timeout_s=1) as pool:
        pool.warm_up()
        (child,) = children()
        child.suspend()
        with pytest.raises(DecodeFailed, match="too long"):
            pool.decode(PNG, longest_side=64)


def test_the_kernel_ends_a_child_that_burns_its_cpu() -> None:
    program = (
        f"from imaging.sandbox.child import allow_cpu, limit\nlimit({GIB})\nallow_cpu(0.1)\nwhile True:\n    pass\n"
    )
    burning = subprocess.run([sys.executable, "-c", program], timeout=120, check=False)
    assert burning.returncode == -signal.SIGXCPU


def test_a_child_can_write_no_file(tmp_path: Path) -> None:
    program = (
        "import signal\nfrom imaging.sandbox.child import limit\n"
        f"signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nlimit({GIB})\n"
        f"open({str(tmp_path / 'file')!r}, 'wb', buffering=0).write(b'x')\n"
    )
    writing = subprocess.run([sys.executable, "-c", program], timeout=120, check=False, capture_output=True)
    assert b"File too large" in writing.stderr


def on_disk(content: bytes) -> BinaryIO:
    file = tempfile.TemporaryFile()  # noqa: SIM115 — the test's to close
    file.write(content)
    return file


def mapped(process: psutil.Process, file: BinaryIO) -> list[list[str]]:
    """What the kernel lets `process` do with its mappings of `file`."""
    inode = str(os.fstat(file.fileno()).st_ino)
    found, ours = [], False
    for line in Path(f"/proc/{process.pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            ours = words[4] == inode
        elif ours and words[0] == "VmFlags:":
            found.append(words[1:])
    return found


def access(process: psutil.Process, file: BinaryIO) -> set[int]:
    """How `process` has opened `file`."""
    found = set()
    for entry in Path(f"/proc/{process.pid}/fd").iterdir():
        if os.stat(entry).st_ino == os.fstat(file.fileno()).st_ino:
            flags = (entry.parent.parent / "fdinfo" / entry.name).read_text().split("flags:")[1].split()[0]
            found.add(int(flags, 8) & os.O_ACCMODE)
    return found


def descriptors(process: psutil.Process) -> int:
    return len(os.listdir(f"/proc/{process.pid}/fd"))


def test_a_child_maps_a_file_on_disk_and_can_only_read_it(pool: DecoderPool) -> None:
    (child,) = children()
    before = descriptors(child)
    with on_disk(SLOW) as file, ThreadPoolExecutor(1) as thread:
        running = thread.submit(pool.decode_file, file, size=len(SLOW), longest_side=64)
        while not (found := mapped(child, file)) and not running.done():
            time.sleep(0.01)
        # Neither written now ("wr") nor ever ("mw"), whatever the child asks for.
        assert [("rd" in flags, "wr" in flags, "mw" in flags) for flags in found] == [(True, False, False)]
        assert access(child, file) <= {os.O_RDONLY}
        assert running.result(20).rows == 1200
        assert not mapped(child, file)
        assert descriptors(child) == before


@pytest.mark.parametrize("start", [0, 1, 2])
def test_pieces_of_a_file_on_disk_are_one_file(pool: DecoderPool, start: int) -> None:
    """As what is stored of an upload is: a header of our own, and the pixels where they are, odd address or not."""
    for content in (dicom(ramp()), PNG):
        around = bytes(start) + content[100:-10] + b"more"
        with on_disk(around) as file:
            pieces = Pieces(file, (content[:100], (start, len(content) - 110), content[-10:]))
            found = pool.decode_file(cast(BinaryIO, pieces), size=len(content), longest_side=128)
            assert (found.pixels == decode(content, longest_side=128).pixels).all()
        in_memory = pool.decode_file(io.BytesIO(content), size=len(content), longest_side=128)
        assert (found.pixels == in_memory.pixels).all()


def test_a_hundred_files_on_disk_leave_nothing_open(pool: DecoderPool) -> None:
    (child,) = children()
    whole, cut = dicom(ramp()), dicom(ramp())[:-100]
    with on_disk(whole) as file, on_disk(cut) as damaged:
        before = descriptors(psutil.Process()), descriptors(child)
        for _ in range(50):
            assert pool.decode_file(file, size=len(whole), longest_side=64).rows == 64
            with pytest.raises(DicomTruncated):
                pool.decode_file(damaged, size=len(cut), longest_side=64)
        assert (descriptors(psutil.Process()), descriptors(child)) == before
        assert not mapped(child, file)
        assert not mapped(child, damaged)
        child.kill()
        child.wait(10)
        with pytest.raises(DecodeFailed):
            pool.decode_file(file, size=len(whole), longest_side=64)
        assert pool.decode_file(file, size=len(whole), longest_side=64).rows == 64
        assert descriptors(psutil.Process()) == before[0]


@pytest.mark.parametrize(("content", "error"), [(b"", UploadEmpty), (b"no image", TypeUnsupported)])
def test_a_file_on_disk_that_is_none(pool: DecoderPool, content: bytes, error: type[LucencyError]) -> None:
    with on_disk(content) as file, pytest.raises(error):
        pool.decode_file(file, size=len(content), longest_side=64)


@pytest.mark.parametrize("library", ["multiprocessing", "billiard"])
def test_a_daemonic_child_may_have_decoders(library: str, tmp_path: Path) -> None:
    """As Celery's prefork children are."""
    (tmp_path / "image.png").write_bytes(PNG)
    program = (
        f"import {library} as processes\nfrom pathlib import Path\nfrom imaging.sandbox.pool import DecoderPool\n"
        "def work():\n    assert processes.current_process().daemon\n"
        f"    with DecoderPool(size=1, memory_bytes={GIB}, timeout_s=10) as pool:\n"
        f"        data = Path({str(tmp_path / 'image.png')!r}).read_bytes()\n"
        "        print(pool.decode(data, longest_side=64).rows, flush=True)\n"
        "child = processes.get_context('fork').Process(target=work, daemon=True)\n"
        "child.start()\nchild.join(30)\nraise SystemExit(child.exitcode)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=120, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "300\n"), done.stderr


def test_threads_share_the_children() -> None:
    with DecoderPool(size=2, memory_bytes=GIB, timeout_s=20) as pool, ThreadPoolExecutor(6) as threads:
        files = [dicom(ramp(20 + index, 30)) for index in range(24)]
        found = list(threads.map(lambda data: pool.decode(data, longest_side=512).rows, files))
        assert found == [20 + index for index in range(24)]
        assert len(children()) == 2
    assert not children()


def test_children_end_with_their_parent() -> None:
    program = (
        "from imaging.sandbox.pool import DecoderPool\nimport psutil, time\n"
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
