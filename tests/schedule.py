"""How workers share the tests (pytest-xdist): what stays together, and what is begun first."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

# Folders whose tests look at one platform, or at one Bundle: one worker runs them, so that there is one of it.
TOGETHER = ("tests/browser", "tests/gateway", "tests/trainer/recipes", "tests/trainer/trust")
# The longest units, longest first: begun last they would keep one worker busy while the others have nothing to do.
FIRST = (
    "tests/browser",
    "tests/trainer/recipes",
    "tests/gateway",
    "tests/trainer/training/test_train.py",
    "tests/chaos/test_kills.py",
    "tests/worker/inference/test_faults.py",
    "tests/trainer/training/test_placement.py",
    "tests/worker/inference/test_switching.py",
    "tests/api/test_dicomweb_store.py",
    "tests/lucency/batch/test_commands.py",
    "tests/worker/inference/test_replay.py",
    "tests/worker/deliveries/test_dispatcher.py",
    "tests/api/test_schema.py",
    "tests/trainer/commands/test_train.py",
    "tests/chaos/test_canary.py",
)


def unit_of(nodeid: str) -> str:
    """What a test belongs to, and runs on the same worker with: a folder of TOGETHER, else its file."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(f"{folder}/")), file)


def turn_of(nodeid: str) -> int:
    """When a test's unit is begun: its place in FIRST, or after them."""
    unit = unit_of(nodeid)
    return FIRST.index(unit) if unit in FIRST else len(FIRST)


class Units(LoadScopeScheduling):
    """Hands out units, in the order in which their first tests were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
