"""flask --app wsgi service-keys: programs that act for users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from flask.cli import AppGroup

from app.models import now
from app.schemas.service_keys import ServiceKeySchema
from app.services import service_keys
from app.services.service_keys import Listed, Scope

from . import asking, tables
from .explaining import examples
from .saying import said

_SCOPE = click.Choice([scope.value for scope in Scope])

_LISTS = ("--scope", "--for")

_name = click.argument("name", help="What the key is called; it cannot be used twice.")

group = AppGroup(
    "service-keys",
    help="Keys of programs that act for users.",
    epilog=examples(
        "service-keys create reports --scope read_metadata read_secrets --for reza",
        "service-keys list",
    ),
)


class _Listing(click.Command):
    """Takes several words after one option, once NAME was given: NAME --scope A B --for U V."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        named = args and not args[0].startswith("-")
        return super().parse_args(ctx, _repeated(args) if named else args)


def _repeated(words: Sequence[str]) -> list[str]:
    """Return --scope A --scope B for --scope A B, which click does not know."""
    repeated, option = list[str](), ""
    for word in words:
        if word.startswith("--"):
            option = word
        elif option in _LISTS and repeated[-1] != option:
            repeated.append(option)
        repeated.append(word)
    return repeated


@group.command("create", cls=_Listing)
@_name
@click.option(
    "--scope", "scopes", multiple=True, required=True, type=_SCOPE, help="What it may do; one or more."
)
@click.option(
    "--for", "usernames", multiple=True, metavar="USER", help="Whom it may act for; left out: all users."
)
@click.option(
    "--expires-in-days", "days", type=click.IntRange(1, 36500), help="When it ends; left out: never."
)
def create(name: str, scopes: Sequence[str], usernames: Sequence[str], days: int | None) -> None:
    """Make a key and print it, once, as one word.

    Several words may follow one option: NAME --scope SCOPE... [--for USER...]
    """
    if not 1 <= len(name) <= 64 or not name.isprintable():
        raise click.ClickException("NAME must have 1 to 64 printable characters.")
    key = said(
        service_keys.create,
        name=name,
        scopes=[Scope(scope) for scope in scopes],
        usernames=usernames,
        days=days,
    )
    click.echo(key)
    click.echo("Keep it now: it is stored as a hash, and cannot be shown again.", err=True)


@group.command("list")
@tables.json_option
def list_keys(as_json: bool) -> None:
    """Print every key, but not the key itself.

    Its scopes, whom it acts for, its state and last use.
    """
    rows = said(service_keys.every)
    if as_json:
        tables.document(ServiceKeySchema(many=True).dump(rows))
        return
    tables.show(
        ("name", "scopes", "acts for", "state", "last use"),
        [(row.name, " ".join(row.scopes), _users(row), _state(row), _last_use(row)) for row in rows],
    )


@group.command("revoke")
@_name
@asking.option
def revoke(name: str, yes: bool) -> None:
    """End a key, at once.

    It is asked about only at a terminal.
    """
    asking.confirm(f"End the key {name}? What uses it will be refused.", yes=yes, unasked=True)
    said(service_keys.revoke, name=name)
    click.echo(f"{name} opens nothing any more.")


def _users(row: Listed) -> str:
    return "all" if row.usernames is None else ",".join(row.usernames)


def _last_use(row: Listed) -> str:
    return "never used" if row.last_used_at is None else f"used {row.last_used_at:%Y-%m-%d}"


def _state(row: Listed) -> str:
    ended: datetime | None = row.expires_at
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if ended is not None and ended <= now() else "active"
