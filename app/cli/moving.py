"""flask --app wsgi export, import: what users keep goes from one service to another, in a sealed file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TypeVar

import click
from flask.cli import with_appcontext
from marshmallow import Schema, ValidationError

from app.extensions import settings
from app.schemas import moving as shapes
from app.services import conflicts, exporting, importing, readiness
from app.services.archive import ArchiveRefused, Kind, Reader, Writer
from app.services.arriving import OWNED, Arrival
from app.services.conflicts import Findings
from app.services.importing import ImportRefused

from . import files, passphrase
from .saying import said

Item = TypeVar("Item")

LARGEST = 16  # bodies of a request: what a record may have at most, and a row grows to by being changed

SCHEMAS: Mapping[Kind, Schema] = {
    Kind.USER: shapes.MovedUserSchema(),
    Kind.CONNECTION: shapes.MovedConnectionSchema(),
    Kind.GRANT: shapes.MovedGrantSchema(),
    Kind.REVOCATION: shapes.MovedRevocationSchema(),
    Kind.DEPARTURE: shapes.MovedDepartureSchema(),
    Kind.SERVICE_KEY: shapes.MovedServiceKeySchema(),
}

_file = click.argument("path", metavar="FILE", type=click.Path(path_type=Path))


@click.command("export")
@_file
@click.option("--user", "usernames", multiple=True, help="Only this one; may be given several times.")
@passphrase.option
@with_appcontext
def export(path: Path, usernames: Sequence[str], passphrase_file: Path | None) -> None:
    """Write what users keep here to FILE, sealed under a passphrase; - is stdout.

    A row that does not open is named and left out, and the exit status is 1.
    """
    with _refusals_told():
        words = passphrase.get(passphrase_file, twice=True)
        said(readiness.compare)
        with files.written(path) as file:
            unreadable = said(_write, Writer(file, words), usernames)
    sys.exit(1 if unreadable else 0)


@click.command("import")
@_file
@click.option("--dry-run", is_flag=True, help="Only say what would come, and what stands in its way.")
@click.option("--skip-conflicts", is_flag=True, help="Leave out what stands in the way, and name it.")
@passphrase.option
@with_appcontext
def import_(path: Path, dry_run: bool, skip_conflicts: bool, passphrase_file: Path | None) -> None:
    """Store what another service has exported to FILE; - is stdin. All of it, or nothing."""
    if path == files.STANDARD and passphrase_file is None:
        raise click.UsageError("With - the passphrase must come from --passphrase-file.")
    with _refusals_told():
        words = passphrase.get(passphrase_file, twice=False)
        said(readiness.compare)
        with files.read(path) as file:
            reader = Reader(file, words, longest=LARGEST * settings.max_body_bytes)
            found = said(_look, reader)
            if not dry_run and (skip_conflicts or not found.conflicts):
                said(_store, reader, found)
                return
    click.echo("Nothing was stored.")
    sys.exit(1 if found.conflicts else 0)


def _write(writer: Writer, usernames: Sequence[str]) -> int:
    """Write all rows that open; return how many do not."""
    leaving, written, unreadable = exporting.announce(usernames), Counter[Kind](), 0
    with _bar(exporting.everything(leaving), exporting.count(leaving)) as items:
        for item in items:
            if item.values is None:
                unreadable += 1
                click.echo(
                    f"{_name(item.kind, item.whose)} does not open: row {item.id} is left out.", err=True
                )
            else:
                written[item.kind] += 1
                writer.add(item.kind, SCHEMAS[item.kind].dump(item.values))
    writer.end()
    click.echo(f"Written: {_counted(written)}.", err=True)
    return unreadable


def _look(reader: Reader) -> Findings:
    with _bar(_arrivals(reader)) as arrivals:
        found = conflicts.look(arrivals)
    for conflict in found.conflicts:
        told = f"line {conflict.line}, {_name(conflict.kind, conflict.whose)}: {conflict.why}"
        click.echo("".join(char if char.isprintable() else "?" for char in told))
    click.echo(f"To come: {_counted(found.coming)}. Left out: {_counted(found.left_out)}.")
    return found


def _store(reader: Reader, found: Findings) -> None:
    readiness.check()
    with _bar(_arrivals(reader), found.coming.total() + found.left_out.total()) as arrivals:
        importing.bring(arrivals, without={conflict.line for conflict in found.conflicts})
    click.echo(f"Stored: {_counted(found.coming)}.")


def _arrivals(reader: Reader) -> Iterator[Arrival]:
    """Hold each record to the bounds that the API has."""
    for record in reader:
        schema, values, problem = SCHEMAS[record.kind], {}, None
        try:
            values = schema.load(record.document)
        except ValidationError as error:
            problem = _problem(schema, error)
        yield Arrival(record.line, record.kind, values, problem)


def _problem(schema: Schema, error: ValidationError) -> str:
    """Say what is wrong, with no word of the file's."""
    known = {name: found for name, found in error.messages_dict.items() if name in schema.fields}
    told = [
        f"{name}: {' '.join(found) if isinstance(found, list) else 'Is not valid.'}"
        for name, found in known.items()
    ]
    return "; ".join(told) or "it does not have the fields of its kind"


def _name(kind: Kind, whose: str) -> str:
    of = " of" if kind in OWNED or kind is Kind.REVOCATION else ""
    return f"{kind.replace('_', ' ')}{of} {whose}".rstrip()


def _counted(counts: Counter[Kind]) -> str:
    named = [f"{count} {kind.replace('_', ' ')}{'s' * (count != 1)}" for kind, count in counts.items()]
    return ", ".join(named) or "nothing"


def _bar(items: Iterable[Item], length: int | None = None) -> AbstractContextManager[Iterable[Item]]:
    """Show how it goes on, to people alone."""
    return click.progressbar(items, length=length, file=sys.stderr, hidden=not sys.stderr.isatty())


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except (ArchiveRefused, ImportRefused) as refusal:
        raise click.ClickException(str(refusal)) from None
    except OSError as error:
        told = (error.filename, error.strerror or type(error).__name__)
        raise click.ClickException(f"{': '.join(str(part) for part in told if part)}.") from None
