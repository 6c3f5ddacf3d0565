"""Every setting: what it takes, what it is when absent, and that no secret of it shows."""

from __future__ import annotations

import base64
import dataclasses
import os
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import config
from app import create_app
from tests.support.issuing import ALGORITHMS, jwk, jwk_set, public_pem
from tests.support.settings import ENCRYPTION_KEY, JWT_SECRET_KEY, SECRET_KEY, base_settings
from tests.support.starting import CANARY, KEY, PROVIDER_URLS, problems, read

GOOD: list[tuple[str, str, str, Any]] = [
    ("APP_ENV", "production", "production", True),
    ("SECRET_KEY", "s" * 16, "secret_keys", ("s" * 16,)),
    ("SECRET_KEY_FALLBACKS", f"{'a' * 16}, {'b' * 16}", "secret_keys", (SECRET_KEY, "a" * 16, "b" * 16)),
    ("JWT_SECRET_KEY", f"{'n' * 32},{'o' * 32}", "tokens.secret_keys", ("n" * 32, "o" * 32)),
    ("JWT_ACCESS_TTL", "60", "tokens.access_ttl", 60),
    ("JWT_REFRESH_TTL", "61", "tokens.refresh_ttl", 61),
    ("JWT_ISSUER", "https://host.example.com", "tokens.issuer", "https://host.example.com"),
    ("JWT_AUDIENCE", "latchkey", "tokens.audience", "latchkey"),
    ("PROVISION_USERS", "true", "tokens.provision_users", True),
    ("PROVISION_USERS", "true", "accounts_enabled", False),
    ("USERNAME_CLAIM", "https://host.example.com/name", "tokens.username_claim", "https://host.example.com/name"),
    ("ACCOUNTS_ENABLED", "false", "accounts_enabled", False),
    ("ENCRYPTION_KEYS", f"k2:{KEY}, k1:{KEY}", "encryption_keys", (("k2", b"k" * 32), ("k1", b"k" * 32))),
    ("DATABASE_URL", "sqlite:////tmp/a.db", "database_url", "sqlite:////tmp/a.db"),
    ("DATABASE_URL", "sqlite:///a.db", "database_url", f"sqlite:///{os.getcwd()}/a.db"),
    ("DATABASE_URL", "postgresql://u:p%40@h:5433/d", "database_url", "postgresql://u:p%40@h:5433/d"),
    ("DATABASE_URL", "postgresql+psycopg://h/d", "migration_database_url", "postgresql+psycopg://h/d"),
    ("MIGRATION_DATABASE_URL", "postgresql://o@h/d", "migration_database_url", "postgresql://o@h/d"),
    ("REDIS_URL", "redis://:p@127.0.0.1:6379/3", "redis_url", "redis://:p@127.0.0.1:6379/3"),
    ("REDIS_URL", "unix:///run/redis.sock?db=2", "redis_url", "unix:///run/redis.sock?db=2"),
    ("PUBLIC_URL", "https://c.example.com/", "public_url", "https://c.example.com"),
    ("PUBLIC_URL", "http://127.0.0.1:5000", "public_url", "http://127.0.0.1:5000"),
    ("PUBLIC_URL", "https://c.example.com", "trusted_hosts", {"c.example.com"}),
    ("PUBLIC_URL", "http://127.0.0.1:5000", "trusted_hosts", {"127.0.0.1", "localhost", "[::1]"}),
    ("TRUSTED_PROXIES", "2", "trusted_proxies", 2),
    ("CORS_ORIGINS", "https://a.example.com, http://[::1]:3000", "cors_origins", {"https://a.example.com", "http://[::1]:3000"}),
    ("RETURN_TO_ORIGINS", "https://a.example.com", "return_to_origins", {"https://a.example.com"}),
    ("STRICT_CONNECT", "TRUE", "strict_connect", True),
    ("SPOOL_DIR", "/var/lib/latchkey/spool", "spool_dir", Path("/var/lib/latchkey/spool")),
    ("SPOOL_DIR", "spool", "spool_dir", Path.cwd() / "spool"),
    ("LEASE_TAKEOVER_AFTER", "0", "lease_takeover_after", 0),
    ("MAX_BODY_BYTES", "1024", "max_body_bytes", 1024),
    ("MAX_CONNECTIONS_PER_USER", "1", "max_connections_per_user", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "field", "expected"), GOOD)
def test_a_good_value(name: str, value: str, field: str, expected: Any) -> None:
    assert attrgetter(field)(read(**{name: value})) == expected
    assert attrgetter(field)(read(**{name: f"  {value}\n"})) == expected


