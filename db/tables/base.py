"""What every table is built on: the naming of constraints, types of columns, keys and times."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import CheckConstraint, DateTime, Double, MetaData, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from uuid_utils.compat import uuid7


class Base(DeclarativeBase):
    """Names every constraint, so that a migration can speak of it."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        UUID: Uuid(),
        str: Text(),
        datetime: DateTime(timezone=True),
        float: Double(),
        dict[str, Any]: JSONB(),
        list[str]: ARRAY(Text()),
    }


def quoted(values: Iterable[StrEnum]) -> str:
    """Enum values as a SQL list: `'a', 'b'`."""
    return ", ".join(f"'{value.value}'" for value in sorted(values))


def one_of(column: str, values: Iterable[StrEnum]) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({quoted(values)})", name=f"{column}_known")


def key_column() -> Mapped[UUID]:
    return mapped_column(primary_key=True, default=uuid7)


def now_column() -> Mapped[datetime]:
    return mapped_column(server_default=func.now())
