"""flask --app wsgi services: which services are offered."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.services import services

from . import tables
from .explaining import examples, service_name
from .saying import said

group = AppGroup(
    "services",
    help="Which services users may connect.",
    epilog=examples("services list", "services disable facebook"),
)


@group.command("list")
@tables.json_option
def list_services(as_json: bool) -> None:
    """Print every service, offered or not."""
    rows = said(services.all_rows)
    if as_json:
        tables.document([{"id": row.id, "name": row.name, "enabled": row.enabled} for row in rows])
        return
    tables.show(
        ("id", "name", "title", "state"),
        [(row.id, row.name, row.display_name, "offered" if row.enabled else "disabled") for row in rows],
    )


@group.command("enable")
@service_name
def enable(service_name: str) -> None:
    """Offer a service."""
    _set(service_name, enabled=True)


@group.command("disable")
@service_name
def disable(service_name: str) -> None:
    """Stop offering a service. What is connected stays stored."""
    _set(service_name, enabled=False)


def _set(name: str, *, enabled: bool) -> None:
    said(services.set_enabled, name=name, enabled=enabled)
    click.echo(f"{name} is {'offered' if enabled else 'not offered any more'}.")
