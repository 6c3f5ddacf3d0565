"""The environment settings that point Latchkey at a sandbox instead of the real providers."""

ENDPOINTS: dict[str, dict[str, str]] = {
    "google": {
        "AUTHORIZE_URL": "/google/o/oauth2/v2/auth",
        "TOKEN_URL": "/google/token",
        "REVOKE_URL": "/google/revoke",
        "USERINFO_URL": "/google/v1/userinfo",
    },
    "facebook": {
        "AUTHORIZE_URL": "/facebook/v26.0/dialog/oauth",
        "TOKEN_URL": "/facebook/v26.0/oauth/access_token",
        "REVOKE_URL": "/facebook/v26.0/{account_id}/permissions",
        "USERINFO_URL": "/facebook/v26.0/me",
    },
    "github": {
        "AUTHORIZE_URL": "/github/login/oauth/authorize",
        "TOKEN_URL": "/github/login/oauth/access_token",
        "REVOKE_URL": "/github/api/applications/{client_id}/grant",
        "USERINFO_URL": "/github/api/user",
    },
    "spotify": {
        "AUTHORIZE_URL": "/spotify/authorize",
        "TOKEN_URL": "/spotify/api/token",
        "USERINFO_URL": "/spotify/v1/me",
    },
    "discord": {
        "AUTHORIZE_URL": "/discord/oauth2/authorize",
        "TOKEN_URL": "/discord/api/oauth2/token",
        "REVOKE_URL": "/discord/api/oauth2/token/revoke",
        "USERINFO_URL": "/discord/api/v10/users/@me",
    },
}

# The `iss` that the sandbox puts on callbacks is the vendor's own, as a client checks it.
ISSUERS = {"google": "https://accounts.google.com", "github": "https://github.com/login/oauth"}


def client_id(provider: str) -> str:
    """The id of the client that the sandbox registers for this provider at start."""
    return f"sandbox-{provider}"


def settings_for(provider: str, base_url: str, client_secret: str) -> dict[str, str]:
    """The settings of one provider, such as ``SPOTIFY_TOKEN_URL``."""
    base = base_url.rstrip("/")
    values = {"CLIENT_ID": client_id(provider), "CLIENT_SECRET": client_secret}
    values |= {name: base + path for name, path in ENDPOINTS[provider].items()}
    if provider in ISSUERS:
        values["ISSUER"] = ISSUERS[provider]
    return {f"{provider.upper()}_{name}": value for name, value in values.items()}


def settings(base_url: str, client_secret: str) -> dict[str, str]:
    """The settings of all five providers."""
    merged: dict[str, str] = {}
    for provider in ENDPOINTS:
        merged |= settings_for(provider, base_url, client_secret)
    return merged
