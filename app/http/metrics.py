"""/metrics for Prometheus: what all processes of this node have counted, and how things stand now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from threading import Lock
from time import monotonic
from typing import Any

from flask import Blueprint, Flask, Response, current_app
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, Counter, Histogram, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from app import counters, tally
from app.models import budget
from app.oauth.answers import Kind
from app.oauth.revocation import Outcome
from app.providers import PROVIDERS
from app.services import gauges
from app.services.gauges import Gauge

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"))
FRESH_FOR = 10.0  # seconds between two looks of a process at the database, however many scrape
PATIENCE = 3.0  # seconds for the database

_ROUTE = "latchkey.route"

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    return Response(generate_latest(_Everything()), content_type=CONTENT_TYPE_PLAIN_0_0_4)


def register(app: Flask) -> None:
    """Give the application what its scrapes share."""
    app.extensions["latchkey.recent"] = _Recent()
    _begin_at_nought()


def note_route(environ: dict[str, Any]) -> None:
    """Note in the environment which route answers, while Flask knows."""
    request = environ.get("werkzeug.request")
    rule = None if request is None else request.url_rule
    environ[_ROUTE] = "unmatched" if rule is None else rule.rule


def count(environ: Mapping[str, Any], status: str, seconds: float) -> None:
    """Count an answer as it begins, under its route: what was asked for may be anything."""
    method = environ["REQUEST_METHOD"]
    number, duration = _counts(method if method in METHODS else "other", environ[_ROUTE], status)
    number.inc()
    duration.observe(seconds)


@cache
def _counts(method: str, route: str, status: str) -> tuple[Counter, Histogram]:
    return counters.requests.labels(method, route, status), counters.request_seconds.labels(route)


def _begin_at_nought() -> None:
    """Show what has not happened yet as 0: Prometheus sees no rise from nothing to 1."""
    for kind in counters.SECRETS:
        counters.secrets_read.labels(kind)
    for table in counters.SEALED_IN:
        counters.unreadable.labels(table)
    for provider in PROVIDERS:
        for outcome in (counters.RENEWED, *(failure.value for failure in Kind)):
            counters.refreshes.labels(provider.name, outcome)
        for outcome in (counters.GIVEN_UP, *(outcome.value for outcome in Outcome)):
            counters.revocations.labels(provider.name, outcome)


class _Everything(Collector):
    def collect(self) -> Iterator[Metric]:
        yield from tally.counted()
        recent: _Recent = current_app.extensions["latchkey.recent"]
        for gauge in (*gauges.here(), *recent.gauges()):
            family = GaugeMetricFamily(gauge.name, gauge.help, labels=gauge.labels)
            for values, number in gauge.values.items():
                family.add_metric(values, number)
            yield family


class _Recent:
    """What the database said last, and whether it did. One thread asks, the others wait for its answer."""

    def __init__(self) -> None:
        self._asking = Lock()
        self._gauges: Sequence[Gauge] = ()
        self._until = 0.0

    def gauges(self) -> Sequence[Gauge]:
        with self._asking:
            if monotonic() >= self._until:
                self._gauges = self._ask()
                self._until = monotonic() + FRESH_FOR
            return self._gauges

    def _ask(self) -> Sequence[Gauge]:
        found: list[Gauge] = []
        try:
            with budget.of(PATIENCE):
                found = gauges.stored()
        except SQLAlchemyError:
            pass  # that it did not answer is what is said
        up = Gauge("latchkey_database_up", "Whether the database answers.", {(): bool(found)})
        return [up, *found]
