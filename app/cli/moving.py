"""flask --app wsgi export, import: what users keep goes from one service to another, in a sealed file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from marshmallow import Schema, ValidationError

from app.extensions import settings
from app.schemas import moving as shapes
from app.services import conflicts, exporting, importing, readiness
from app.services.archive import ArchiveRefused, Kind, Reader, Writer
from app.services.arriving import OWNED, Arrival
from app.services.audit import plain
from app.services.conflicts import Findings
from app.services.exporting import Item
from app.services.importing import ImportRefused

from . import bars, files, passphrase, tables
from .explaining import examples
from .saying import said

LARGEST = 16  # bodies of a request: what a record may have at most, and a row grows to by being changed

SCHEMAS: Mapping[Kind, Schema] = {
    Kind.USER: shapes.MovedUserSchema(),
    Kind.CONNECTION: shapes.MovedConnectionSchema(),
    Kind.GRANT: shapes.MovedGrantSchema(),
    Kind.REVOCATION: shapes.MovedRevocationSchema(),
    Kind.DEPARTURE: shapes.MovedDepartureSchema(),
    Kind.SERVICE_KEY: shapes.MovedServiceKeySchema(),
}

_file = click.argument(
    "path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The file's name; - is stdout for an export, stdin for an import.",
)


@click.command("export", epilog=examples("export everything.latchkey", "export --user reza reza.latchkey"))
@_file
@click.option(
    "--user",
    "usernames",
    metavar="USER",
    multiple=True,
    help="Only what is this one's; may be given several times.",
)
@passphrase.option
@tables.json_option
@with_appcontext
def export(path: Path, usernames: Sequence[str], passphrase_file: Path | None, as_json: bool) -> None:
    """Write what users keep to a sealed file.

    It opens with the passphrase alone. A row that does not open is named and left out, and the exit status
    is 1.
    """
    if as_json and path == files.STANDARD:
        raise click.UsageError("With - the file itself goes to stdout; leave out --json.")
    with _refusals_told():
        words = passphrase.get(passphrase_file, twice=True)
        said(readiness.compare)
        with files.written(path) as file:
            written, unreadable = said(_write, Writer(file, words), usernames)
    if as_json:
        lost = [{"kind": one.kind, "id": one.id, "whose": one.whose} for one in unreadable]
        tables.document({"written": written, "unreadable": lost})
    sys.exit(1 if unreadable else 0)


@click.command(
    "import", epilog=examples("import --dry-run everything.latchkey", "import everything.latchkey")
)
@_file
@click.option("--dry-run", is_flag=True, help="Only say what would come, and what stands in its way.")
@click.option("--skip-conflicts", is_flag=True, help="Leave out what stands in the way, and name it.")
@passphrase.option
@tables.json_option
@with_appcontext
def import_(
    path: Path, dry_run: bool, skip_conflicts: bool, passphrase_file: Path | None, as_json: bool
) -> None:
    """Store what another service has exported.

    All of it is stored, or nothing.
    """
    if path == files.STANDARD and passphrase_file is None:
        raise click.UsageError("With - the passphrase must come from --passphrase-file.")
    with _refusals_told():
        words = passphrase.get(passphrase_file, twice=False)
        said(readiness.compare)
        with files.read(path) as file:
            reader = Reader(file, words, longest=LARGEST * settings.max_body_bytes)
            found = said(_look, reader)
            if not as_json:
                _print_findings(found)
            stored = not dry_run and (skip_conflicts or not found.conflicts)
            if stored:
                said(_store, reader, found)
    if as_json:
        tables.document(_findings(found, stored=stored))
    else:
        click.echo(f"Stored: {_counted(found.coming)}." if stored else "Nothing was stored.")
    sys.exit(1 if found.conflicts and not stored else 0)


def _write(writer: Writer, usernames: Sequence[str]) -> tuple[Counter[Kind], list[Item]]:
    """Write all rows that open; return how many they are, and those that do not."""
    leaving, written, unreadable = exporting.announce(usernames), Counter[Kind](), list[Item]()
    with bars.over(exporting.everything(leaving), exporting.count(leaving)) as items:
        for item in items:
            if item.values is None:
                unreadable.append(item)
                name = _name(item.kind, item.whose)
                click.echo(f"{name} does not open: row {item.id} is left out.", err=True)
            else:
                written[item.kind] += 1
                writer.add(item.kind, SCHEMAS[item.kind].dump(item.values))
    writer.end()
    click.echo(f"Written: {_counted(written)}.", err=True)
    return written, unreadable


def _look(reader: Reader) -> Findings:
    with bars.over(_arrivals(reader)) as arrivals:
        return conflicts.look(arrivals)


def _findings(found: Findings, *, stored: bool) -> dict[str, Any]:
    """Return what a program reads of an import."""
    in_the_way = [asdict(conflict) for conflict in found.conflicts]
    counts = {"coming": found.coming, "left_out": found.left_out}
    return {**counts, "conflicts": in_the_way, "stored": stored}


def _print_findings(found: Findings) -> None:
    for conflict in found.conflicts:
        told = f"line {conflict.line}, {_name(conflict.kind, conflict.whose)}: {conflict.why}"
        click.echo(plain(told))
    click.echo(f"To come: {_counted(found.coming)}. Left out: {_counted(found.left_out)}.")


def _store(reader: Reader, found: Findings) -> None:
    readiness.check()
    with bars.over(_arrivals(reader), found.coming.total() + found.left_out.total()) as arrivals:
        importing.bring(arrivals, without={conflict.line for conflict in found.conflicts})


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


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except (ArchiveRefused, ImportRefused) as refusal:
        raise click.ClickException(str(refusal)) from None
    except OSError as error:
        told = (error.filename, error.strerror or type(error).__name__)
        raise click.ClickException(f"{': '.join(str(part) for part in told if part)}.") from None
