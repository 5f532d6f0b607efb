"""Where the trees get their images from."""

from __future__ import annotations

import pytest

from tests.trainer.datasets.trees import Images


@pytest.fixture
def images() -> Images:
    return Images()
