"""Statements that come again and again are prepared on their connection (docs/decisions/0034-prepared-statements.md).

The server plans a prepared statement a few times, and then keeps the plan. psycopg2 sends each statement as a text with
its values in it, which is planned each time: of a statement of ours that took longer than its execution.

A value keeps the type that it has in such a text, and each place of a value is a parameter of its own: so a statement
means the same both ways.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_INERROR, connection, cursor

# As often it is sent as it is; many never come so often.
USES = 4
# Of one connection; each plan takes the server some tens of kB.
KEPT = 128
# Texts whose uses are counted, on one connection.
COUNTED = 256
PLACE = re.compile(r"%(?:\((\w+)\)s|(%))")
PLANNED = re.compile(r"\s*(?:SELECT|WITH|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
INTEGER, BIGINT = 2**31, 2**63

Key = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class _Text:
    """A statement in parts: what is sent before it as it is, it with `$1` and so on, whose value each is, and the same
    in brackets as psycopg2 takes it.
    """

    before: str
    planned: str
    names: tuple[str, ...]
    given: str


def _of_int(value: int) -> str:
    return "integer" if -INTEGER <= value < INTEGER else "bigint" if -BIGINT <= value < BIGINT else "numeric"


def _of_float(value: float) -> str:
    return "numeric" if math.isfinite(value) else "float8"


def _of_time(value: datetime) -> str:
    return "timestamp" if value.tzinfo is None else "timestamptz"


def _of_list(values: list[Any]) -> str | None:
    if not values:
        return "unknown"
    types = {type_of(value) for value in values}
    if types == {"unknown"} and None not in values:
        return "text[]"
    return f"{types.pop()}[]" if types in ({"uuid"}, {"integer"}, {"bigint"}) else None


TYPES: dict[type, str | Callable[[Any], str | None]] = {
    type(None): "unknown",
    str: "unknown",
    bool: "boolean",
    int: _of_int,
    float: _of_float,
    Decimal: "numeric",
    UUID: "uuid",
    bytes: "bytea",
    datetime: _of_time,
    date: "date",
    timedelta: "interval",
    list: _of_list,
}


def type_of(value: Any) -> str | None:
    """The type that a value has as psycopg2 writes it; `unknown` for what takes its place's. None: not one we know."""
    found = next((TYPES[kind] for kind in type(value).__mro__ if kind in TYPES), None)
    return found(value) if callable(found) else found


@lru_cache(maxsize=512)
def parts_of(query: str) -> _Text | None:
    """None where it is not planned, or not surely read: of several statements only the last is prepared."""
    *before, last = query.rstrip().rstrip(";").split(";")
    if not PLANNED.match(last) or any(part.count("'") % 2 or "$" in part for part in (*before, last)):
        return None
    names: list[str] = []

    def place(found: re.Match[str]) -> str:
        if found[2]:
            return "%"
        names.append(found[1])
        return f"${len(names)}"

    planned = PLACE.sub(place, last)
    given = f" ({', '.join(f'%({name})s' for name in names)})" if names else ""
    return _Text("".join(f"{part};" for part in before), planned, tuple(names), given)


class Connection(connection):
    """A connection that remembers what it sent, and what the server has prepared of it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._uses: OrderedDict[str, int] = OrderedDict()
        self._prepared: OrderedDict[Key, str] = OrderedDict()
        self._refused: set[Key] = set()  # few: our own statements are tried by the tests
        self._number = 0

    def prepared(self, query: str, values: Mapping[str, Any]) -> str | None:
        """What to send in its place, with the same `values`; None: it as it is. May prepare it now."""
        uses = self._uses.pop(query, 0) + 1
        self._uses[query] = uses
        if len(self._uses) > COUNTED:
            self._uses.popitem(last=False)
        if uses <= USES:
            return None
        text = parts_of(query)
        if text is None:
            return None
        types = tuple(type_of(values[name]) for name in text.names)
        if None in types:
            return None
        key = (query, cast(tuple[str, ...], types))
        name = self._prepared.get(key) or self._prepare(key, text)
        if name is None:
            return None
        self._prepared.move_to_end(key)
        return text.before + "EXECUTE " + name + text.given

    def forget(self) -> None:
        """The server has none of it, or other tables than those that it was planned for."""
        self._prepared.clear()

    def _prepare(self, key: Key, text: _Text) -> str | None:
        """Its name; None where the server takes no such statement, or the transaction has failed."""
        if key in self._refused or self.info.transaction_status == TRANSACTION_STATUS_INERROR:
            return None
        self._number += 1
        name = f"lucency_{self._number}"
        given = f" ({', '.join(key[1])})" if key[1] else ""
        dropped = f"DEALLOCATE {self._prepared.popitem(last=False)[1]};" if len(self._prepared) >= KEPT else ""
        prepare = f"{dropped}PREPARE {name}{given} AS {text.planned}"
        with super().cursor(cursor_factory=cursor) as plain:
            if self.autocommit:
                plain.execute(prepare)
            else:
                plain.execute("SAVEPOINT preparing")
                try:
                    plain.execute(f"{prepare}; RELEASE preparing")
                except psycopg2.ProgrammingError:
                    # It is sent as it is, and may fail so.
                    plain.execute("ROLLBACK TO preparing; RELEASE preparing")
                    self._refused.add(key)
                    return None
        self._prepared[key] = name
        return name


class Cursor(cursor):
    """A cursor of a `Connection`."""

    def execute(self, query: Any, values: Any = None) -> None:
        """As psycopg2's. Raises OperationalError where a plan became void, as after a migration: it is worth a try."""
        instead = None
        if isinstance(query, str) and isinstance(values, Mapping) and self.name is None:
            instead = cast(Connection, self.connection).prepared(query, values)
        if instead is None:
            super().execute(query, values)
            return
        try:
            super().execute(instead, values)
        except (psycopg2.errors.InvalidSqlStatementName, psycopg2.errors.FeatureNotSupported) as error:
            cast(Connection, self.connection).forget()
            raise psycopg2.OperationalError("a prepared statement became void") from error
