"""An HTTP endpoint, with Basic or Bearer credentials or headers of its own."""

from .declaration import ConnectionType, Field, Kind

HTTP = ConnectionType(
    "http",
    (
        # A user or password inside the URL would be shown in lists: it belongs into its own field.
        Field("url", required=True, label="URL", pattern=r"https?://[^\s/@?#]+([/?#][^\s]*)?"),
        Field("headers", Kind.TEXT_MAP, secret=True),
        Field("username"),
        Field("password", secret=True),
        Field("bearer", secret=True, label="Bearer token"),
    ),
    label="HTTP endpoint",
)
