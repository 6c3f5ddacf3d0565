"""flask --app wsgi doctor: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from app.services import doctor as examination
from app.services.doctor import Finding, Level


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON array, for programs.")
@click.option("--strict", is_flag=True, help="Let warnings count as problems.")
@with_appcontext
def doctor(as_json: bool, strict: bool) -> None:
    """Examine settings, database, keys, stores, addresses, providers and grants.

    The exit status is 1 where there is a problem. Nothing is changed; each provider is asked to exchange a
    code that it never gave, and PUBLIC_URL is asked to sign in somebody who does not exist.
    """
    found = []
    for finding in examination.examine():
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        click.echo(json.dumps([{**asdict(one), "level": one.level.value} for one in found]))
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    sys.exit(1 if any(one.level in bad for one in found) else 0)


def _print(finding: Finding) -> None:
    click.echo(f"{finding.level.value:<8} {finding.subject}: {finding.what}")
    if finding.remedy is not None:
        click.echo(f"         → {finding.remedy}")
