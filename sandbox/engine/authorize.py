"""The authorize endpoint: judge the request, remember it, and ask the user."""

import re
import secrets

from flask import request
from flask.typing import ResponseReturnValue

from sandbox.engine import consent, pages
from sandbox.engine.callback import failed
from sandbox.engine.provider import Dialog, Provider
from sandbox.engine.realm import Realm
from sandbox.engine.records import AuthorizationRequest, Client
from sandbox.engine.redirects import mismatch
from sandbox.engine.refusal import CallbackError, Halt

HOUR = 3600


def authorize(realm: Realm, provider: Provider) -> ResponseReturnValue:
    """A consent page, an error page, or (already granted) the callback at once."""
    asked = read(realm, provider.dialog, request.args.to_dict())
    try:
        check(realm, provider.dialog, asked)
        account = provider.dialog.silently_as(realm, asked)
    except CallbackError as error:
        return failed(realm, provider, asked, error)
    if account is not None:
        return consent.allow(realm, provider, asked, account, asked.scopes)
    remember(realm, asked)
    return pages.consent_page(realm, provider, asked)


def read(realm: Realm, dialog: Dialog, parameters: dict[str, str]) -> AuthorizationRequest:
    """Client and redirect URI come first: without both there is nowhere to send an error."""
    client = known_client(realm, parameters.get("client_id", ""))
    sent = parameters.get("redirect_uri", "")
    if not sent and (dialog.redirect_uri_required or not client.redirect_uris):
        raise mismatch(sent)
    match = dialog.match(realm, client, sent or client.redirect_uris[0])
    challenge = parameters.get("code_challenge", "")
    return AuthorizationRequest(
        id=secrets.token_urlsafe(16),
        client_id=client.client_id,
        redirect_uri=match.redirect_uri,
        sent_redirect_uri=sent,
        denial_uri=match.denial_uri,
        scopes=scopes_in(parameters.get("scope", ""), dialog.scope_separators),
        challenge=challenge,
        challenge_method=parameters.get("code_challenge_method", "plain" if challenge else ""),
        parameters=parameters,
        created_at=realm.now(),
    )


def scopes_in(text: str, separators: str) -> list[str]:
    """In the order sent, each once."""
    return list(dict.fromkeys(scope for scope in re.split(f"[{separators}]+", text) if scope))


def known_client(realm: Realm, client_id: str) -> Client:
    client = realm.clients.get(client_id)
    if client is None:
        raise Halt("invalid_client", f"There is no client {client_id or '(none)'}.")
    return client


def check(realm: Realm, dialog: Dialog, asked: AuthorizationRequest) -> None:
    response_type = asked.parameters.get("response_type", "")
    if response_type != "code" and (response_type or dialog.response_type_required):
        raise CallbackError("unsupported_response_type", "response_type must be code")
    if dialog.scope_required and not asked.scopes:
        raise Halt("invalid_request", "Missing required parameter: scope")
    if asked.challenge and asked.challenge_method not in dialog.challenge_methods:
        raise CallbackError("invalid_request", "code_challenge_method must be S256")
    dialog.check(realm, asked)


def remember(realm: Realm, asked: AuthorizationRequest) -> None:
    """Pages that nobody answered within an hour are forgotten."""
    for old in [r for r in realm.requests.values() if r.created_at < realm.now() - HOUR]:
        del realm.requests[old.id]
    realm.requests[asked.id] = asked
