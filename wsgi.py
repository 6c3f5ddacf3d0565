"""What servers and the command line import: gunicorn -c gunicorn.conf.py wsgi:app, flask --app wsgi."""

import sys

from app import create_app
from config import Config, ConfigError

try:
    app = create_app(Config.from_env())
except ConfigError as error:
    print(error, file=sys.stderr)
    raise SystemExit(3) from None  # gunicorn takes 3 for "do not start me again"
