"""flask --app wsgi audit: what was done and refused, by whom; and the end of what is old."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import settings
from app.models import trouble
from app.schemas.audit import AuditEventSchema
from app.services import audit, pruning

from .saying import said

MOST = 100000


@click.group("audit", cls=AppGroup, invoke_without_command=True)
@click.option("--user", "username", help="Of one user alone.")
@click.option("--action", help="Of one kind alone, such as token.read or denied.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="In UTC.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST))
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@click.pass_context
@with_appcontext
def group(
    context: click.Context,
    username: str | None,
    action: str | None,
    since: datetime | None,
    limit: int,
    as_json: bool,
) -> None:
    """Print events, the latest first; `audit prune` removes old ones."""
    if context.invoked_subcommand is not None:
        return
    since = None if since is None else since.replace(tzinfo=UTC)
    found = said(audit.page, limit=limit, username=username, action=action, since=since)
    events = AuditEventSchema(many=True).dump(found.events)
    if as_json:
        click.echo(json.dumps(events))
        return
    for event in events:
        click.echo("  ".join(str(event[name]) for name in ("at", "actor", "action", "target", "detail")))


@group.command("prune")
@click.option("--days", type=click.IntRange(1, 36500), help="Instead of AUDIT_RETENTION_DAYS.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
def prune(days: int | None, dry_run: bool) -> None:
    """Remove events that are older than AUDIT_RETENTION_DAYS, as the role of MIGRATION_DATABASE_URL."""
    days = days or settings.audit_retention_days
    try:
        count = said(pruning.prune, days=days, dry_run=dry_run)
    except SQLAlchemyError as error:
        if not trouble.is_denial(error):
            raise
        raise click.ClickException("MIGRATION_DATABASE_URL must name a role that may delete.") from None
    click.echo(f"{count} events older than {days} days {'would go' if dry_run else 'are gone'}.")
