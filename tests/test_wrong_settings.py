"""A wrong setting stops the start with a line that names it and the remedy, and shows no secret."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

import config
from tests.support.issuing import ALGORITHMS, jwk, jwk_of, jwk_set, private_key, private_pem
from tests.support.settings import base_settings
from tests.support.starting import CANARY, KEY, PROVIDER_URLS, problems, stops

NUMBERS = (
    "JWT_ACCESS_TTL",
    "JWT_REFRESH_TTL",
    "TRUSTED_PROXIES",
    "MAX_BODY_BYTES",
    "MAX_CONNECTIONS_PER_USER",
    "LEASE_TAKEOVER_AFTER",
    "AUDIT_RETENTION_DAYS",
)
WRONG: dict[str, tuple[str, ...]] = {
    "APP_ENV": (CANARY, "Production", "dev"),
    "SECRET_KEY": (CANARY[:15], f"{CANARY},{CANARY}"),
    "SECRET_KEY_FALLBACKS": (f"{'x' * 16},{CANARY[:8]}", ",".join([CANARY] * 11)),
    "JWT_SECRET_KEY": (CANARY, ",".join([CANARY * 2] * 3), ","),
    "JWT_ALGORITHM": ("none", "HS512", "RS512", "ES384", "rs256", CANARY),
    **dict.fromkeys(config.KEY_SOURCES[:2], (__file__, CANARY)),  # HS256 has none
    "JWT_JWKS_URL": (f"https://example.com/{CANARY}",),
    "PROVISION_USERS": ("maybe", CANARY),
    "ENCRYPTION_KEYS": (
        ",",
        CANARY,
        f"k1:{CANARY}",
        f"k1:{base64.b64encode(b'x' * 31).decode()}",
        f"k1:{base64.b64encode(b'x' * 33).decode()}",
        f"k1:{base64.b64encode(bytes(32)).decode()}",
        f"k1:{KEY},k1:{base64.b64encode(b'y' * 32).decode()}",
        f"k1:{KEY}!",
        f"k1:{KEY[:-1]}",
        f":{KEY}",
        KEY,
        f"key one:{KEY}",
        f"{'k' * 33}:{KEY}",
        f"schlüssel:{KEY}",
        f"k1:{KEY},{CANARY}",
        "k1:abc,k2:def",
    ),
    "DATABASE_URL": (
        CANARY,
        f"mysql://u:{CANARY}@h/d",
        f"postgres://u:{CANARY}@h/d",
        f"postgresql://u:{CANARY}@h:port/d",
        f"postgresql+asyncpg://u:{CANARY}@h/d",
        f"postgresql+psycopg2://u:{CANARY}@h/d",
        "http://h/d",
        f"postgresql://u:{CANARY}@h/d?nonsense=1",
        f"postgresql://u:{CANARY}@h:99999/d",
        f"postgresql+psycopg://u:{CANARY}@h/d?connect_timeout=abc",
    ),
    "MIGRATION_DATABASE_URL": (CANARY, f"mysql://u:{CANARY}@h/d"),
    "SPOOL_DIR": (__file__,),
    "REDIS_URL": (
        CANARY,
        f"http://:{CANARY}@h",
        f"redis://:{CANARY}@h:port/0",
        "redis://h/name",
        "redis://",
        "redis://h?nonsense=1",
        "redis://h?protocol=9",
        "rediss://h?ssl_cert_reqs=foo",
        "redis://h:99999/0",
        "redis://h?socket_timeout=abc",
    ),
    "TRUSTED_HOSTS": ("https://example.com", "*.example.com", "example.com:80", "a b", "example.com/x"),
    "CORS_ORIGINS": (
        "*",
        "null",
        "example.com",
        "https://example.com/",
        "https://A.example.com",
        "https://*.b.c",
        "https://b.c:99999",
        "https://b.c:443",
        "http://b.c:80",
        "https://..",
    ),
    "RETURN_TO_ORIGINS": ("*", "javascript://x", "https://u@example.com", "https://example.com/path", "//x"),
    **{
        f"RATELIMIT_{word.upper()}": (
            "0/minute",
            "many",
            "60",
            "60/fortnight",
            "-1/minute",
            "1 per 99999999999 year",
            CANARY,
        )
        for word in config.RateLimits.__slots__
    },
    "RATELIMIT_ENABLED": ("maybe", CANARY),
    "AUDIT_SYNC": ("maybe", CANARY),
    "SECURITY_CONTACT": (CANARY, "http://example.com", "mailto:nobody", "mailto:a@b c"),
    "STRICT_CONNECT": ("maybe", "2", CANARY),
    "ACCOUNTS_ENABLED": ("maybe", "truee"),
    **dict.fromkeys(NUMBERS, ("-1", "1.5", "1e3", "many", "0x10", "١", "9999999999", CANARY)),
    **dict.fromkeys(
        ("JWT_ACCESS_TTL", "MAX_BODY_BYTES", "MAX_CONNECTIONS_PER_USER", "AUDIT_RETENTION_DAYS"), ("0",)
    ),
}
URLS = (
    CANARY,
    "//example.com",
    "/path",
    "ftp://example.com",
    "javascript:alert(1)",
    "file:///etc/passwd",
    f"https://user:{CANARY}@example.com",
    f"https://{CANARY}@example.com",
    "https://example.com#fragment",
    "https://example.com#",
    "https://exa\nmple.com",
    "https://exa\x00mple.com",
    "https://exa mple.com",
    "https://exämple.com",
    "https://",
    "https://:443",
    "https://example.com:port",
    "https://example.com:99999",
    "https://*.example.com",
    'https://exa"mple.com',
    "https://..",
    "https://example.com/{tenant}",
    "https://[::1",
    "http://example.com",
    "http://10.0.0.1",
    "http://localhost.example.com",
    "http://127.0.0.1.example.com",
)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in WRONG for value in WRONG[name]])
def test_a_wrong_value_stops_the_start(name: str, value: str) -> None:
    assert len(stops(name, value)) == 1


@pytest.mark.parametrize("value", [*URLS, "https://example.com/path", "https://example.com?x"])
def test_a_malformed_public_url_stops_the_start(value: str) -> None:
    stops("PUBLIC_URL", value)


@pytest.mark.parametrize("what", PROVIDER_URLS)
def test_a_malformed_provider_url_stops_the_start(what: str) -> None:
    for provider in config.PROVIDERS:
        for value in URLS:
            stops(f"{provider}_{what}", value)


@pytest.mark.parametrize("value", [f'"{CANARY}"', f"mail\\{CANARY}", "e-mail schön", "a\x00b"])
def test_a_malformed_scope_stops_the_start(value: str) -> None:
    for provider in config.PROVIDERS:
        stops(f"{provider}_SCOPES", value)


@pytest.mark.parametrize("value", URLS)
def test_a_malformed_url_of_keys_stops_the_start(value: str) -> None:
    stops("JWT_JWKS_URL", value, JWT_ALGORITHM="RS256")


@pytest.mark.parametrize("name", ["JWT_PUBLIC_KEY_FILE", "JWT_JWKS_FILE"])
@pytest.mark.parametrize("value", ["/nowhere/" + CANARY, "/", "\0", __file__])
def test_a_file_that_holds_no_key_stops_the_start(name: str, value: str) -> None:
    stops(name, value, JWT_ALGORITHM="ES256")


def test_a_private_key_stops_the_start(tmp_path: Path) -> None:
    key, pem, jwks_file = private_key("ES256"), tmp_path / "key.pem", tmp_path / "jwks.json"
    pem.write_text(private_pem(key))
    jwks_file.write_text(jwk_set(jwk("ES256"), jwk_of(key, key_ops=...)))
    for name, path in (("JWT_PUBLIC_KEY_FILE", pem), ("JWT_JWKS_FILE", jwks_file)):
        lines = stops(name, str(path), JWT_ALGORITHM="ES256")
        assert len(lines) == 1 and "private" in lines[0]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_come_from_one_place(algorithm: str) -> None:
    settings = {**base_settings(), "JWT_ALGORITHM": algorithm}
    url = "https://example.com/keys"
    for given in ({}, {"JWT_JWKS_URL": url, "JWT_JWKS_FILE": "x"}, dict.fromkeys(config.KEY_SOURCES, url)):
        (line,) = problems({**settings, **given})
        assert line.startswith("JWT_JWKS_URL: ") and all(name in line for name in config.KEY_SOURCES)


def test_accounts_of_our_own_need_tokens_of_our_own() -> None:
    by_url = {"JWT_ALGORITHM": "RS256", "JWT_JWKS_URL": "https://example.com/keys"}
    for cause, others in (("PROVISION_USERS", {"PROVISION_USERS": "true"}), ("JWT_ALGORITHM", by_url)):
        (line,) = stops("ACCOUNTS_ENABLED", "true", **others)
        assert cause in line


@pytest.mark.parametrize("provider", config.PROVIDERS)
@pytest.mark.parametrize(("given", "absent"), [("ID", "SECRET"), ("SECRET", "ID")])
def test_half_of_a_pair_stops_the_start(provider: str, given: str, absent: str) -> None:
    lines = problems({**base_settings(), f"{provider}_CLIENT_{given}": CANARY})
    assert lines == [
        f"{provider}_CLIENT_{absent}: it is absent while its other half is set; set both or neither."
    ]
