"""One platform for the short faults; each of the long ones has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.harness import Platform


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, bundle: Path) -> Iterator[Platform]:
    """Running servers, migrated and with a model; a test starts the processes that it wants."""
    made = Platform(tmp_path_factory.mktemp("platform"), bundle)
    yield made
    made.close()
