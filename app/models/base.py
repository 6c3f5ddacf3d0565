"""The base of all rows: names for constraints, and column types that mean the same on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.orm.attributes import instance_dict
from sqlalchemy.types import TypeDecorator

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

# SQLite numbers only INTEGER PRIMARY KEY by itself; AUTOINCREMENT keeps it from using an id twice.
Id = BigInteger().with_variant(Integer(), "sqlite")
NEVER_REUSED = {"sqlite_autoincrement": True}


class Instant(TypeDecorator[datetime]):
    """A moment in UTC, with microseconds. Aware in Python whatever the database keeps."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], Any] | None:
        return _written if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], Any]:
        return _read if dialect.name == "sqlite" else _in_utc


def _written(value: datetime | None) -> str | None:
    """Write a moment as SQLAlchemy has SQLite keep it, which takes it apart and formats each part."""
    if value is None:
        return None
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


def _read(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC)


def _in_utc(value: datetime | None) -> datetime | None:
    return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar = {datetime: Instant()}

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Return a row of these values of its columns, which no session knows of.

        The constructor sets one by one, as if each could be in place of another, and tells listeners.
        """
        row: Self = cls.__mapper__.class_manager.new_instance()
        instance_dict(row).update(values)
        return row


def now() -> datetime:
    return datetime.now(UTC)


PrimaryKey = Annotated[int, mapped_column(Id, primary_key=True)]


__all__ = ["NEVER_REUSED", "Base", "Id", "Instant", "PrimaryKey", "now"]
