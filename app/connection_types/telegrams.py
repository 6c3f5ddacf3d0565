"""A Telegram bot."""

from .declaration import ConnectionType, Field

TELEGRAMS = ConnectionType(
    "telegrams",
    (Field("key", secret=True), Field("token", secret=True)),
    words=("telegram",),
    one_of=("key", "token"),
    label="Telegram bot",
)
