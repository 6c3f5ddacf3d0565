"""Bare Flask: one JSON route. PACKAGES may name modules, as JSON, that are imported and never used."""

from __future__ import annotations

import importlib
import json
import os

from flask import Flask, Response, jsonify

for _name in json.loads(os.environ.get("PACKAGES", "[]")):
    importlib.import_module(_name)

app = Flask(__name__)


@app.get("/")
def answer() -> Response:
    return jsonify(id="1", name="bare", type="sshes", data={"host": "192.0.2.1", "password": "s3cret"})
