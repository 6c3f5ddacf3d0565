"""The examples of the documents that the API was ordered by, made JSON with the least repair.

Where an example of theirs cannot stand for what is served, the nearest that can: masks are eight dashes, an
access URL comes under a second key, Google Drive has the id 3.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .routes import Route

Examples = dict[str, dict[str, dict[str, Any]]]


def _call(answer: Any, request: Any = None) -> Examples:
    return _named(documented=(request, answer))


def _named(**calls: tuple[Any, Any]) -> Examples:
    """Return examples by name: of the requests, where there are any, and of the answers."""
    found: Examples = {"answer": {name: {"value": answer} for name, (_, answer) in calls.items()}}
    if any(request is not None for request, _ in calls.values()):
        found["request"] = {name: {"value": request} for name, (request, _) in calls.items()}
    return found


def _token(id: int, name: str, token_type: str, token: str, created: str, updated: str) -> dict[str, Any]:
    return {
        "ID": id,
        "CreatedAt": created,
        "UpdatedAt": updated,
        "DeletedAt": None,
        "Token": token,
        "Token_type": token_type,
        "UserID": 3,
        "Name": name,
    }


_RENAMED = _call({"message": "update token successfully"}, {"name": "git1", "id": 1})
_DELETED = {"message": "deleted token successfully"}
_UPDATED = {"message": "updated connection successfully"}
_SSH = {"host": "37.152.181.64", "username": "reza"}
_URL = (
    "https://accounts.spotify.com/authorize?response_type=code&client_id=830463353079988314"
    "&redirect_uri=http%3A%2F%2F127.0.0.1%3A8080%2Fapi%2Fconnections%2Fspotify%2Fcallback"
    "&scope=user-read-playback-state&state=h8EecvhXJqHsG5EQ3K0gei4EUrWpaFj_HqH3WNZdrzo"
    "&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256"
)
_ACCESS = _call({"spotify_url": _URL, "url": _URL})
_AT = "2025-12-15T10:00:00Z"


def _offer(id: int, name: str, title: str, description: str, at: str | None) -> dict[str, Any]:
    return {
        "service_id": id,
        "service_name": name,
        "display_name": title,
        "description": description,
        "is_connected": at is not None,
        "connected_at": at,
    }


def _connected(id: int, service_id: int, name: str, title: str, until: str) -> dict[str, Any]:
    return {
        "id": id,
        "user_id": 1,
        "service_id": service_id,
        "service_name": name,
        "service_display_name": title,
        "connected_at": _AT,
        "updated_at": _AT,
        "token_expires_at": until,
    }


def _callback(service_id: int, name: str, title: str, until: str) -> Examples:
    connection = _connected(1, service_id, name, title, until)
    message = f"{title} connected successfully"
    return _call({"success": True, "message": message, "connection": connection})


def _disconnected(title: str) -> Examples:
    return _call({"message": f"{title} disconnected successfully", "revocation": "revoked"})


_IN_AN_HOUR = "2025-12-15T11:00:00Z"


def examples_of(route: Route) -> Examples:
    """Return the examples of an operation: those of its service, else those of what it does."""
    return EXAMPLES.get(route.id) or EXAMPLES.get(route.verb, {})


EXAMPLES: Mapping[str, Examples] = {
    "legacy_tokens.add": _call(
        {"message": "token added"},
        {"name": "spotify3", "token_type": "spotify", "token": "1afcd222222sdcfaxfdfa52aafkkkbvdj"},
    ),
    "legacy_tokens.get": _call(
        {"token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VybmFtZSI6ImxlZ2F0by"},
        {"name": "git1", "token_type": "github"},
    ),
    "legacy_tokens.every": _call(
        [
            _token(
                10,
                "spotify4",
                "spotify",
                "1afcd222222sdcfaxsdfsaz",
                "2021-04-11T20:23:44.487065Z",
                "2021-04-11T20:23:44.490836Z",
            ),
            _token(
                11,
                "",
                "spotify",
                "1afcd222222sdcfaxsdfsaz",
                "2021-04-11T20:25:22.047339Z",
                "2021-04-11T20:25:22.056967Z",
            ),
            _token(
                12,
                "git1",
                "git",
                "dpsfihio514356dfsc5sdf5c1252dcsx52",
                "2021-04-12T14:48:46.605771Z",
                "2021-04-12T14:48:46.626229Z",
            ),
        ]
    ),
    "legacy_tokens.rename": _RENAMED,
    "legacy_tokens.rename_own": _RENAMED,
    "legacy_tokens.check": _call({"message": "correct token"}, {"id": 1}),
    "legacy_tokens.replace_or_delete": _named(
        replaced=(
            {"id": 2, "token": "asdpjbfipdsafhbcop;bfdhsbocp;x"},
            {"message": "updated token successfully"},
        ),
        deleted=({"id": 1}, _DELETED),
    ),
    "legacy_tokens.delete": _call(_DELETED, {"id": 1}),
    "connections.add": _named(
        spotify=(
            {"name": "spotify3", "type": "spotify", "data": {"token": "ffsdsfasdfiohipafhjdoicjkposa"}},
            {
                "id": 45,
                "name": "spotify3",
                "type": "spotify",
                "data": {"token": "ffsdsfasdfiohipafhjdoicjkposa"},
            },
        ),
        sshes=(
            {"name": "myssh", "type": "sshes", "data": {"token": "3c14cb6290e0e568f6f6"}},
            {"data": {"token": "3c14cb6290e0e568f6f6"}, "id": 46, "name": "myssh", "type": "sshes"},
        ),
    ),
    "connections.read": _call(
        {"data": {**_SSH, "password": "eeeeeeeeeeeeeee"}, "id": "34", "name": "ssh9", "type": "sshes"}
    ),
    "connections.every": _call(
        {
            "connections": [
                {"id": 32, "data": {**_SSH, "password": "--------"}, "name": "ssh8", "type": "sshes"},
                {"id": 34, "data": {**_SSH, "password": "--------"}, "name": "ssh9", "type": "sshes"},
                {"id": 35, "data": {**_SSH, "sshKey": "--------"}, "name": "ssh10", "type": "sshes"},
            ]
        }
    ),
    "connections.rename": _call(_UPDATED, {"name": "git1"}),
    "connections.replace": _call(_UPDATED, {"data": {**_SSH, "password": "-----------"}}),
    "connections.check": _named(there=(None, {"message": "true"}), absent=(None, {"message": "false"})),
    "connections.delete": _call({"message": "deleted connection successfully"}),
    "access_urls.by_token_type": {**_ACCESS, "request": {"documented": {"value": {"token_type": "spotify"}}}},
    "access_urls.by_service": _ACCESS,
    "access_urls.by_service_as_token": _ACCESS,
    "services.every": _call(
        {
            "connections": [
                _offer(2, "gmail", "Gmail", "Email automation service", _AT),
                _offer(4, "facebook", "Facebook", "Social media automation", None),
            ]
        }
    ),
    "services.reset": _call({"message": "Successfully disconnected 4 service(s)", "disconnected_count": 4}),
    "gmail.callback": _call(
        {
            "success": True,
            "message": "Gmail and Drive connected successfully",
            "connections": {
                "gmail": _connected(1, 2, "gmail", "Gmail", _IN_AN_HOUR),
                "drive": _connected(2, 3, "drive", "Google Drive", _IN_AN_HOUR),
            },
        }
    ),
    "facebook.callback": _callback(4, "facebook", "Facebook", "2026-02-12T10:00:00Z"),
    "github.callback": _callback(5, "github", "GitHub", "2026-12-15T10:00:00Z"),
    "spotify.callback": _callback(6, "spotify", "Spotify", _IN_AN_HOUR),
    "gmail.disconnect": _disconnected("Gmail"),
    "facebook.disconnect": _disconnected("Facebook"),
    "github.disconnect": _disconnected("GitHub"),
    "spotify.disconnect": _disconnected("Spotify"),
}
