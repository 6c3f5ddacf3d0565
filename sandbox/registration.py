"""The client that Latchkey uses at each provider, registered at every start."""

from urllib.parse import urlsplit, urlunsplit

from sandbox.engine.records import Client
from sandbox.engine.redirects import LOOPBACK
from sandbox.settings import client_id
from sandbox.world import World

# Google's connection is called after the service that is connected.
SERVICES = {"google": "gmail"}


def register_latchkey(world: World, public_url: str, secret: str | None, otherwise: str) -> None:
    """``secret`` None keeps the secret of a client that a saved state brought, else takes ``otherwise``."""
    for name in world.providers:
        known = world.realms[name].clients.get(client_id(name))
        chosen = secret or (known.client_secret if known else otherwise)
        client = Client(client_id(name), chosen, redirect_uris(name, public_url.rstrip("/")))
        world.realms[name].clients[client.client_id] = client


def redirect_uris(provider: str, public_url: str) -> list[str]:
    service = SERVICES.get(provider, provider)
    paths = (f"/api/connections/{service}/callback", "/callback")
    return [origin + path for origin in origins(provider, public_url) for path in paths]


def origins(provider: str, public_url: str) -> list[str]:
    """On loopback both spellings, except at Spotify, which refuses ``localhost``."""
    if urlsplit(public_url).hostname not in LOOPBACK:
        return [public_url]
    numeric = with_host(public_url, "127.0.0.1")
    return [numeric] if provider == "spotify" else [with_host(public_url, "localhost"), numeric]


def with_host(url: str, host: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
