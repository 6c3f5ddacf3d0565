"""The operator's door: flask --app wsgi users, services, worker."""

from flask import Flask

from . import services, users, worker


def register(app: Flask) -> None:
    app.cli.add_command(users.group)
    app.cli.add_command(services.group)
    app.cli.add_command(worker.worker)
