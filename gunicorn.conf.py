"""gunicorn -c gunicorn.conf.py wsgi:app. Each number stands beside its reason."""

import fcntl
import gc
import json
import logging
import os
import shutil
import socket
import sys
import tempfile
import time
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Thread

from gunicorn import sock, util
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger

import logs
import serving

MILLISECOND = timedelta(milliseconds=1)
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - what is made there is 0600, or in a folder of 0700

bind = "127.0.0.1:8080"  # where PUBLIC_URL says browsers find it unless it is set; a proxy comes in front
workers = 2
threads = 8
timeout = 60  # for a worker that does not even answer its own heartbeat; requests have deadlines of their own
graceful_timeout = 35  # longer than any request may take
keepalive = 75
max_requests = 500_000  # a worker starts anew before a slow leak counts, and not every few seconds under load
max_requests_jitter = 50_000
limit_request_line = 8190  # a long JWT in ?token= is more than the stock 4094
limit_request_field_size = 16380
umask = 0o077
control_socket_disable = True
forwarded_allow_ips = "127.0.0.1"
# A slow disk must stop no heartbeat.
worker_tmp_dir = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK) else None
accesslog = errorlog = "-"


class JsonLog(Logger):
    """gunicorn's log, as JSON: of a request's line the path only, and no Referer."""

    def setup(self, cfg):
        super().setup(cfg)
        logs.configure()

    def warning(self, msg, *args, **kwargs):
        """Of a request that cannot be read say what is wrong with it, and nothing of what it is.

        What stands where a header should be, or a line, may be a token or the end of a body.
        """
        if msg.startswith("Invalid request from ip="):
            msg = f"{msg.partition(': ')[0]}: {type(sys.exc_info()[1]).__name__}"
        super().warning(msg, *args, **kwargs)

    def access(self, resp, req, environ, request_time):
        """Say what was answered, and to whom, unless that is to go to /dev/null."""
        if self.cfg.accesslog == os.devnull:
            return
        answered = {
            "method": environ.get("REQUEST_METHOD"),
            "path": environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace"),
            "status": int(str(resp.status).split()[0]),
            "bytes": resp.sent,
            "ms": request_time // MILLISECOND,
            "address": environ.get("REMOTE_ADDR"),
            "agent": environ.get("HTTP_USER_AGENT"),
        }
        logs.say_request(answered, environ.get("latchkey.said", {}))  # by app/http/frame.py


logger_class = JsonLog


def write_error_as_json(sock, status_int, reason, mesg):
    """Say what gunicorn refuses by itself, such as a request line that is too long, in our one shape."""
    code = "invalid_request" if status_int < 500 else "internal_error"
    body = json.dumps({"error": str(reason), "code": code})
    head = (f"HTTP/1.1 {status_int} {reason}", "Connection: close", "Content-Type: application/json")
    util.write_nonblock(sock, "\r\n".join((*head, f"Content-Length: {len(body)}", "", body)).encode("latin1"))


util.write_error = write_error_as_json  # gunicorn has no setting for it, and writes a page


worker_class = serving.Worker


def child_exit(server, worker):
    """Leave no connection to a worker that has ended, however it did."""
    worker.forget()


def when_ready(server):
    """Change how gunicorn ends. Only once: a reload runs this file again, and not this."""
    sock.close_sockets = partial(refuse_and_close, sock.close_sockets)
    server.halt = partial(halt_for_certain, server.halt)


def halt_for_certain(halt, reason=None, exit_status=0):
    """Halt, and leave with this status even if another worker refuses to start meanwhile.

    gunicorn would leave with the exception of the second one, as if it had crashed.
    """
    while True:
        with suppress(HaltServer):
            halt(reason, exit_status)


