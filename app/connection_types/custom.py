"""Anything else: every field is kept, and every field is a secret."""

from .declaration import ConnectionType

CUSTOM = ConnectionType("custom", label="Anything else")
