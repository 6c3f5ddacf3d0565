"""`make run`: Latchkey on this machine, with the sandbox in place of every provider without credentials."""

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from config import INSTANCE, PROVIDERS
from sandbox.settings import settings_for

PORT = os.environ.get("PORT", "8080")
SECRET_FILE = INSTANCE / "sandbox.secret"


def main() -> int:
    environ = {
        "PUBLIC_URL": f"http://localhost:{PORT}",
        "PROMETHEUS_MULTIPROC_DIR": str(INSTANCE / "metrics"),  # the worker counts there too
        **os.environ,
        "APP_ENV": "development",
    }
    replaced = [name for name in PROVIDERS if not environ.get(f"{name}_CLIENT_ID")]
    children: list[subprocess.Popen[str]] = []
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        if replaced:
            children.append(start_sandbox(environ, replaced))
        upgrade = [sys.executable, "-m", "flask", "--app", "wsgi", "db", "upgrade"]
        subprocess.run(upgrade, env=environ, check=True)
        service = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "--bind", f"127.0.0.1:{PORT}"]
        server = subprocess.Popen([*service, "wsgi:app"], env=environ, text=True)
        children.append(server)
        worker = [sys.executable, "-m", "flask", "--app", "wsgi", "worker"]
        children.append(subprocess.Popen(worker, env=environ, text=True))
        print(f"Latchkey is at {environ['PUBLIC_URL']}; Ctrl-C ends it.", flush=True)
        return server.wait()
    except KeyboardInterrupt:
        return 0
    except subprocess.CalledProcessError as failed:
        return failed.returncode
    finally:
        for child in reversed(children):
            end(child)


def start_sandbox(environ: dict[str, str], replaced: list[str]) -> "subprocess.Popen[str]":
    """Start the sandbox on a free port and point the settings of these providers at it."""
    secret = own_secret(SECRET_FILE)
    command = [sys.executable, "-m", "sandbox", "--port", "0", "--public-url", environ["PUBLIC_URL"]]
    command += ["--client-secret-file", str(SECRET_FILE), "--state", str(INSTANCE / "sandbox.json")]
    sandbox = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    line = sandbox.stdout.readline() if sandbox.stdout else ""
    address = line.rpartition(" ")[2].strip()
    if not address.startswith("http"):
        sys.exit("The sandbox did not start.")
    for name in replaced:
        environ.update({**settings_for(name.lower(), address, secret)})
    instead = ", ".join(name.capitalize() for name in replaced)
    print(f"Sandbox at {address} in place of: {instead}.", flush=True)
    return sandbox


def own_secret(path: Path) -> str:
    """Return this machine's sandbox secret, made on first use, readable by its owner only."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text("utf-8")


def end(child: "subprocess.Popen[str]") -> None:
    child.terminate()
    try:
        child.wait(40)  # longer than gunicorn lets requests finish
    except subprocess.TimeoutExpired:
        child.kill()


if __name__ == "__main__":
    sys.exit(main())
