"""Redirect URIs: which registered one does a requested one match."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from sandbox.engine.realm import Realm
from sandbox.engine.records import Client
from sandbox.engine.refusal import Halt

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True)
class Match:
    """Where answers go, and where a denial goes (GitHub: the registered URL)."""

    redirect_uri: str
    denial_uri: str


def mismatch(requested: str) -> Halt:
    return Halt("redirect_uri_mismatch", f"The redirect URI {requested or '(none)'} is not registered.")


def exact(realm: Realm, client: Client, requested: str) -> Match:
    if requested not in client.redirect_uris:
        raise mismatch(requested)
    return Match(requested, requested)


def same_but_port(registered: str, requested: str, hosts: set[str]) -> bool:
    """Equal apart from the port, on a loopback address: native clients listen where they can (RFC 8252)."""
    left, right = urlsplit(registered), urlsplit(requested)
    if left.scheme != "http" or left.hostname not in hosts:
        return False
    return (left.scheme, left.hostname, left.path, left.query) == (
        right.scheme,
        right.hostname,
        right.path,
        right.query,
    )


def beneath(registered: str, requested: str) -> bool:
    """The requested URL is on the host or a subdomain, on the same port, in the path or a subdirectory."""
    left, right = urlsplit(registered), urlsplit(requested)
    host, wanted = left.hostname or "", right.hostname or ""
    same_site = wanted == host or wanted.endswith("." + host)
    directory = left.path.rstrip("/")
    inside = right.path == left.path or right.path.startswith(directory + "/")
    return (left.scheme, left.port) == (right.scheme, right.port) and same_site and inside
