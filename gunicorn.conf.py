"""gunicorn -c gunicorn.conf.py wsgi:app. Each number stands beside its reason."""

import json
import logging
import re
import sys
import time
from threading import Thread

from gunicorn import util
from gunicorn.glogging import Logger

bind = "127.0.0.1:8080"  # where PUBLIC_URL says browsers find it unless it is set; a proxy comes in front
worker_class = "gthread"  # a slow provider holds a thread, not a process
workers = 2
threads = 8
timeout = 60  # for a worker that does not even answer its own heartbeat; requests have deadlines of their own
graceful_timeout = 35  # longer than any request may take
keepalive = 75
max_requests = 5000  # a worker starts anew before a slow leak counts
max_requests_jitter = 500
limit_request_line = 8190  # a long JWT in ?token= is more than the stock 4094
limit_request_field_size = 16380
umask = 0o077
control_socket_disable = True
forwarded_allow_ips = "127.0.0.1"
accesslog = errorlog = "-"
# The path only: a query may hold a token, and so may a Referer.
access_log_format = '%(h)s %({x-request-id}o)s "%(m)s %(U)s %(H)s" %(s)s %(B)s %(M)sms "%(a)s"'

_QUERY = re.compile(r"\?[^\s'\"<>]*")


class _WithoutQueries(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _QUERY.sub("?[redacted]", super().format(record))


class WithoutQueries(Logger):
    """gunicorn's error log prints whole request lines; no query of them stays."""

    def setup(self, cfg):
        super().setup(cfg)
        for log in (self.error_log, self.access_log):
            for handler in log.handlers:
                handler.setFormatter(_WithoutQueries(handler.formatter._fmt, handler.formatter.datefmt))


logger_class = WithoutQueries


def write_error_as_json(sock, status_int, reason, mesg):
    """Say what gunicorn refuses by itself, such as a request line that is too long, in our one shape."""
    code = "invalid_request" if status_int < 500 else "internal_error"
    body = json.dumps({"error": str(reason), "code": code})
    head = (f"HTTP/1.1 {status_int} {reason}", "Connection: close", "Content-Type: application/json")
    util.write_nonblock(sock, "\r\n".join((*head, f"Content-Length: {len(body)}", "", body)).encode("latin1"))


util.write_error = write_error_as_json  # gunicorn has no setting for it, and writes a page


REPLAY_EVERY = 30  # seconds: what a killed process left in the spool waits no longer on this node


def post_worker_init(worker):
    """Refuse to start on a schema or keys that do not fit. A database that does not answer is waited for."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.services import readiness

    with worker.wsgi.app_context():
        try:
            readiness.check()
        except readiness.StoreMismatch as mismatch:
            print(mismatch, file=sys.stderr)
            raise SystemExit(3) from None  # gunicorn takes 3 for "do not start me again"
        except SQLAlchemyError:
            pass
    Thread(target=replay, args=[worker.wsgi], daemon=True).start()


def replay(app):
    """Deal with the spool at boot and from then on, whether or not a worker runs on this node."""
    from structlog.contextvars import bind_contextvars

    from app.services import spooled

    log = logging.getLogger("spool")
    bind_contextvars(actor="spool")
    while True:
        try:
            with app.app_context():
                spooled.replay()
        except Exception as error:  # whatever it is, the next round may succeed
            log.error("the spool could not be replayed: %s", type(error).__name__)
        time.sleep(REPLAY_EVERY)
