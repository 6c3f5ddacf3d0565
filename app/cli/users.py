"""flask --app wsgi users: who may sign in."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup
from marshmallow import ValidationError

from app.schemas.accounts import RegisterSchema, UserSchema
from app.services import accounts

from .saying import said

group = AppGroup("users", help="Who may sign in.")

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
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def list_users(as_json: bool) -> None:
    """Print every user."""
    rows = said(accounts.every_user)
    if as_json:
        click.echo(json.dumps(UserSchema(many=True).dump(rows)))
        return
    for row in rows:
        state = "disabled" if row.disabled_at else "active"
        click.echo(f"{row.shown_id:>6}  {row.username:<24}  {row.known_email or '-':<32}  {state}")


@group.command("create")
@click.argument("username")
@click.argument("email")
@_password
def create(username: str, email: str, password: str) -> None:
    """Add a user."""
    fields = _checked({"username": username, "email": email, "password": password})
    said(accounts.create, **fields)
    click.echo(f"{username} can sign in.")


@group.command("reset-password")
@click.argument("username")
@_password
def reset_password(username: str, password: str) -> None:
    """Set a new password, and end every login of this user."""
    _checked({"password": password}, partial=("username", "email"))
    said(accounts.reset_password, username=username, password=password)
    click.echo(f"{username} can sign in with the new password.")


@group.command("disable")
@click.argument("username")
def disable(username: str) -> None:
    """Shut a user out at once. Nothing of theirs is removed."""
    said(accounts.set_disabled, username=username, disabled=True)
    click.echo(f"{username} is shut out.")


@group.command("enable")
@click.argument("username")
def enable(username: str) -> None:
    """Let a disabled user in again."""
    said(accounts.set_disabled, username=username, disabled=False)
    click.echo(f"{username} can sign in.")


@group.command("delete")
@click.argument("username")
@click.confirmation_option(prompt="Remove this user and everything they stored?")
def delete(username: str) -> None:
    """Remove a user with all that is theirs, and end their grants at the providers."""
    said(accounts.remove_named, username=username)
    click.echo(f"{username} is gone.")