def refuse_and_close(close, listeners, unlink=True):
    """Refuse connections as soon as this gunicorn is told to end, while its workers finish what they have.

    The kernel would go on taking connections that nobody reads, and break them off at the end. A proxy that
    is refused asks another node; one that is broken off cannot. Without `unlink`, another gunicorn listens.
    """
    for listener in listeners if unlink else ():
        end = time.monotonic() + 1
        with suppress(OSError):  # of a Unix socket it cannot be told
            while waiting(listener) and time.monotonic() < end:
                time.sleep(0.001)
        listener.shutdown(socket.SHUT_RDWR)
    close(listeners, unlink)


def waiting(listener):
    """Return how many connections no worker has accepted yet: tcpi_unacked of a listener (linux/tcp.h)."""
    return int.from_bytes(listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 28)[24:], sys.byteorder)


COUNTS = "PROMETHEUS_MULTIPROC_DIR"  # config.py reads it in the workers
PREFIX = "latchkey-metrics-"


def on_starting(server):
    """Give the processes one folder for what they count, unless the operator names one."""
    if server.cfg.uid == 0:
        server.log.warning("this runs as root; a user of its own is enough")
    server.own_folder = None
    if not os.environ.get(COUNTS):
        server.own_folder = os.environ[COUNTS] = new_folder(server.cfg)


def new_folder(cfg):
    """Make a folder that is held while a process of this start lives. Those that nobody holds are removed."""
    parent = Path(cfg.worker_tmp_dir or tempfile.gettempdir())
    for left in parent.glob(f"{PREFIX}*"):
        if hold(left):
            shutil.rmtree(left, ignore_errors=True)
    folder = tempfile.mkdtemp(prefix=PREFIX, dir=parent)
    os.chown(folder, cfg.uid, cfg.gid)
    hold(folder)
    return folder


def hold(folder):
    """Lock a folder until this process and its workers have ended; tell whether it was free."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def on_exit(server):
    """Take that folder away, unless another gunicorn has taken over (USR2)."""
    if server.own_folder and not server.reexec_pid:
        shutil.rmtree(server.own_folder, ignore_errors=True)


REPLAY_EVERY = 30  # seconds: what a killed process left in the spool waits no longer on this node


def post_worker_init(worker):
    """Refuse to start on a schema or keys that do not fit. A database that does not answer is waited for."""
    from sqlalchemy.exc import SQLAlchemyError

    from app.http.settling import Unsettled, settle
    from app.services import readiness
    from app.waiting import waiting

    waiting.is_told(long=worker.long, brief=worker.brief, has_company=worker.has_company)
    worker.settles(Unsettled, settle)
    with worker.wsgi.app_context():
        try:
            readiness.check()
        except readiness.StoreMismatch as mismatch:
            print(mismatch, file=sys.stderr)
            raise SystemExit(3) from None  # gunicorn takes 3 for "do not start me again"
        except SQLAlchemyError:
            pass
    keep_at_hand(worker.cfg)
    worker.wsgi.extensions["latchkey.lanes"].most = max(1, worker.cfg.threads // 2)
    Thread(target=replay, args=[worker.wsgi], daemon=True).start()
    spare_what_stays()


def keep_at_hand(cfg):
    """Make each setting an attribute: gunicorn asks for many at each request, and looks each of them up."""
    vars(cfg).update({name: setting.get() for name, setting in cfg.settings.items()})


def post_fork(server, worker):
    """Look for no garbage while the application is imported: there is none to speak of."""
    gc.disable()


def spare_what_stays():
    """Let the collector of garbage leave out what the start has made, which stays, and look less often.

    What a request leaves goes by itself; of what does not, 10,000 objects are a few megabytes.
    """
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    gc.enable()


def replay(app):
    """Deal with the spool at boot and from then on, whether or not a worker runs on this node."""
    from app.services import spooled

    log = logging.getLogger("spool")
    logs.bind(actor="spool")
    while True:
        try:
            with app.app_context():
                spooled.replay()
        except Exception as error:  # whatever it is, the next round may succeed
            log.error("the spool could not be replayed: %s", type(error).__name__)
        time.sleep(REPLAY_EVERY)
