"""flask --app wsgi users: who may sign in."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from app.schemas.accounts import RegisterSchema, UserSchema
from app.schemas.overview import AccountSchema
from app.services import accounts, overview

from . import asking, explaining, tables
from .saying import said

group = AppGroup(
    "users",
    help="Who may sign in.",
    epilog=explaining.examples("users create sara sara@example.com", "users list --json"),
)

_password = click.password_option(help="Asked for when it is left out, so that it stays out of your history.")


def _checked(fields: dict[str, str], partial: tuple[str, ...] = ()) -> dict[str, str]:
    """Hold the operator to the bounds that the API has."""
    try:
        loaded: dict[str, str] = RegisterSchema().load(fields, partial=partial)
    except ValidationError as error:
        problems = "; ".join(f"{name}: {' '.join(found)}" for name, found in error.messages_dict.items())
        raise click.ClickException(problems) from None
    return loaded


@group.command("list")
@tables.json_option
def list_users(as_json: bool) -> None:
    """Print every user."""
    rows = said(accounts.every_user)
    if as_json:
        tables.document(UserSchema(many=True).dump(rows))
        return
    tables.show(
        ("id", "username", "email", "state"),
        [
            (row.shown_id, row.username, row.known_email, "disabled" if row.disabled_at else "active")
            for row in rows
        ],
    )


@group.command("show")
@explaining.username
@tables.json_option
def show(username: str, as_json: bool) -> None:
    """Print what is known of a user.

    How many connections and logins they have, and when they last signed in, as far as the audit tells.
    """
    found = AccountSchema().dump(said(overview.account, username=username))
    if as_json:
        tables.document(found)
    else:
        tables.facts(found)


@group.command("create")
@click.argument("username", help="1 to 64 characters without spaces.")
@click.argument("email", help="The user's address, which nobody else here may have.")
@_password
def create(username: str, email: str, password: str) -> None:
    """Add a user."""
    fields = _checked({"username": username, "email": email, "password": password})
    said(accounts.create, **fields)
    click.echo(f"{username} can sign in.")


@group.command("reset-password")
@explaining.username
@_password
def reset_password(username: str, password: str) -> None:
    """Set a new password, and end every login."""
    _checked({"password": password}, partial=("username", "email"))
    said(accounts.reset_password, username=username, password=password)
    click.echo(f"{username} can sign in with the new password.")


@group.command("disable")
@explaining.username
def disable(username: str) -> None:
    """Shut a user out at once. Nothing of theirs is removed."""
    said(accounts.set_disabled, username=username, disabled=True)
    click.echo(f"{username} is shut out.")


@group.command("enable")
@explaining.username
def enable(username: str) -> None:
    """Let a disabled user in again."""
    said(accounts.set_disabled, username=username, disabled=False)
    click.echo(f"{username} can sign in.")


@group.command("delete")
@explaining.username
@asking.option
def delete(username: str, yes: bool) -> None:
    """Remove a user with all that is theirs.

    Their grants are ended at the providers, too.
    """
    found = said(overview.account, username=username)
    asking.confirm(
        f"Remove {tables.told(found.user.username)} and everything they stored: {found.service_connections} "
        f"connections to services and {found.typed_connections} of their own?",
        yes=yes,
    )
    said(accounts.remove_named, username=username)
    click.echo(f"{username} is gone.")
