"""The operator's door: flask --app wsgi users, services, service-keys, audit, worker."""

from flask import Flask

from . import audit, service_keys, services, users, worker


def register(app: Flask) -> None:
    app.cli.add_command(users.group)
    app.cli.add_command(services.group)
    app.cli.add_command(service_keys.group)
    app.cli.add_command(audit.group)
    app.cli.add_command(worker.worker)
