"""What several helps have in common: examples that work, and the arguments that many commands take."""

from __future__ import annotations

import click

username = click.argument("username", help="The user's name; its case does not matter.")
service_name = click.argument("service_name", metavar="SERVICE", help="As `services list` names it.")


def examples(*commands: str) -> str:
    """Return the end of a help. The first line keeps click from folding the others."""
    return "\n".join(["\b", "Examples:", *(f"  flask --app wsgi {command}" for command in commands)])
