"""A Radiograph as a file of our own: decoded once where its bytes are, read by whoever needs no more than its 512 px.

The file is a line of JSON (the Radiograph's fields and the shape of its pixels), and the pixels as they are.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from core.errors import ImageInvalid
from core.version import VERSION
from core.vocabulary import MediaKind
from imaging.radiograph import Radiograph

# The side to which most models' preprocessing decodes (`Preprocessing.source_longest_side`).
LONGEST_SIDE = 512
# Of what decodes and resizes: another version may give other bits, and its copies are not ours.
LIBRARIES = ("numpy", "opencv-python-headless", "imagecodecs", "pillow")


@lru_cache(maxsize=1)
def revision() -> str:
    """What made a copy: this release and its libraries. Whoever has another decodes the file itself."""
    made_by = [VERSION, str(LONGEST_SIDE), *(f"{name} {_version(name)}" for name in LIBRARIES)]
    return hashlib.sha256("\n".join(made_by).encode()).hexdigest()[:16]


def encode(radiograph: Radiograph) -> bytes:
    """The file of a Radiograph."""
    fields = {name: value for name, value in asdict(radiograph).items() if name != "pixels"}
    head = json.dumps(fields | {"shape": radiograph.pixels.shape}, separators=(",", ":"))
    return head.encode() + b"\n" + radiograph.pixels.tobytes()


def decode(data: bytes) -> Radiograph:
    """What `encode` wrote. Raises ImageInvalid for anything else."""
    head, _, pixels = data.partition(b"\n")
    try:
        fields = json.loads(head)
        rows, columns = fields.pop("shape")
        array = np.frombuffer(pixels, np.uint8).reshape(rows, columns)
        fields["media_kind"] = MediaKind(fields["media_kind"])
        return Radiograph(pixels=array, **fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ImageInvalid("The reduced copy is damaged") from error


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
