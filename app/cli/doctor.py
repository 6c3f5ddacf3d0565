"""flask --app wsgi doctor: what is wrong with this installation, and what to do about it."""

from __future__ import annotations

import sys
from dataclasses import asdict

import click
from flask.cli import with_appcontext

from app.services import doctor as examination
from app.services.audit import plain
from app.services.doctor import Finding, Level

from . import tables
from .explaining import examples


@click.command("doctor", epilog=examples("doctor", "doctor --json"))
@tables.json_option
@click.option("--strict", is_flag=True, help="Let warnings count as problems.")
@with_appcontext
def doctor(as_json: bool, strict: bool) -> None:
    """Say what is wrong, and what to do about it.

    Settings, database, keys, stores, addresses, providers and grants are examined. The exit status is 1
    where there is a problem. Nothing is changed; each provider is asked to exchange a code that it never
    gave, and PUBLIC_URL is asked to sign in somebody who does not exist.
    """
    found = []
    for finding in examination.examine():
        found.append(finding)
        if not as_json:
            _print(finding)
    if as_json:
        tables.document([{**asdict(one), "level": one.level.value} for one in found])
    bad = {Level.PROBLEM, Level.WARNING} if strict else {Level.PROBLEM}
    sys.exit(1 if any(one.level in bad for one in found) else 0)


def _print(finding: Finding) -> None:
    click.echo(f"{finding.level.value:<8} {finding.subject}: {plain(finding.what)}")
    if finding.remedy is not None:
        click.echo(f"         → {finding.remedy}")
