"""A PostgreSQL database."""

from .declaration import ConnectionType, Field, Kind

POSTGRES = ConnectionType(
    "postgres",
    (
        Field("host", required=True, pattern=r"[^\s@]{1,255}"),  # a socket's folder has slashes
        Field("port", Kind.PORT),
        Field("database", required=True),
        Field("username", required=True),
        Field("password", secret=True),
        Field("sslmode", pattern="disable|allow|prefer|require|verify-ca|verify-full", label="SSL mode"),
    ),
    label="PostgreSQL database",
)
