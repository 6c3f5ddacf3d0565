"""flask --app wsgi service-keys: programs that act for users."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import click
from flask.cli import AppGroup

from app.models import now
from app.schemas.service_keys import ServiceKeySchema
from app.services import service_keys
from app.services.service_keys import Listed, Scope

from .saying import said

_SCOPE = click.Choice([scope.value for scope in Scope])

_LISTS = ("--scope", "--for")

group = AppGroup("service-keys", help="Programs that act for users.")


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
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, required=True, type=_SCOPE, help="One or more.")
@click.option(
    "--for", "usernames", multiple=True, metavar="USER", help="Users that it may act for; left out: all."
)
@click.option("--expires-in-days", "days", type=click.IntRange(1, 36500), help="Left out: never.")
def create(name: str, scopes: Sequence[str], usernames: Sequence[str], days: int | None) -> None:
    """Make a key and print it, once, as one word: create NAME --scope SCOPE... [--for USER...]"""
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
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def list_keys(as_json: bool) -> None:
    """Print every key: its scopes, whom it acts for, its state and last use. Never the key itself."""
    rows = said(service_keys.every)
    if as_json:
        click.echo(json.dumps(ServiceKeySchema(many=True).dump(rows)))
        return
    for row in rows:
        users = "all" if row.usernames is None else ",".join(row.usernames)
        used = "never used" if row.last_used_at is None else f"used {row.last_used_at:%Y-%m-%d}"
        click.echo(f"{row.name:<24}  {' '.join(row.scopes):<40}  {users:<24}  {_state(row):<8}  {used}")


@group.command("revoke")
@click.argument("name")
def revoke(name: str) -> None:
    """End a key, at once."""
    said(service_keys.revoke, name=name)
    click.echo(f"{name} opens nothing any more.")


def _state(row: Listed) -> str:
    ended: datetime | None = row.expires_at
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if ended is not None and ended <= now() else "active"
