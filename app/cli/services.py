"""flask --app wsgi services: which services are offered."""

from __future__ import annotations

import json

import click
from flask.cli import AppGroup

from app.services import services

from .saying import said

group = AppGroup("services", help="Which services users may connect.")


@group.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
def list_services(as_json: bool) -> None:
    """Print every service, and whether it is offered."""
    rows = said(services.all_rows)
    if as_json:
        click.echo(json.dumps([{"id": row.id, "name": row.name, "enabled": row.enabled} for row in rows]))
        return
    for row in rows:
        click.echo(
            f"{row.id:>3}  {row.name:<12}  {row.display_name:<16}  {'offered' if row.enabled else 'disabled'}"
        )


@group.command("enable")
@click.argument("name")
def enable(name: str) -> None:
    """Offer a service."""
    _set(name, enabled=True)


@group.command("disable")
@click.argument("name")
def disable(name: str) -> None:
    """Stop offering a service. What is connected stays stored."""
    _set(name, enabled=False)


def _set(name: str, *, enabled: bool) -> None:
    said(services.set_enabled, name=name, enabled=enabled)
    click.echo(f"{name} is {'offered' if enabled else 'not offered any more'}.")
