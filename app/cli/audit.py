"""flask --app wsgi audit: what was done and refused, by whom; and the end of what is old."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from flask.cli import AppGroup, with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import settings
from app.models import trouble
from app.schemas.audit import AuditEventSchema
from app.services import audit, pruning
from app.services.sealed import Progress

from . import asking, bars, tables
from .explaining import examples
from .saying import said

MOST = 100000
COLUMNS = ("at", "actor", "action", "target", "detail")


@click.group(
    "audit",
    cls=AppGroup,
    invoke_without_command=True,
    epilog=examples("audit --user reza --since 2026-01-31", "audit prune --dry-run"),
)
@click.option("--user", "username", metavar="USER", help="Of one user alone.")
@click.option("--action", help="Of one kind alone, such as token.read or denied.")
@click.option(
    "--since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]), help="Not before this moment, in UTC."
)
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST), help="How many.")
@tables.json_option
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
    """Print what was done, the latest first."""
    if context.invoked_subcommand is not None:
        return
    since = None if since is None else since.replace(tzinfo=UTC)
    found = said(audit.page, limit=limit, username=username, action=action, since=since)
    events = AuditEventSchema(many=True).dump(found.events)
    if as_json:
        tables.document(events)
    else:
        tables.show(COLUMNS, [[event[name] for name in COLUMNS] for event in events])


@group.command("prune")
@click.option("--days", type=click.IntRange(1, 36500), help="Instead of AUDIT_RETENTION_DAYS.")
@click.option("--dry-run", is_flag=True, help="Only say how many there are.")
@asking.option
@tables.json_option
def prune(days: int | None, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Remove events that are too old.

    Those are older than AUDIT_RETENTION_DAYS. It is done as the role of MIGRATION_DATABASE_URL, and asked
    about only at a terminal.
    """
    days = days or settings.audit_retention_days
    count = _pruned(days, dry_run=True)
    if count and not dry_run:
        asking.confirm(f"Remove {count} events older than {days} days?", yes=yes, unasked=True)
        with bars.of(count) as progress:
            count = _pruned(days, progress=progress)
    if as_json:
        tables.document({"events": count, "days": days, "dry_run": dry_run})
    else:
        click.echo(f"{count} events older than {days} days {'would go' if dry_run else 'are gone'}.")


def _pruned(days: int, *, dry_run: bool = False, progress: Progress | None = None) -> int:
    try:
        return said(pruning.prune, days=days, dry_run=dry_run, progress=progress)
    except SQLAlchemyError as error:
        if not trouble.is_denial(error):
            raise
        raise click.ClickException("MIGRATION_DATABASE_URL must name a role that may delete.") from None
