"""Secrets: typed connections, masked until revealed on purpose; added, renamed, replaced, removed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from app.connection_types import CONNECTION_TYPES, ConnectionType, find_type, type_of
from app.errors import LatchkeyError, NotFound
from app.schemas.connections import RenameConnectionSchema
from app.services import connections, listing, storing
from app.services.standing import Caller

from ..wire import load
from . import entries, forms
from .forms import refusing
from .showing import show
from .visiting import visiting

blueprint = Blueprint("secrets", __name__, url_prefix="/secrets")

_name = RenameConnectionSchema()


@blueprint.get("")
@visiting()
def every(caller: Caller) -> Response:
    found = listing.every(caller=caller, make=listing.itself)
    return show("secrets.html", caller, area="secrets", found=found, type_of=type_of, told=entries.told)


@blueprint.get("/new")
@visiting()
def choose(caller: Caller) -> Response:
    return show("secret_types.html", caller, area="secrets", types=CONNECTION_TYPES)


@blueprint.get("/new/<type>")
@visiting()
def ask(caller: Caller, type: str) -> Response:
    return _new(caller, type)


def _new(caller: Caller, type: str, refusal: LatchkeyError | None = None) -> Response:
    shape, problems = _shape(type), entries.problems_of(refusal)
    return show(
        "secret_form.html",
        caller,
        area="secrets",
        shape=shape,
        entries=entries.empty(shape, problems),
        others=entries.sent_others(),
        name=forms.value_of("name"),
        refusal=refusal,
        problems=problems,
    )


@blueprint.post("/new/<type>")
@visiting()
@refusing(_new)
def add(caller: Caller, type: str) -> AnyResponse:
    shape, sent = _shape(type), forms.fields()
    name = load(_name, {"name": sent.get("name", "")})["name"]
    added = storing.add(caller=caller, name=name, type=shape.name, data=entries.data(shape, sent))
    flash("It is stored, sealed.", "good")
    return redirect(url_for(".look", id=added.id), 303)


@blueprint.get("/<row_id:id>")
@visiting()
def look(caller: Caller, id: int | None) -> Response:
    return _shown(caller, connections.look(user_id=caller.user_id, id=id), revealed=False)


@blueprint.post("/<row_id:id>/reveal")
@visiting("secrets")
def reveal(caller: Caller, id: int | None) -> Response:
    return _shown(caller, connections.read(caller=caller, id=id), revealed=True)


@blueprint.get("/<row_id:id>/edit")
@visiting()
def ask_to_change(caller: Caller, id: int | None) -> Response:
    return _changing(caller, id)


def _changing(caller: Caller, id: int | None, refusal: LatchkeyError | None = None) -> Response:
    found = connections.look(user_id=caller.user_id, id=id)
    shape, problems = type_of(found.type), entries.problems_of(refusal)
    return show(
        "secret_form.html",
        caller,
        area="secrets",
        shape=shape,
        entries=entries.kept(shape, found, problems),
        others=entries.sent_others(),
        name=found.name if refusal is None else forms.value_of("name"),
        found=found,
        refusal=refusal,
        problems=problems,
    )


@blueprint.post("/<row_id:id>/edit")
@visiting()
@refusing(_changing)
def change(caller: Caller, id: int | None) -> AnyResponse:
    found, sent = connections.look(user_id=caller.user_id, id=id), forms.fields()
    name = load(_name, {"name": sent.get("name", "")})["name"]
    data = entries.data(type_of(found.type), sent, stored=found)
    if found.unreadable or data != found.data:
        connections.replace(user_id=caller.user_id, id=id, data=data)
    if name != found.name:
        connections.rename(user_id=caller.user_id, id=id, name=name)
    flash("The changes are stored.", "good")
    return redirect(url_for(".look", id=id), 303)


@blueprint.get("/<row_id:id>/delete")
@visiting()
def ask_to_delete(caller: Caller, id: int | None) -> Response:
    found = connections.look(user_id=caller.user_id, id=id)
    return show("secret_delete.html", caller, area="secrets", found=found, shape=type_of(found.type))


@blueprint.post("/<row_id:id>/delete")
@visiting()
def delete(caller: Caller, id: int | None) -> AnyResponse:
    connections.delete(user_id=caller.user_id, id=id)
    flash("It is gone.", "good")
    return redirect(url_for(".every"), 303)


def _shown(caller: Caller, found: listing.Opened, *, revealed: bool) -> Response:
    shape = type_of(found.type)
    rows = entries.told(shape, found, revealed=revealed)
    return show("secret.html", caller, area="secrets", found=found, shape=shape, rows=rows, revealed=revealed)


def _shape(word: str) -> ConnectionType:
    shape: Any = find_type(word)
    if shape is None:
        raise NotFound
    return shape  # type: ignore[no-any-return]
