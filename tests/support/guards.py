"""Who may call what: a guard for each route. A new route has none until it gets its line here."""

from __future__ import annotations

NAMES = ("gmail", "drive", "facebook", "github", "spotify", "discord")
USERS = "/api/users/<username>"

# open: anybody. page, callback: a browser, known by its cookie, its ticket or its state. The others are
# what they say of a token: see SENTENCES.
GUARDS = {
    "GET /": "open",
    "GET /static/<path:filename>": "open",
    "GET /healthz": "open",
    "GET /readyz": "open",
    "GET /metrics": "open",
    "GET /.well-known/security.txt": "open",
    "GET /api/audit": "bearer",
    "POST /api/auth/register": "open",
    "POST /api/auth/login": "open",
    "POST /api/auth/refresh": "refresh",
    "POST /api/auth/logout": "bearer",
    "GET /api/auth/me": "bearer",
    "PUT /api/auth/password": "bearer",
    "DELETE /api/auth/me": "bearer",
    "POST /api/user/connection/access/token/urls": "bearer",
    "GET /api/user/connection/access/<service>": "bearer",
    "GET /api/user/connection/access/token/<service>": "bearer",
    "PUT /api/users/connection/update/token/name": "bearer",
    f"POST {USERS}/connections/addtoken": "owner",
    f"POST {USERS}/connection/gettoken": "owner",
    f"GET {USERS}/connection/gettokens": "owner",
    f"PUT {USERS}/connection/update/token/name": "owner",
    f"POST {USERS}/connection/check/token": "owner",
    f"PUT {USERS}/connection/update/token/token": "owner",
    f"POST {USERS}/connection/delete/token": "owner",
    f"DELETE {USERS}/connection/delete/token": "owner",
    f"POST {USERS}/add/connection": "owner",
    f"GET {USERS}/get/connection/<row_id:id>": "owner",
    f"GET {USERS}/get/connections": "owner",
    f"PUT {USERS}/update/connection/name/<row_id:id>": "owner",
    f"PUT {USERS}/update/connection/data/<row_id:id>": "owner",
    f"GET {USERS}/check/connection/<row_id:id>": "owner",
    f"DELETE {USERS}/connection/delete/<row_id:id>": "owner",
    "GET /api/connections": "bearer",
    "DELETE /api/connections/reset": "bearer",
    "GET /api/connections/revocations": "bearer",
    "GET /callback": "callback",
    "GET /connect/<ticket>": "page",
    "POST /connect/<ticket>": "page",
    "POST /connect/<ticket>/confirm": "page",
    "POST /connect/<ticket>/decline": "page",
    **{f"{method} /api/connections/{name}": "start" for name in NAMES for method in ("GET", "POST")},
    **{f"DELETE /api/connections/{name}": "bearer" for name in NAMES},
    **{f"POST /api/connections/{name}/{verb}": "bearer" for name in NAMES for verb in ("authorize", "test")},
    **{f"GET /api/connections/{name}/{what}": "bearer" for name in NAMES for what in ("token", "status")},
    **{f"GET /api/connections/{name}/callback": "callback" for name in NAMES if name != "drive"},
}

# What a service key needs; None: it is for people alone. The start routes count as the others that change.
_READ_METADATA = (
    "GET /api/auth/me",
    "GET /api/audit",
    "GET /api/connections",
    "GET /api/connections/revocations",
    f"POST {USERS}/connection/check/token",
    f"GET {USERS}/get/connections",
    f"GET {USERS}/check/connection/<row_id:id>",
    *(f"GET /api/connections/{name}/status" for name in NAMES),
    *(f"POST /api/connections/{name}/test" for name in NAMES),
)
_READ_SECRETS = (
    f"POST {USERS}/connection/gettoken",
    f"GET {USERS}/connection/gettokens",
    f"GET {USERS}/get/connection/<row_id:id>",
    *(f"GET /api/connections/{name}/token" for name in NAMES),
)
_PEOPLE = ("POST /api/auth/logout", "PUT /api/auth/password", "DELETE /api/auth/me")
SCOPES: dict[str, str | None] = {
    **{route: "write" for route, guard in GUARDS.items() if guard in ("bearer", "owner", "start")},
    **dict.fromkeys(_READ_METADATA, "read_metadata"),
    **dict.fromkeys(_READ_SECRETS, "read_secrets"),
    **dict.fromkeys(_PEOPLE, None),
}
