"""Every setting, read once from the environment into one frozen Config.

This is the only module that reads os.environ. A wrong setting stops the start with a sentence that
names it and the remedy; no setting that holds a secret has a default, and none shows in a repr.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from jwt import PyJWK
from limits import parse_many
from psycopg.conninfo import make_conninfo, timeout_from_conninfo
from redis import ConnectionPool, RedisError
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

import jwks

INSTANCE = Path(__file__).parent / "instance"
PROVIDERS = ("GOOGLE", "FACEBOOK", "GITHUB", "SPOTIFY", "DISCORD")
LONGEST_LIMIT = 366 * 86400  # seconds
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql", "postgresql+psycopg")
KEY_BYTES = 32
SHORTEST_SECRET = 16
SHORTEST_JWT_SECRET = 32  # HS256 keys are as long as its hash: RFC 7518, section 3.2
HS256 = "HS256"
KEY_SOURCES = ("JWT_PUBLIC_KEY_FILE", "JWT_JWKS_FILE", "JWT_JWKS_URL")


def metrics_folder() -> Path | None:
    """Return where the processes of this node keep what they count; None: each counts for itself."""
    name = os.environ.get("PROMETHEUS_MULTIPROC_DIR", "").strip()
    return Path(name) if name else None


class ConfigError(Exception):
    """One line for each wrong setting: its name, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """What an operator may set about one provider; None and () mean: the vendor's own."""

    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    redirect_uri: str | None = None
    authorize_url: str | None = None
    token_url: str | None = None
    revoke_url: str | None = None
    userinfo_url: str | None = None
    scopes: tuple[str, ...] = ()
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """Which JWTs are good. With another algorithm than HS256, and with `provision_users`, they are a host's.

    `public_keys` and `jwks_url` stand for each other: the keys, or where they are fetched when needed.
    """

    algorithm: str
    secret_keys: tuple[str, ...] = field(repr=False)
    public_keys: tuple[PyJWK, ...] = field(repr=False)
    jwks_url: str | None = field(repr=False)
    issuer: str | None
    audience: str | None
    access_ttl: int
    refresh_ttl: int
    provision_users: bool
    username_claim: str

    @property
    def is_symmetric(self) -> bool:
        return self.algorithm == HS256

    @property
    def issued_elsewhere(self) -> bool:
        return self.provision_users or not self.is_symmetric


