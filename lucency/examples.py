"""A real radiograph that is on the disk already."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from core.errors import StackFailed
from lucency.stack.servers import package_folder

EXAMPLE = "RG3_J2KR.dcm"  # a lower leg, JPEG 2000


def example_dicom() -> Path:
    """RG3 out of the pydicom-data wheel: a real radiograph that is on the disk already. Raises StackFailed."""
    path = package_folder("data_store") / "data" / EXAMPLE
    if importlib.util.find_spec("data_store") is None or not path.exists():
        raise StackFailed("The package pydicom-data is not installed: run `make setup`, or install lucency[embedded].")
    return path
