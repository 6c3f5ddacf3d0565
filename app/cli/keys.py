"""flask --app wsgi keys: what seals the secrets, and how one key takes over from another."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from itertools import count
from typing import Any, TypeVar

import click
from flask.cli import AppGroup

from app.extensions import vault
from app.models import now
from app.services import keys, readiness, rotation, sealed
from app.services.keys import Key
from app.services.rotation import Pass, Rotated, Unreadable
from app.vault import is_key_id, new_key

from . import bars, tables
from .explaining import examples
from .saying import said

Result = TypeVar("Result")

group = AppGroup(
    "keys",
    help="What seals the secrets.",
    epilog=examples("keys generate", "keys rotate --dry-run"),
)


@group.command("generate")
@click.option("--id", "key_id", help="What it is called; left out: k and today's date.")
def generate(key_id: str | None) -> None:
    """Print a new entry for ENCRYPTION_KEYS.

    It is stored nowhere.
    """
    key_id = _id_of_today() if key_id is None else key_id
    if not is_key_id(key_id):
        raise click.ClickException("An id has 1 to 32 letters, digits, dashes and underscores of ASCII.")
    if key_id in vault.key_ids:
        raise click.ClickException(f"ENCRYPTION_KEYS has a key {key_id}; give each key an id of its own.")
    click.echo(f"{key_id}:{new_key()}")
    click.echo(
        "Keep a copy away from the database: what a key has sealed, nothing else opens.\n"
        "1. Put it second in ENCRYPTION_KEYS of every server, and start them again.\n"
        "2. Put it first, and start them again.\n"
        "3. Run: flask --app wsgi keys rotate",
        err=True,
    )


def _id_of_today() -> str:
    today = f"k{now():%Y%m%d}"
    names = (today if number == 1 else f"{today}-{number}" for number in count(1))
    return next(name for name in names if name not in vault.key_ids)


@group.command("list")
@tables.json_option
def list_keys(as_json: bool) -> None:
    """Print every key, and what it has sealed.

    Whether it is in the ring, and how many rows and answers in the spool it has sealed.
    """
    said(readiness.check_schema)
    found = said(keys.every)
    if as_json:
        tables.document([asdict(key) for key in found])
    else:
        _print_keys(found)


@group.command("rotate")
@click.option("--dry-run", is_flag=True, help="Only say what there is to do.")
@click.option(
    "--batch", default=sealed.BATCH, show_default=True, type=click.IntRange(1, 10000), help="Rows at a time."
)
@tables.json_option
def rotate(dry_run: bool, batch: int, as_json: bool) -> None:
    """Seal anew what older keys have sealed.

    The first key takes over, so many rows at a time, while servers run. Killed in the middle, it goes on
    when it is run again.
    """
    verb: Callable[..., Pass | Rotated] = rotation.rehearse if dry_run else rotation.rotate
    found = _watched(partial(verb, batch=batch))
    if as_json:
        tables.document(_rotation(found))
    else:
        _print_rows(found.moved, "would be sealed anew" if dry_run else "sealed anew")
        _print_unreadable(found.unreadable)
    if isinstance(found, Rotated):
        _refuse_unsettled(found)
        if not as_json:
            _print_what_is_next(found)
    sys.exit(1 if found.unreadable else 0)


@group.command("verify")
@tables.json_option
def verify(as_json: bool) -> None:
    """Open everything that is sealed.

    What each key has sealed is printed, and what does not open: then the exit status is 1.
    """
    broken = _watched(rotation.verify)
    found = said(keys.every)
    if as_json:
        tables.document({"keys": [asdict(key) for key in found], "unreadable": _unreadable(broken)})
    else:
        _print_keys(found)
        _print_unreadable(broken)
    sys.exit(1 if broken else 0)


def _watched(verb: Callable[..., Result]) -> Result:
    """Call a verb that tells how far it has come. On a terminal, and only there, it shows."""
    said(readiness.check_schema)
    with bars.of(said(sealed.count)) as progress:
        return said(verb, progress=progress)


def _unreadable(broken: Sequence[Unreadable]) -> list[dict[str, Any]]:
    return [{**asdict(one), "why": one.why} for one in broken]


def _rotation(found: Pass | Rotated) -> dict[str, Any]:
    """Return what a program reads of a rotation; `settled`, `retired` and `needed` are null in a dry run."""
    ends = ("settled", "retired", "needed")
    return {
        "moved": {model.__tablename__: found.moved[model.__tablename__] for model in sealed.SEALED},
        "unreadable": _unreadable(found.unreadable),
        **{name: getattr(found, name, None) for name in ends},
    }


def _print_keys(found: Sequence[Key]) -> None:
    sorts = [model.__tablename__ for model in sealed.SEALED]
    rows = [
        (
            key.id or "(no envelope)",
            "first" if key.primary else "there" if key.in_ring else "absent",
            key.has_check,
            *(key.rows[sort] for sort in sorts),
            key.spool_files,
        )
        for key in found
    ]
    tables.show(("key", "ring", "check", *sorts, "spool"), rows, headed=True)


def _print_rows(moved: Counter[str], what: str) -> None:
    for model in sealed.SEALED:
        click.echo(f"{model.__tablename__}: {moved[model.__tablename__]} {what}")


def _print_unreadable(broken: Sequence[Unreadable]) -> None:
    for one in broken:
        whose = "" if one.user_id is None else f" of user {one.user_id}"
        sealer = "" if one.key_id is None else f", key {one.key_id}"
        click.echo(f"{one.table} {one.id}{whose}{sealer}: does not open, {one.why}")


def _refuse_unsettled(rotated: Rotated) -> None:
    if not rotated.settled:
        raise click.ClickException(
            f"Rows are still being sealed with another key than {vault.primary}. "
            f"See that every server has {vault.primary} first in ENCRYPTION_KEYS, then run this again."
        )


def _print_what_is_next(rotated: Rotated) -> None:
    for key_id in rotated.retired:
        click.echo(
            f"{key_id} seals nothing any more. Take it out of ENCRYPTION_KEYS of every server and start them "
            "again; keep it with the backups that were made until now."
        )
    for key_id in rotated.needed:
        click.echo(f"{key_id} is still needed: leave it in ENCRYPTION_KEYS.")
