"""The rows of flows that begin: whether they may is asked by what stores them, and if need be makes room."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Insert,
    Select,
    String,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    not_,
    or_,
    select,
)

from app.extensions import direct
from app.models import Flow, Service, User, now
from app.models.direct import Statement, Steps, columns_of, relaxing, values_of
from app.waiting import waiting

from . import standing
from .owing import kept_back
from .pending import Stage
from .standing import Caller

MOST_PER_BROWSER = 10

_COLUMNS = columns_of(Flow)
_VALUES = [bindparam(column.name, type_=column.type) for column in _COLUMNS]
_OFFERED = exists().where(Service.name == bindparam("service", type_=String()), Service.enabled)
_BROWSER = bindparam("browser", type_=String())


def _adding(allowed: FromClause) -> Insert:
    """Return what adds a flow for whoever may begin one; for anybody else nothing happens."""
    row = select(*_VALUES).select_from(allowed)
    return insert(Flow).from_select([column.name for column in _COLUMNS], row, include_defaults=False)


class _Ways:
    """How a flow is stored for somebody who may begin one."""

    def __init__(self, whom: Select[int]) -> None:
        with_room = whom.where(_OFFERED, _ROOM)
        added = _adding(with_room.subquery())
        self.has_room = Statement(with_room)
        self.at_once = Statement(added.returning(Flow.key), postgresql=added.returning(relaxing()))
        self.making_room = _making_room(whom)


def _making_room(whom: Select[int]) -> Steps:
    """Return what does so, and forgets what is over or too much."""
    allowed = whom.where(_OFFERED).cte("allowed")
    added = _adding(allowed)
    ended = _ended(select(allowed.c.id).scalar_subquery())
    older = _older(select(_BROWSER).select_from(allowed).scalar_subquery())
    forgotten = (delete(Flow).where(which).cte(name) for name, which in (("ended", ended), ("older", older)))
    return Steps(
        delete(Flow).where(or_(ended, older)),
        added.returning(Flow.key),
        postgresql=added.add_cte(*forgotten).returning(relaxing()),
    )


def _ended(user_id: ColumnElement[int]) -> ColumnElement[bool]:
    """A user's flows that are over, but for answers, which hold what must be ended at the provider."""
    over = Flow.expires_at <= bindparam("at", type_=Flow.expires_at.type)
    return and_(Flow.user_id == user_id, Flow.stage != Stage.ANSWERED.value, over)


def _begun_by(browser: ColumnElement[Any]) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return Flow.browser == browser, Flow.stage == Stage.ASKED.value


def _older(browser: ColumnElement[Any]) -> ColumnElement[bool]:
    """What a browser has begun before its latest ones, so that the next one is its tenth."""
    begun = select(Flow.key).where(*_begun_by(browser))
    return Flow.key.in_(begun.order_by(Flow.created_at.desc()).offset(MOST_PER_BROWSER - 1))


# Unless something must be forgotten for the next one.
_ROOM = and_(
    not_(exists().where(_ended(standing.USER_ID))),
    select(func.count()).where(*_begun_by(_BROWSER)).scalar_subquery() < MOST_PER_BROWSER,
)
_FOR_CALLER, _FOR_USER = _Ways(standing.CALLER), _Ways(standing.USER)

_ADDED = _adding(select(User.id).where(User.id == standing.USER_ID).subquery())
ADDED = Statement(_ADDED, postgresql=_ADDED.returning(relaxing()))


def stored(flow: Flow, caller: Caller | None) -> bool:
    """Store a flow where its service is offered and its user, or the caller if one is given, may begin it.

    Or owe it then, where the answer is kept back. Not forced to disk: a flow that is lost with the machine is
    begun again.
    """
    ways, who = (_FOR_USER, {}) if caller is None else (_FOR_CALLER, standing.named(caller))
    values = {"at": now(), **who, **values_of(flow)}
    owed = kept_back()
    if owed is not None and waiting.has_company() and direct.all(ways.has_room, **values):
        owed.flows.append(values)
        return True
    return bool(
        direct.write(ways.at_once, forced=False, **values)
        or direct.run(ways.making_room, forced=False, **values)
    )
