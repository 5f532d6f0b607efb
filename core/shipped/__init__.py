"""Where the files lie that Lucency ships beside its code: one rule, in a checkout and in an installed package alike.

What a module reads at run time lies in its own package, beside it: the tables of `imaging`, the recipes and splits of
`trainer`. What is made elsewhere in the tree is named here. A checkout has it where it is made; a wheel has it beside
this file (`pyproject.toml` says what goes where).
"""

from __future__ import annotations

from pathlib import Path

_PACKED = Path(__file__).parent
_TREE = _PACKED.parent.parent


def _shipped(name: str, *, made: str) -> Path:
    packed = _PACKED / name
    return packed if packed.is_dir() else _TREE / made


# The Bundle that `lucency up` publishes where no other is named.
BUNDLE = _shipped("bundle", made="bundles/default")
# The built web application. It may be missing: an image of a worker has none.
WEB_APPLICATION = _shipped("web", made="ui/dist")
# Alembic's folder.
MIGRATIONS = _shipped("migrations", made="migrations")
