"""A Discord guild, or a bot's token."""

from .declaration import ConnectionType, Field

DISCORDS = ConnectionType(
    "discords",
    (Field("guildId", label="Server id"), Field("token", secret=True)),
    words=("discord",),
    one_of=("guildId", "token"),
    label="Discord server or bot",
)