@dataclass(frozen=True, slots=True)
class RateLimits:
    """How often one caller may ask, as `60/minute`; several of them as `10/minute;100/hour`."""

    default: str = "200/minute"
    login: str = "20/minute"
    register: str = "5/hour"
    start: str = "10/minute"
    callback: str = "30/minute"
    secrets: str = "60/minute"
    service_key: str = "6000/minute"


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting, typed; what each means is in docs/settings.md. Times are seconds, sizes bytes."""

    production: bool
    secret_keys: tuple[str, ...] = field(repr=False)
    tokens: TokenSettings
    encryption_keys: tuple[tuple[str, bytes], ...] = field(repr=False)
    database_url: str = field(repr=False)
    migration_database_url: str = field(repr=False)
    redis_url: str | None = field(repr=False)
    public_url: str
    trusted_hosts: frozenset[str]
    trusted_proxies: int
    cors_origins: frozenset[str]
    return_to_origins: frozenset[str]
    strict_connect: bool
    accounts_enabled: bool
    rate_limits: RateLimits | None
    audit_sync: bool
    audit_retention_days: int
    security_contact: str
    spool_dir: Path
    lease_takeover_after: int
    max_body_bytes: int
    max_connections_per_user: int
    providers: Mapping[str, ProviderSettings]
    mounted_at: str = ""  # no setting: whoever mounts the application tells create_app

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the settings; raise ConfigError with a line for each that is wrong."""
        return _read(_Reader(os.environ if environ is None else environ))

    @property
    def may_debug(self) -> bool:
        """Werkzeug's debugger runs what its visitor types: it is for developers, on their own machine."""
        return not self.production and _is_loopback(urlsplit(self.public_url).hostname or "")

    @property
    def over_tls(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def base_url(self) -> str:
        """Where browsers find this application: every address that it tells begins so."""
        return self.public_url + self.mounted_at

    def mounted(self, path: str) -> Config:
        """Return these settings for an application at this path of PUBLIC_URL, "" for its root.

        Raises ConfigError.
        """
        if not _MOUNT.fullmatch(path):
            raise ConfigError(
                "mounted_at: set it to a path such as /latchkey, without a slash at its end, or leave it out."
            )
        return replace(self, mounted_at=path)


def _read(read: _Reader) -> Config:
    production = read.choice("APP_ENV", ("production", "development"), "production") == "production"
    if not production:
        read.fill_in(_development_keys)
    public_url = read.origin("PUBLIC_URL", "http://localhost:8080")
    database_url = read.database("DATABASE_URL", f"sqlite:///{INSTANCE / 'latchkey.db'}")
    tokens = read.tokens()
    config = Config(
        production=production,
        secret_keys=(*read.secrets("SECRET_KEY", most=1), *read.secrets("SECRET_KEY_FALLBACKS", least=0)),
        tokens=tokens,
        encryption_keys=read.encryption_keys(),
        database_url=database_url,
        migration_database_url=read.database("MIGRATION_DATABASE_URL", database_url),
        redis_url=read.redis("REDIS_URL"),
        public_url=public_url,
        trusted_hosts=read.hosts("TRUSTED_HOSTS", public_url),
        trusted_proxies=read.number("TRUSTED_PROXIES", 0, least=0, most=10),
        cors_origins=read.origins("CORS_ORIGINS"),
        return_to_origins=read.origins("RETURN_TO_ORIGINS"),
        strict_connect=read.flag("STRICT_CONNECT", default=False),
        accounts_enabled=read.accounts_enabled(tokens),
        rate_limits=read.rate_limits(production=production),
        audit_sync=read.flag("AUDIT_SYNC", default=True),
        audit_retention_days=read.number("AUDIT_RETENTION_DAYS", 365, least=1, most=36500),
        security_contact=read.contact("SECURITY_CONTACT", public_url),
        spool_dir=read.folder("SPOOL_DIR", INSTANCE / "spool"),
        lease_takeover_after=read.number("LEASE_TAKEOVER_AFTER", 600, least=0),
        max_body_bytes=read.number("MAX_BODY_BYTES", 65536, least=1024),
        max_connections_per_user=read.number("MAX_CONNECTIONS_PER_USER", 1000, least=1),
        providers={name.lower(): read.provider(name) for name in PROVIDERS},
    )
    read.finish()
    _permit_plain_http_on_loopback(config)
    return config


def _permit_plain_http_on_loopback(config: Config) -> None:
    """Set oauthlib's process-wide switch when a provider stands on this machine.

    The reader has already refused plain http to any other host, so nothing else is let through.
    """
    urls = [
        url
        for each in config.providers.values()
        for url in (each.authorize_url, each.token_url, each.userinfo_url, each.revoke_url)
    ]
    if any(url and url.startswith("http://") for url in urls):
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


class _Reader:
    """Takes values out of the environment and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = {name: value.strip() for name, value in environ.items() if value.strip()}
        self.problems: list[str] = []

    def wrong(self, name: str, remedy: str) -> None:
        self.problems.append(f"{name}: {remedy}.")

    def finish(self) -> None:
        if self.problems:
            raise ConfigError("\n".join(self.problems))

    def fill_in(self, defaults: Callable[[Path], Mapping[str, str]]) -> None:
        """Add what is absent from a file of this machine's own; what is set wins."""
        keys = defaults(INSTANCE / "keys.env")
        if "ENCRYPTION_KEYS_FILE" in self.environ:
            keys = {name: value for name, value in keys.items() if name != "ENCRYPTION_KEYS"}
        self.environ = {**keys, **self.environ}

    def choice(self, name: str, known: tuple[str, ...], default: str) -> str:
        value = self.environ.get(name, default)
        if value not in known:
            self.wrong(name, f"the value is unknown; set it to one of: {', '.join(known)}")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        words = {"true": True, "1": True, "yes": True, "on": True}
        words |= {"false": False, "0": False, "no": False, "off": False}
        value = self.environ.get(name, str(default)).lower()
        if value not in words:
            self.wrong(name, "the value is unknown; set it to true or false")
        return words.get(value, default)

    def number(self, name: str, default: int, *, least: int, most: int = 2**31 - 1) -> int:
        text = self.environ.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
            self.wrong(name, f"set it to a whole number from {least} to {most}")
            return default
        return int(text)

    def listed(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.environ.get(name, "").split(",") if part.strip())

    def secrets(
        self, name: str, *, least: int = 1, most: int = 10, length: int = SHORTEST_SECRET
    ) -> tuple[str, ...]:
        values = self.listed(name)
        if len(values) < least:
            self.wrong(name, f"it is absent; {_MAKE_SECRET}")
        elif len(values) > most:
            self.wrong(name, f"it holds more than {most}; leave out the oldest")
        elif any(len(value.encode()) < length for value in values):
            self.wrong(name, f"at least {length} random characters are needed; {_MAKE_SECRET}")
        return values

    def tokens(self) -> TokenSettings:
        algorithm = self.choice("JWT_ALGORITHM", (HS256, *jwks.KINDS), HS256)
        fewest = 0 if algorithm in jwks.KINDS else 1
        return TokenSettings(
            algorithm=algorithm,
            secret_keys=self.secrets("JWT_SECRET_KEY", least=fewest, most=2, length=SHORTEST_JWT_SECRET),
            public_keys=self.public_keys(algorithm),
            jwks_url=self.url("JWT_JWKS_URL"),
            issuer=self.environ.get("JWT_ISSUER"),
            audience=self.environ.get("JWT_AUDIENCE"),
            access_ttl=self.number("JWT_ACCESS_TTL", 3600, least=1),
            refresh_ttl=self.number("JWT_REFRESH_TTL", 2592000, least=1),
            provision_users=self.flag("PROVISION_USERS", default=False),
            username_claim=self.environ.get("USERNAME_CLAIM", "username"),
        )

    def public_keys(self, algorithm: str) -> tuple[PyJWK, ...]:
        """The keys in a file; none where they are fetched, or the algorithm has none."""
        given = [name for name in KEY_SOURCES if name in self.environ]
        if algorithm not in jwks.KINDS:
            for name in given:
                self.wrong(
                    name, "HS256 has no public key; set JWT_ALGORITHM to RS256 or ES256, or leave it out"
                )
        elif len(given) != 1:
            remedy = f"set one of {', '.join(KEY_SOURCES)} alone"
            self.wrong((given or KEY_SOURCES)[-1], f"{algorithm} takes its keys from one place; {remedy}")
        elif given[0] != "JWT_JWKS_URL":
            return self._public_keys_in_file(given[0], algorithm)
        return ()

    def _public_keys_in_file(self, name: str, algorithm: str) -> tuple[PyJWK, ...]:
        parse = jwks.of_pem if name == "JWT_PUBLIC_KEY_FILE" else jwks.of_file
        try:
            return parse(Path(self.environ[name]).read_text("utf-8"), algorithm)
        except jwks.Unfit as unfit:
            self.wrong(name, str(unfit))
        except (OSError, ValueError) as error:
            self.wrong(name, f"the file cannot be read ({type(error).__name__}); set it to one that can")
        return ()

    def accounts_enabled(self, tokens: TokenSettings) -> bool:
        """Accounts of our own need tokens of our own, so they are off where a host issues the tokens."""
        enabled = self.flag("ACCOUNTS_ENABLED", default=not tokens.issued_elsewhere)
        if enabled and tokens.issued_elsewhere:
            cause = "PROVISION_USERS" if tokens.is_symmetric else "JWT_ALGORITHM"
            self.wrong(
                "ACCOUNTS_ENABLED", f"{cause} lets others issue the tokens; leave it out or set it to false"
            )
        return enabled

    def encryption_keys(self) -> tuple[tuple[str, bytes], ...]:
        """The keys, newest first. What is wrong with them is told in one sentence, the first that is true."""
        name = "ENCRYPTION_KEYS_FILE" if "ENCRYPTION_KEYS_FILE" in self.environ else "ENCRYPTION_KEYS"
        try:
            return _ring(self._text_of_keys(name))
        except _Refused as refused:
            self.wrong(name, str(refused))
            return ()

    def _text_of_keys(self, name: str) -> str:
        text = self.environ.get("ENCRYPTION_KEYS")
        if name == "ENCRYPTION_KEYS":
            return text or ""
        if text is not None:
            raise _Refused("ENCRYPTION_KEYS is set too; keep one of the two")
        return _private_text(Path(self.environ[name])).replace("\n", ",")

    def database(self, name: str, default: str) -> str:
        """A URL of SQLite or PostgreSQL. A relative path begins where the process was started."""
        text = self.environ.get(name)
        if text is None:
            return default
        try:
            url = make_url(text)
        except (ArgumentError, ValueError):
            url = None
        if url is None or url.drivername not in DRIVERS or not _is_database(url):
            self.wrong(name, "set it to sqlite:////path/to/file or postgresql://user@host/database")
        elif url.drivername.startswith("sqlite") and url.database and not url.database.startswith(("/", ":")):
            return url.set(database=os.path.abspath(url.database)).render_as_string(hide_password=False)
        return text

    def folder(self, name: str, default: Path) -> Path:
        """A path, absolute or from where the process was started, that is no file. It need not exist yet."""
        path = Path(os.path.abspath(self.environ.get(name, str(default))))
        if path.exists() and not path.is_dir():
            self.wrong(name, "it is a file; set it to a folder that only this service can read")
        return path

    def redis(self, name: str) -> str | None:
        text = self.environ.get(name)
        if text is not None and not _is_redis(text):
            self.wrong(name, "set it to redis://host:port/number, rediss:// or unix://, or leave it out")
        return text

    def url(self, name: str, example: str = "https://example.com/path") -> str | None:
        """An absolute URL without user, fragment or control character; plain http on loopback only."""
        text = self.environ.get(name)
        if text is None:
            return None
        try:
            parts = urlsplit(text)
            host, _ = parts.hostname, parts.port
        except ValueError:
            parts, host = urlsplit(""), None
        clean = _CLEAN_URL.fullmatch(text) and "@" not in parts.netloc and "#" not in text
        if not host or not _HOST.fullmatch(host) or not clean or parts.scheme not in ("http", "https"):
            self.wrong(name, f"set it to an absolute URL such as {example}")
            return None
        if parts.scheme == "http" and not _is_loopback(host):
            self.wrong(name, "plain http is accepted on loopback only; use https")
            return None
        return text

    def origin(self, name: str, default: str) -> str:
        self.environ.setdefault(name, default)
        example = "https://connect.example.com"
        text = (self.url(name, example) or default).rstrip("/")
        if urlsplit(text).path or "?" in text:
            self.wrong(name, f"set it to scheme, host and port only, such as {example}")
        return text

    def origins(self, name: str) -> frozenset[str]:
        if not all(_is_origin(text) for text in self.listed(name)):
            self.wrong(
                name, "list exact origins such as https://app.example.com, comma separated, lower case"
            )
        return frozenset(self.listed(name))

    def rate_limits(self, *, production: bool) -> RateLimits | None:
        """The limits, or None where they are switched off."""
        defaults = RateLimits() if production else RateLimits(register="100/hour")
        limits = {word: self._rate_limit(word, getattr(defaults, word)) for word in RateLimits.__slots__}
        return RateLimits(**limits) if self.flag("RATELIMIT_ENABLED", default=True) else None

    def _rate_limit(self, word: str, default: str) -> str:
        name = f"RATELIMIT_{word.upper()}"
        text = self.environ.get(name, default)
        try:
            sound = all(
                limit.amount > 0 and 0 < limit.get_expiry() <= LONGEST_LIMIT for limit in parse_many(text)
            )
        except ValueError:
            sound = False
        if not sound:
            self.wrong(name, "set it to a number and a time such as 60/minute or 5/hour")
        return text

    def contact(self, name: str, public_url: str) -> str:
        """Where weaknesses are reported, as a URI (RFC 9116); by default the mailbox of RFC 2142."""
        text = self.environ.get(name, f"mailto:security@{urlsplit(public_url).hostname}")
        if not re.fullmatch(r"(mailto:[!-?A-~]+@[!-?A-~]+|https://[!-~]+|tel:\+[0-9-]+)", text):
            self.wrong(
                name, "set it to a URI such as mailto:security@example.com or https://example.com/report"
            )
        return text

    def hosts(self, name: str, public_url: str) -> frozenset[str]:
        """The host names we answer to. The names of loopback stand for each other."""
        named = {host.lower() for host in self.listed(name)}
        if any(not re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:]+\]", host) for host in named):
            self.wrong(name, "list host names without scheme, port or wildcard, comma separated")
        host = re.sub(r":[0-9]+$", "", urlsplit(public_url).netloc).lower()
        named.add(host)
        return frozenset(named | set(LOOPBACK) if _is_loopback(host) else named)

    def provider(self, name: str) -> ProviderSettings:
        client_id = self.environ.get(f"{name}_CLIENT_ID")
        client_secret = self.environ.get(f"{name}_CLIENT_SECRET")
        if bool(client_id) != bool(client_secret):
            absent = "SECRET" if client_id else "ID"
            self.wrong(
                f"{name}_CLIENT_{absent}", "it is absent while its other half is set; set both or neither"
            )
        return ProviderSettings(
            client_id=client_id,
            client_secret=client_secret,
            redirect_uri=self.url(f"{name}_REDIRECT_URI"),
            authorize_url=self.url(f"{name}_AUTHORIZE_URL"),
            token_url=self.url(f"{name}_TOKEN_URL"),
            revoke_url=self.url(f"{name}_REVOKE_URL"),
            userinfo_url=self.url(f"{name}_USERINFO_URL"),
            scopes=self.scopes(f"{name}_SCOPES"),
            issuer=self.environ.get(f"{name}_ISSUER"),
        )

    def scopes(self, name: str) -> tuple[str, ...]:
        found = tuple(re.findall(r"[^\s,]+", self.environ.get(name, "")))
        if not all(re.fullmatch(r"[!#-\[\]-~]+", scope) for scope in found):  # RFC 6749, appendix A.4
            self.wrong(name, "list scopes of ASCII without quotes and backslashes, separated by spaces")
        return found


