"""The lock of the web application's packages, as far as `npm ci` on another machine needs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LOCK = json.loads((ROOT / "ui" / "package-lock.json").read_text())
PACKAGES: dict[str, dict[str, Any]] = LOCK["packages"]


def test_every_package_is_exact_hashed_and_of_no_named_registry() -> None:
    ours = json.loads((ROOT / "ui" / "package.json").read_text())
    assert all(version[0].isdigit() for kind in ("dependencies", "devDependencies") for version in ours[kind].values())
    installed = {name: entry for name, entry in PACKAGES.items() if name}
    assert len(installed) > 100
    for name, entry in installed.items():
        assert "resolved" not in entry, f"{name} names a registry"
        assert entry["integrity"].startswith("sha512-"), name


def test_packages_of_other_systems_are_locked_too() -> None:
    """Those that this machine does not install: where one is missing `npm ci` refuses, also here."""
    for name, entry in PACKAGES.items():
        for wanted, version in entry.get("optionalDependencies", {}).items():
            places = (f"{name}/node_modules/{wanted}", f"node_modules/{wanted}")
            found = next((PACKAGES[place] for place in places if place in PACKAGES), None)
            assert found is not None, f"{wanted} of {name} is not locked"
            assert not version[0].isdigit() or found["version"] == version, f"{wanted} of {name}"
