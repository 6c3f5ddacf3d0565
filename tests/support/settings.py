"""Settings that start a service, with keys made anew for each run."""

from __future__ import annotations

import base64
import os
import secrets
import tempfile

SECRET_KEY = secrets.token_urlsafe(48)
JWT_SECRET_KEY = secrets.token_urlsafe(48)
SPOOL_DIR = tempfile.TemporaryDirectory(prefix="latchkey-spool-")
ENCRYPTION_KEY = base64.b64encode(os.urandom(32)).decode()


def base_settings() -> dict[str, str]:
    return {
        "APP_ENV": "production",
        "SECRET_KEY": SECRET_KEY,
        "JWT_SECRET_KEY": JWT_SECRET_KEY,
        "ENCRYPTION_KEYS": f"k1:{ENCRYPTION_KEY}",
        "SPOOL_DIR": SPOOL_DIR.name,
        "RATELIMIT_ENABLED": "false",  # a test of the limits switches them on
    }
