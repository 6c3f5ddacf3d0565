"""flask --app wsgi connections: what users have connected, how it is, and its end. Never a secret."""

from __future__ import annotations

import sys

import click
from flask.cli import AppGroup

from app.oauth.answers import Kind
from app.oauth.provider import ServiceDeclaration
from app.oauth.revocation import Outcome
from app.schemas.overview import HeldSchema, HeldTypedSchema
from app.schemas.services import StatusSchema, TestedSchema
from app.services import accounts, overview, services, status
from app.services.health import Word

from . import asking, tables
from .explaining import examples, service_name, username
from .saying import said

_WHY = {
    Kind.DEAD_GRANT: "it has ended there, and only its user can connect again",
    Kind.OUTAGE: "the provider did not answer; try again later",
    Kind.OPERATOR: "the provider does not serve this service as it is set up; run: flask --app wsgi doctor",
    Kind.MALFORMED: "the provider answered with something else than it should; try again later",
}
_ENDED = {
    Outcome.REVOKED: "the provider has ended it",
    Outcome.ALREADY_GONE: "the provider had ended it before",
    Outcome.UNSUPPORTED: "the provider cannot be asked to end it; its user can, in their account there",
    Outcome.QUEUED: "the provider did not take it, and is asked again for a day",
    Outcome.SHARED: "the provider was not asked: another connection here needs the same grant",
}

group = AppGroup(
    "connections",
    help="What users have connected, and how it is.",
    epilog=examples("connections list --health reconnect_required", "connections test reza github"),
)


@group.command("list")
@click.option("--user", "of_user", metavar="USER", help="Of one user alone.")
@click.option("--service", "of_service", metavar="SERVICE", help="To one service alone.")
@click.option(
    "--health", "word", type=click.Choice([word.value for word in Word]), help="Of one health alone."
)
@click.option("--typed", is_flag=True, help="What users have stored themselves, instead.")
@tables.json_option
def list_connections(
    of_user: str | None, of_service: str | None, word: str | None, typed: bool, as_json: bool
) -> None:
    """Print connections, and how they are."""
    if not typed:
        _list(of_user, of_service, word, as_json=as_json)
    elif of_service or word:
        raise click.UsageError("With --typed there is no service and no health; leave those options out.")
    else:
        _list_typed(of_user, as_json=as_json)


@group.command("show")
@username
@service_name
@tables.json_option
def show(username: str, service_name: str, as_json: bool) -> None:
    """Print what is known of a connection.

    The provider is not asked.
    """
    user_id, service = _found(username, service_name)
    found = StatusSchema().dump(said(status.status, user_id=user_id, service=service))
    if as_json:
        tables.document(found)
    else:
        tables.facts(found)


@group.command("test")
@username
@service_name
@tables.json_option
def test(username: str, service_name: str, as_json: bool) -> None:
    """Ask the provider whether one works.

    The exit status is 1 where it does not. A token that is due, or refused, is renewed.
    """
    user_id, service = _found(username, service_name)
    found = said(status.test, user_id=user_id, service=service)
    if as_json:
        tables.document(TestedSchema().dump(found))
    elif found.failure is None:
        account = tables.told(found.status.account_label)
        click.echo(f"{service.display_name} of {username} works, as {account}.")
    else:
        click.echo(f"{service.display_name} of {username} does not work: {_WHY[found.failure]}.")
    sys.exit(0 if found.works else 1)


@group.command("disconnect")
@username
@service_name
@asking.option
def disconnect(username: str, service_name: str, yes: bool) -> None:
    """End a connection here and at the provider.

    Those that hang on the same grant end with it, as Drive does with Gmail.
    """
    user_id, service = _found(username, service_name)
    found = said(status.status, user_id=user_id, service=service)
    names = ", ".join([service.name, *found.shared_with])
    account = tables.told(found.account_label)
    asking.confirm(f"End {names} of {username}, connected as {account}, here and at the provider?", yes=yes)
    outcome = said(services.disconnect, user_id=user_id, service=service)
    click.echo(f"Disconnected {username}: {names}.")
    click.echo(f"Revocation: {outcome.value}; {_ENDED[outcome]}.")


def _list(username: str | None, service_name: str | None, word: str | None, *, as_json: bool) -> None:
    service = None if service_name is None else said(services.declared, service_name)
    chosen = None if word is None else Word(word)
    rows = said(overview.connections, username=username, service=service, word=chosen)
    if as_json:
        tables.document(HeldSchema(many=True).dump(rows))
        return
    names = ("user", "service", "account", "health", "token ends", "grant ends", "renewed", "what is known")
    tables.show(
        names,
        [
            (
                row.username,
                row.status.service_name,
                row.status.account_label,
                row.status.health.word.value,
                row.status.token_expires_at,
                row.status.grant_expires_at,
                row.status.last_refresh_at,
                row.status.health.reason,
            )
            for row in rows
        ],
    )


def _list_typed(username: str | None, *, as_json: bool) -> None:
    rows = said(overview.typed_connections, username=username)
    if as_json:
        tables.document(HeldTypedSchema(many=True).dump(rows))
        return
    names = ("user", "id", "type", "created", "opens", "name")
    tables.show(
        names, [(row.username, row.id, row.type, row.created_at, row.opens, row.name) for row in rows]
    )


def _found(username: str, service_name: str) -> tuple[int, ServiceDeclaration]:
    """Return whom and what an operator means. What is not offered cannot be dealt with."""
    service = said(services.declared, service_name)
    user_id = said(accounts.id_of, username=username)
    if not said(services.is_offered, service):
        raise click.ClickException(
            f"{service.name} is not offered; first run: flask --app wsgi services enable {service.name}"
        )
    return user_id, service
