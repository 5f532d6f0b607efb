"""Repeat tests in random order, and count what fails: `python -m tests.flaky --times 20 tests/gateway`.

Each round is a pytest of its own with its own seed, which orders the tests and seeds `random`. The seed is printed:
with it a round can be repeated. The output of one that failed is kept in artefacts/flaky/.
"""

from __future__ import annotations

import argparse
import random
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "artefacts" / "flaky"
# A line of pytest's short summary.
FAILED = re.compile(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", re.MULTILINE)
# No test was chosen, or the command line is wrong: repeating it would prove nothing.
USAGE = range(2, 6)


def main() -> int:
    """0 when no round failed."""
    arguments = argparse.ArgumentParser(prog="python -m tests.flaky", description=__doc__)
    arguments.add_argument("--times", type=int, default=20)
    arguments.add_argument("--seed", type=int, help="of the first round; the next have the numbers after it")
    arguments.add_argument("--mark", default="not slow")
    arguments.add_argument("tests", nargs="*", default=["tests"])
    asked = arguments.parse_args()
    first = random.SystemRandom().randrange(1, 1_000_000) if asked.seed is None else asked.seed
    seeds: dict[str, list[int]] = defaultdict(list)
    for seed in range(first, first + asked.times):
        began = time.monotonic()
        status, failed = one_round(asked.tests, mark=asked.mark, seed=seed)
        if status in USAGE:
            return status
        for name in failed:
            seeds[name].append(seed)
        said = "passed" if status == 0 else f"{len(failed)} failed: {KEPT / f'{seed}.log'}"
        say(f"seed {seed}: {said} ({time.monotonic() - began:.0f} s)")
    for name, found in sorted(seeds.items(), key=lambda item: -len(item[1])):
        say(f"{len(found)} of {asked.times}: {name} (seeds {', '.join(map(str, found))})")
    say(f"{asked.times} rounds, {len(seeds)} tests failed in one or more")
    return int(bool(seeds))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def one_round(tests: list[str], *, mark: str, seed: int) -> tuple[int, list[str]]:
    """pytest's exit status, and the tests that failed."""
    command = [sys.executable, "-m", "pytest", "-m", mark, "-p", "randomly", f"--randomly-seed={seed}", *tests]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    failed = FAILED.findall(done.stdout)
    if done.returncode:
        KEPT.mkdir(parents=True, exist_ok=True)
        (KEPT / f"{seed}.log").write_text(done.stdout + done.stderr)
        # Interrupted, or it crashed: what failed then is the round itself.
        failed = failed or [f"the round ({done.stdout.splitlines()[-1:] or done.stderr.splitlines()[-1:]})"]
    return done.returncode, failed


if __name__ == "__main__":
    sys.exit(main())
