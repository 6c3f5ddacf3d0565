"""/.well-known/security.txt: where weaknesses of this installation are reported (RFC 9116)."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, Response

from app.extensions import settings
from app.models import now

PATH = "/.well-known/security.txt"
LIFE = timedelta(days=180)  # less than a year: RFC 9116, section 2.5.5

blueprint = Blueprint("security_txt", __name__)


@blueprint.get(PATH)
def security_txt() -> Response:
    fields = {
        "Contact": settings.security_contact,
        "Expires": f"{now() + LIFE:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages": "en",
    }
    if settings.over_tls:  # a canonical address begins with https (section 2.5.2)
        fields["Canonical"] = settings.base_url + PATH
    return Response("".join(f"{name}: {value}\n" for name, value in fields.items()), mimetype="text/plain")