def test_trusted_hosts_are_added_to_our_own() -> None:
    found = read(
        PUBLIC_URL="https://c.example.com:8443", TRUSTED_HOSTS="Inner.example.com, [::2]"
    ).trusted_hosts
    assert found == {"c.example.com", "inner.example.com", "[::2]"}


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_what_is_absent_or_empty_has_its_default(empty: str | None) -> None:
    names = {name for name, *_ in GOOD} - set(base_settings()) | {"TRUSTED_HOSTS", "GITHUB_CLIENT_ID"}
    names |= {"JWT_ALGORITHM", *config.KEY_SOURCES}
    found = read() if empty is None else read(**dict.fromkeys(names, empty))
    defaults = {
        "production": True,
        "database_url": f"sqlite:///{config.INSTANCE / 'latchkey.db'}",
        "migration_database_url": f"sqlite:///{config.INSTANCE / 'latchkey.db'}",
        "redis_url": None,
        "public_url": "http://localhost:8080",
        "trusted_hosts": {"localhost", "127.0.0.1", "[::1]"},
        "trusted_proxies": 0,
        "cors_origins": frozenset(),
        "return_to_origins": frozenset(),
        "strict_connect": False,
        "accounts_enabled": True,
        "tokens.algorithm": "HS256",
        "tokens.public_keys": (),
        "tokens.jwks_url": None,
        "tokens.issuer": None,
        "tokens.audience": None,
        "tokens.access_ttl": 3600,
        "tokens.refresh_ttl": 2592000,
        "tokens.provision_users": False,
        "tokens.username_claim": "username",
        "max_body_bytes": 65536,
        "max_connections_per_user": 1000,
    }
    assert {name: attrgetter(name)(found) for name in defaults} == defaults
    assert set(found.providers) == {"google", "facebook", "github", "spotify", "discord"}
    assert set(found.providers.values()) == {config.ProviderSettings()}


@pytest.mark.parametrize("provider", config.PROVIDERS)
def test_a_providers_settings(provider: str) -> None:
    words = {what.lower(): f"https://{what[0].lower()}.example.com/p?q" for what in PROVIDER_URLS}
    words |= {"client_id": "id", "client_secret": CANARY, "issuer": "https://i.example.com"}
    settings = {f"{provider}_{name.upper()}": value for name, value in words.items()}
    found = read(**settings, **{f"{provider}_SCOPES": "one two, three"}).providers[provider.lower()]
    assert dataclasses.asdict(found) == {**words, "scopes": ("one", "two", "three")}
    assert CANARY not in repr(found)


@pytest.mark.parametrize("name", ["SECRET_KEY", "JWT_SECRET_KEY", "ENCRYPTION_KEYS"])
def test_production_refuses_to_start_without_keys(name: str) -> None:
    settings = {key: value for key, value in base_settings().items() if key not in (name, "APP_ENV")}
    for environ in (settings, {**settings, name: ""}, {**settings, name: " "}):
        assert [line.split(":")[0] for line in problems(environ)] == [name]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_of_whoever_issues_the_tokens(tmp_path: Path, algorithm: str) -> None:
    pem, jwks_file, url = tmp_path / "key.pem", tmp_path / "jwks.json", "https://host.example.com/keys?x=y"
    pem.write_text(public_pem(algorithm))
    jwks_file.write_text(jwk_set(jwk(algorithm), jwk(algorithm, "second")))
    environ = {name: value for name, value in base_settings().items() if name != "JWT_SECRET_KEY"}
    for source, kids, where in (
        ({"JWT_PUBLIC_KEY_FILE": str(pem)}, [None], None),
        ({"JWT_JWKS_FILE": str(jwks_file)}, ["first", "second"], None),
        ({"JWT_JWKS_URL": url}, [], url),
        ({"JWT_JWKS_URL": "http://127.0.0.1:8000/keys"}, [], "http://127.0.0.1:8000/keys"),
    ):
        found = config.Config.from_env({**environ, "JWT_ALGORITHM": algorithm, **source})
        assert (found.tokens.algorithm, found.tokens.jwks_url) == (algorithm, where)
        assert [key.key_id for key in found.tokens.public_keys] == kids
        assert (found.tokens.secret_keys, found.accounts_enabled) == ((), False)
        create_app(found)  # opens no connection to anything


def test_every_problem_is_named_at_once() -> None:
    lines = problems({"STRICT_CONNECT": "x", "DATABASE_URL": "x", "GITHUB_CLIENT_ID": "x", "PUBLIC_URL": "x"})
    assert {line.split(":")[0] for line in lines} == {
        "SECRET_KEY", "JWT_SECRET_KEY", "ENCRYPTION_KEYS", "STRICT_CONNECT", "DATABASE_URL",
        "GITHUB_CLIENT_SECRET", "PUBLIC_URL",
    }  # fmt: skip


def test_no_secret_shows_in_a_repr() -> None:
    found = read(
        DATABASE_URL=f"postgresql://u:{CANARY}@h/d",
        MIGRATION_DATABASE_URL=f"postgresql://o:{CANARY}@h/d",
        REDIS_URL=f"redis://:{CANARY}@h/0",
        GITHUB_CLIENT_ID="public",
        GITHUB_CLIENT_SECRET=CANARY,
    )
    key = base64.b64decode(ENCRYPTION_KEY)
    shown = repr(found) + str(found)
    assert "client_id='public'" in shown
    for secret in (CANARY, SECRET_KEY, JWT_SECRET_KEY, ENCRYPTION_KEY, repr(key)[2:-1], key.hex()):
        assert secret not in shown
