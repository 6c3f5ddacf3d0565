"""The operator's door: flask --app wsgi users, services."""

from flask import Flask

from . import services, users


def register(app: Flask) -> None:
    app.cli.add_command(users.group)
    app.cli.add_command(services.group)
