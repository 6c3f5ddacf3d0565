"""The operator's door: flask --app wsgi users, services, connections, keys, worker and more."""

from flask import Flask

from . import audit, connections, doctor, keys, moving, service_keys, services, users, worker


def register(app: Flask) -> None:
    app.cli.add_command(users.group)
    app.cli.add_command(services.group)
    app.cli.add_command(connections.group)
    app.cli.add_command(service_keys.group)
    app.cli.add_command(keys.group)
    app.cli.add_command(audit.group)
    app.cli.add_command(moving.export)
    app.cli.add_command(moving.import_)
    app.cli.add_command(worker.worker)
    app.cli.add_command(doctor.doctor)
