"""flask --app wsgi worker: renews, revokes, clears and warns, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, Thread

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

import logs
from app.extensions import db
from app.models import trouble
from app.services import readiness, upkeep
from app.services.upkeep import Chore

from . import tables
from .explaining import examples
from .saying import trouble_said

log = logging.getLogger(__name__)

UNREADY_PAUSE = 5.0  # seconds, while the database does not answer


@click.command("worker", epilog=examples("worker", "worker --once --json"))
@click.option("--once", is_flag=True, help="Do what is due now, print it, and end: for cron.")
@tables.json_option
@with_appcontext
def worker(once: bool, as_json: bool) -> None:
    """Renew, revoke, clear and warn in time.

    Tokens are renewed before anyone asks, revocations tried again, what has ended is cleared. Several may
    run, on several machines. SIGTERM ends it when the pieces under way are done.
    """
    if as_json and not once:
        raise click.UsageError(
            "--json needs --once: without it the worker does not end, and logs what it does."
        )
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if once:
        _do_once(app, stop, as_json=as_json)
        return
    logs.configure()
    if _wait_until_ready(stop):
        _go_on(app, stop)


def _check() -> None:
    try:
        readiness.check()
    except readiness.StoreMismatch as mismatch:
        click.echo(str(mismatch), err=True)
        sys.exit(3)
    finally:
        db.session.remove()


def _wait_until_ready(stop: Event) -> bool:
    """Return when schema and keys fit, or False when stopped first. A database that is away is waited for."""
    while not stop.is_set():
        try:
            _check()
            return True
        except SQLAlchemyError as error:
            log.error("the database does not answer: %s", trouble.named(error))
            stop.wait(UNREADY_PAUSE)
    return False


def _do_once(app: Flask, stop: Event, *, as_json: bool) -> None:
    done = dict[str, int]()
    with trouble_said():
        _check()
        for chore in upkeep.chores():
            with ThreadPoolExecutor(chore.lanes) as lanes:
                passes = [lanes.submit(_pass, app, chore, stop) for _ in range(chore.lanes)]
            done[chore.name] = sum(one.result() for one in passes)
            if not as_json:
                click.echo(f"{chore.name}: {done[chore.name]}")
    if as_json:
        tables.document(done)


def _go_on(app: Flask, stop: Event) -> None:
    threads = [
        Thread(target=_repeat, args=(app, chore, stop), name=chore.name)
        for chore in upkeep.chores()
        for _ in range(chore.lanes)
    ]
    for thread in threads:
        thread.start()
    log.info("the worker is at work; SIGTERM ends it")
    for thread in threads:
        thread.join()


def _repeat(app: Flask, chore: Chore, stop: Event) -> None:
    """Make a pass every so often. What fails is logged and tried again at the next one."""
    while not stop.is_set():
        try:
            _pass(app, chore, stop)
        except Exception as error:  # whatever it is, the other chores and the next pass go on
            log.error("%s: %s", chore.name, trouble.named(error))
        stop.wait(chore.seconds)


def _pass(app: Flask, chore: Chore, stop: Event) -> int:
    """Go on until nothing is waiting; return how much was done."""
    done = 0
    while not stop.is_set():
        with _context(app):
            count = chore.run()
        if not count:
            break
        done += count
    return done


@contextmanager
def _context(app: Flask) -> Iterator[None]:
    with app.app_context(), logs.bound(actor="worker"):
        yield
