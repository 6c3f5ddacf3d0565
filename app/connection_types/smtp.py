"""A mail server."""

from .declaration import ConnectionType, Field, Kind

SMTP = ConnectionType(
    "smtp",
    (
        Field("host", required=True, pattern=r"[^\s/@]{1,255}"),
        Field("port", Kind.PORT, required=True),
        Field("username"),
        Field("password", secret=True),
        Field("tls", Kind.FLAG, label="TLS"),
    ),
    label="Mail server",
)
