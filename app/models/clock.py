"""The database's clock. Leases and freshness are judged by it: nodes need not agree on the time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

from sqlalchemy import BindParameter, Float, ScalarSelect, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from .base import Instant


class clock(FunctionElement):  # type: ignore[type-arg]  # noqa: N801 - reads as the SQL function it is
    """`clock()` is the moment at which the statement runs; `clock(20)` is twenty seconds later.

    How much later may be told with the statement, by a `bindparam` of the type Float.
    """

    inherit_cache = True
    name = "clock"
    type = Instant()

    def __init__(self, seconds: float | BindParameter[float] = 0) -> None:
        told = isinstance(seconds, BindParameter)
        super().__init__(seconds if told else literal(float(seconds), Float))


def moment(seconds: float | BindParameter[float] = 0) -> ScalarSelect[datetime]:
    """Return `clock(seconds)` as the moment at which the statement began, for a column to be compared with.

    The clock itself moves on from row to row, so that PostgreSQL would look at every row and at no index.
    """
    return select(clock(seconds)).scalar_subquery()


@dataclass(frozen=True, slots=True)
class Reading:
    """What the database's clock said, which goes on from there without being asked again."""

    at: datetime
    began: float = field(default_factory=monotonic)

    def now(self) -> datetime:
        return self.at + timedelta(seconds=monotonic() - self.began)


@compiles(clock, "postgresql")
def _postgresql(element: clock, compiler: Any, **kwargs: Any) -> str:
    # now() would be the moment at which the transaction began, perhaps before it waited for a lock.
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kwargs)}))"


@compiles(clock, "sqlite")
def _sqlite(element: clock, compiler: Any, **kwargs: Any) -> str:
    # Written as SQLAlchemy writes a moment, with six digits, so that texts compare as moments do.
    seconds = compiler.process(element.clauses, **kwargs)
    return f"(strftime('%Y-%m-%d %H:%M:%f', 'now', {seconds} || ' seconds') || '000')"
