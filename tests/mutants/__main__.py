"""`python -m tests.mutants`: tries the mutants of the list; fails where one survives, or where the list is stale."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.entries import LIST, Mutant, Stale, faults, load
from tests.mutants.running import Bench, Ran, Verdict, judge, run
from tests.mutants.tree import Tree

ROOT = Path(__file__).resolve().parents[2]
# How much of a run's output is shown where it did not do what it must.
SHOWN_LINES = 40

Result = tuple[Mutant, Verdict, Ran]


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status: 0 where every mutant was killed, 1 where not, 2 where nothing could be tried."""
    options = _options(arguments)
    try:
        mutants = load(options.list)
    except Stale as stale:
        say(str(stale))
        return 1
    mutants = [one for one in mutants if (one.short or not options.short) and one.matches(options.only)]
    if not mutants:
        say("No mutant is called so.")
        return 2
    wrong = [(one, fault) for one in mutants for fault in faults(one, options.root)]
    for one, fault in wrong:
        say(f"{one.name}: {fault}")
    return 1 if wrong else _try(mutants, options.root.resolve(), jobs=min(options.jobs, len(mutants)))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", metavar="PATTERN", help="those whose name, subject or file begins so")
    parser.add_argument("--short", action="store_true", help="the few that .ci/run tries")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="so many side by side, each in its own copy")
    parser.add_argument("--list", type=Path, default=LIST, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, default=ROOT, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _try(mutants: list[Mutant], root: Path, *, jobs: int) -> int:
    with ExitStack() as kept:
        folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="lucency-mutants-")))
        servers = kept.enter_context(_servers(root, folder / "servers"))
        trees = [Tree(root, folder / f"{number}") for number in range(jobs)]
        packages = {Path(one.file).parts[0] for one in mutants} | {"tests"}
        for tree in trees:
            tree.require_own(packages)
        benches = [Bench(tree, number=number, count=jobs, servers=servers) for number, tree in enumerate(trees)]
        pool = kept.enter_context(_threads(benches))
        if not _sound(mutants, benches, pool):
            return 1
        free: SimpleQueue[Bench] = SimpleQueue()
        for bench in benches:
            free.put(bench)
        results = list(pool.map(lambda one: _tried(one, free), mutants))
    return _told(results)


@contextmanager
def _threads(benches: list[Bench]) -> Iterator[ThreadPoolExecutor]:
    """A thread for each bench. What interrupts the block ends what they run; nothing more is begun."""
    pool = ThreadPoolExecutor(len(benches))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        for bench in benches:
            bench.stop()
        raise
    finally:
        pool.shutdown()


@contextmanager
def _servers(root: Path, home: Path) -> Iterator[Path | None]:
    """Servers for all runs, in `home`: they start meanwhile, and tests that need them wait. None in a tree without."""
    if not (root / "tests" / "servers.py").exists():
        yield None
        return
    from tests.servers import held

    with held(home):
        yield home


def _sound(mutants: Iterable[Mutant], benches: list[Bench], pool: ThreadPoolExecutor) -> bool:
    """Whether the tests pass in the copies as they are: else they would show nothing."""
    tests = list(dict.fromkeys(test for one in mutants for test in one.tests))
    files = sorted({test.partition("::")[0] for test in tests})
    shares = [
        [test for test in tests if test.partition("::")[0] in files[n :: len(benches)]] for n in range(len(benches))
    ]
    say(f"{len(tests)} tests without any mutant …")
    ran = list(pool.map(lambda bench, share: run(bench, share, whole=True), benches, filter(None, shares)))
    for one in ran:
        if not one.sound:
            wrong = ", ".join(one.failed + one.broken + one.skipped) or "none ran"
            say(f"Without any mutant these do not pass: {wrong}")
            say(_end_of(one.output))
    return all(one.sound for one in ran)


def _tried(mutant: Mutant, free: SimpleQueue[Bench]) -> Result:
    bench = free.get()
    try:
        verdict, ran = judge(bench, mutant)
    finally:
        free.put(bench)
    if not bench.stopped:
        say(f"{verdict:9} {ran.seconds:5.1f} s  {mutant.subject:16} {mutant.name}")
    return mutant, verdict, ran


def _told(results: list[Result]) -> int:
    """The table, then what did not go as it must."""
    say("")
    for subject in dict.fromkeys(mutant.subject for mutant, _, _ in results):
        of_it = [(verdict, ran.seconds) for mutant, verdict, ran in results if mutant.subject == subject]
        killed = sum(verdict is Verdict.KILLED for verdict, _ in of_it)
        say(f"{subject:24} {killed:3} of {len(of_it):3} killed {sum(seconds for _, seconds in of_it):7.1f} s")
    left = [(mutant, verdict, ran) for mutant, verdict, ran in results if verdict is not Verdict.KILLED]
    for mutant, verdict, ran in left:
        say(f"\n{verdict.upper()}: {mutant.name} ({mutant.why})")
        say(f"  {mutant.file}\n  - {mutant.line}\n  + {mutant.change}")
        if verdict is Verdict.BROKEN:
            say(_end_of(ran.output))
    say(f"\n{len(results) - len(left)} of {len(results)} mutants killed.")
    return 1 if left else 0


def _end_of(output: str) -> str:
    return "\n".join(output.splitlines()[-SHOWN_LINES:])


def say(text: str) -> None:
    """A line to the terminal, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # As Ctrl-C: what runs ends, and the copies go.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.exit(main())
