"""The rows of flows that begin: whether they may is asked by what makes room for them and stores them."""

from __future__ import annotations

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    String,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    or_,
    select,
)

from app.extensions import direct
from app.models import Flow, Service, now
from app.models.direct import Steps, columns_of, relaxing, values_of

from . import standing
from .pending import Stage
from .standing import Caller

MOST_PER_BROWSER = 10

_COLUMNS = columns_of(Flow)
_VALUES = [bindparam(column.name, type_=column.type) for column in _COLUMNS]
_OFFERED = exists().where(Service.name == bindparam("service", type_=String()), Service.enabled)


def _storing(whom: Select[int]) -> Steps:
    """Return what stores a flow for somebody who may begin one; for anybody else nothing happens."""
    allowed = whom.where(_OFFERED).cte("allowed")
    added = insert(Flow).from_select(
        [column.name for column in _COLUMNS], select(*_VALUES).select_from(allowed), include_defaults=False
    )
    ended = _ended(select(allowed.c.id).scalar_subquery())
    older = _older(select(bindparam("browser", type_=String())).select_from(allowed).scalar_subquery())
    forgotten = (delete(Flow).where(which).cte(name) for name, which in (("ended", ended), ("older", older)))
    return Steps(
        delete(Flow).where(or_(ended, older)),
        added.returning(Flow.key),
        postgresql=added.add_cte(*forgotten).returning(relaxing()),
    )


def _ended(user_id: ScalarSelect[int]) -> ColumnElement[bool]:
    """A user's flows that are over, but for answers, which hold what must be ended at the provider."""
    over = Flow.expires_at <= bindparam("at", type_=Flow.expires_at.type)
    return and_(Flow.user_id == user_id, Flow.stage != Stage.ANSWERED.value, over)


def _older(browser: ScalarSelect[str | None]) -> ColumnElement[bool]:
    """What a browser has begun before its latest ones, so that the next one is its tenth."""
    begun = select(Flow.key).where(Flow.browser == browser, Flow.stage == Stage.ASKED.value)
    return Flow.key.in_(begun.order_by(Flow.created_at.desc()).offset(MOST_PER_BROWSER - 1))


_FOR_CALLER, _FOR_USER = _storing(standing.CALLER), _storing(standing.USER)


def stored(flow: Flow, caller: Caller | None) -> bool:
    """Store a flow where its service is offered and its user, or the caller if one is given, may begin it.

    Not forced to disk: a flow that is lost with the machine is begun again.
    """
    steps, who = (_FOR_USER, {}) if caller is None else (_FOR_CALLER, standing.named(caller))
    return bool(direct.run(steps, forced=False, at=now(), **who | values_of(flow)))
