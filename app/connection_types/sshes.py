"""A host reached by SSH: a password, a private key or both; or a lone token, as documented."""

from .declaration import ConnectionType, Field, Kind

SSHES = ConnectionType(
    "sshes",
    (
        Field("host", required=True, pattern=r"[^\s/@]{1,255}"),
        Field("username", required=True),
        Field("password", secret=True),
        Field("sshKey", secret=True, label="Private key", long=True),
        Field("port", Kind.PORT),
        Field("passphrase", secret=True),
        Field("commands", Kind.TEXTS),
        Field("token", secret=True),
    ),
    words=("ssh",),
    one_of=("password", "sshKey"),
    alone="token",
    label="SSH host",
)