_MAKE_SECRET = "make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
_MAKE_KEY = (
    "make one with: python3 -c "
    "'import base64, os; print(\"k1:\" + base64.b64encode(os.urandom(32)).decode())'"
)


_MOUNT = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._~-]*)*")  # of RFC 3986's unreserved, and no dot segment
_HOST = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_CLEAN_URL = re.compile(r"([!-z|~]|\{client_id\}|\{account_id\})+")  # of braces, those that are filled in


def _is_origin(text: str) -> bool:
    """Tell whether a browser may say that it comes from there (RFC 6454, section 6.2)."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    spelled = f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{f':{port}' if port else ''}"
    return usual not in (None, port) and bool(_HOST.fullmatch(host)) and text == spelled


class _Refused(Exception):
    """A value is not taken. `str()` is the remedy."""


def _ring(text: str) -> tuple[tuple[str, bytes], ...]:
    pairs = [pair.strip() for pair in text.split(",") if pair.strip()]
    if not pairs:
        raise _Refused(f"set it to id:base64 pairs, newest first; {_MAKE_KEY}")
    ring = tuple(_encryption_key(pair) for pair in pairs)
    if len(dict(ring)) != len(ring):
        raise _Refused("a key id stands twice; give each key an id of its own")
    return ring


def _encryption_key(pair: str) -> tuple[str, bytes]:
    key_id, _, encoded = pair.partition(":")
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", key_id) or len(key) != KEY_BYTES or not any(key):
        raise _Refused(f"each entry is id:base64 of {KEY_BYTES} random bytes; {_MAKE_KEY}")
    return key_id, key


def _private_text(path: Path) -> str:
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise _Refused("others may read the file; run chmod 600 on it")
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _Refused(
            f"the file cannot be read ({type(error).__name__}); check the path and its owner"
        ) from None


def _is_database(url: URL) -> bool:
    """Tell whether it can be connected with, whoever answers there: what libpq would refuse is refused."""
    if url.get_backend_name() != "postgresql":
        return True
    dialect = url.set(drivername="postgresql+psycopg").get_dialect()()
    options = dict(dialect.create_connect_args(url)[1])
    try:
        make_conninfo(**options)
        timeout_from_conninfo(options)
    except psycopg.Error:
        return False
    return url.port is None or 0 < url.port < 65536


def _is_redis(text: str) -> bool:
    if not re.fullmatch(r"rediss?://[^/?#]+(/[0-9]*)?(\?[^#]*)?|unix://[^#]+", text):
        return False
    try:
        ConnectionPool.from_url(text).make_connection()  # which connects to nothing yet
    except (RedisError, TypeError, ValueError):
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.[0-9]{1,3}){3}", host) is not None


def _development_keys(path: Path) -> Mapping[str, str]:
    """The keys of `make run`: made on first start, readable by their owner only."""
    if not path.exists():
        keys = {
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SECRET_KEY": secrets.token_urlsafe(48),
            "ENCRYPTION_KEYS": "dev:" + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode(),
        }
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.writelines(f"{name}={value}\n" for name, value in keys.items())
        try:
            os.link(draft, path)  # the first of several starting processes wins
        except FileExistsError:
            pass
        draft.unlink()
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)
