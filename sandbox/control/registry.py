"""Clients, accounts and switches of a provider."""

from dataclasses import asdict
from typing import Any

from flask import Response, jsonify
from werkzeug.exceptions import BadRequest

from sandbox.control.wire import Routes, body, realm_of
from sandbox.engine import switches
from sandbox.engine.records import Client
from sandbox.world import World, switches_of


def show_clients(world: World, provider: str) -> Response:
    with world.lock:
        return jsonify(clients=[asdict(client) for client in realm_of(world, provider).clients.values()])


def register_client(world: World, provider: str) -> Response:
    client = client_from(body("client_id", "client_secret", "redirect_uris"))
    world.transact(lambda: realm_of(world, provider).clients.update({client.client_id: client}))
    return jsonify(asdict(client))


def client_from(sent: dict[str, Any]) -> Client:
    try:
        return Client(**sent)
    except TypeError as error:
        raise BadRequest("A client has no such field.") from error


def show_accounts(world: World, provider: str) -> Response:
    with world.lock:
        return jsonify(accounts=[asdict(account) for account in realm_of(world, provider).accounts.values()])


def add_account(world: World, provider: str) -> Response:
    realm, profile = realm_of(world, provider), body("key")
    account = world.providers[provider].account(str(profile.pop("key")), profile)
    world.transact(lambda: realm.accounts.update({account.key: account}))
    return jsonify(asdict(account))


def show_switches(world: World, provider: str) -> Response:
    return jsonify(realm_of(world, provider).switches)


def change_switches(world: World, provider: str) -> Response:
    realm = realm_of(world, provider)
    wanted = checked_switches(world, provider, body())
    world.transact(lambda: realm.switches.update(wanted))
    return jsonify(realm.switches)


def checked_switches(world: World, provider: str, sent: dict[str, Any]) -> dict[str, switches.Value]:
    try:
        return switches.checked(switches_of(world.providers[provider]), sent)
    except switches.BadSwitch as error:
        raise BadRequest(str(error)) from error


ROUTES: Routes = (
    ("GET", "/<provider>/clients", show_clients),
    ("POST", "/<provider>/clients", register_client),
    ("GET", "/<provider>/accounts", show_accounts),
    ("POST", "/<provider>/accounts", add_account),
    ("GET", "/<provider>/switches", show_switches),
    ("PATCH", "/<provider>/switches", change_switches),
)
