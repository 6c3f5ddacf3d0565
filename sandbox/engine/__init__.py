"""The protocol that all providers share, written once."""
