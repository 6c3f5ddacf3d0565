"""Latchkey as the world sees it: at its public name, behind nginx, on two nodes."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from tests.deploy.nginx import NAME, Nginx
from tests.support.browser import Agent
from tests.support.processes import Gunicorn
from tests.support.service import User

URL = f"https://{NAME}"
HERE = "127.0.0.1"


class ToNginx(HTTPAdapter):
    """Goes where nginx listens, as if the public name led there, and comes from an address of loopback."""

    def __init__(self, nginx: Nginx, address: str) -> None:
        self._port, self._address = nginx.https, address
        super().__init__()

    def get_connection_with_tls_context(self, request: Any, verify: Any, **_: Any) -> Any:
        _, options = self.build_connection_pool_key_attributes(request, verify)
        own = {"server_hostname": NAME, "assert_hostname": NAME, "source_address": (self._address, 0)}
        return self.poolmanager.connection_from_host(HERE, self._port, "https", pool_kwargs=options | own)

    def add_headers(self, request: requests.PreparedRequest, **_: Any) -> None:
        request.headers.setdefault("Host", NAME)


class Site:
    """Two nodes on one database, and nginx; runs until closed. Users and browsers take it for a service."""

    url = URL

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        self.nodes = [Gunicorn({**environ, **folders(folder / f"node{n}")}) for n in (1, 2)]
        try:
            for node in self.nodes:
                node.wait_for_answer()
            self.nginx = Nginx(folder / "nginx", [node.port for node in self.nodes])
        except BaseException:
            self._close_nodes()
            raise

    def session(self, address: str = HERE) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.nginx.certificate)
        session.mount(URL, ToNginx(self.nginx, address))
        return session

    def call(self, method: str, path: str, *, address: str = HERE, **kwargs: Any) -> requests.Response:
        kwargs.setdefault("allow_redirects", False)
        with self.session(address) as session:
            return session.request(method, URL + path, timeout=30, **kwargs)

    def user(self, username: str) -> User:
        return User(self, username)  # type: ignore[arg-type]

    def browser(self) -> Agent:
        agent = Agent(self)  # type: ignore[arg-type]
        agent.session.close()
        agent.session = self.session()
        return agent

    def everything_written(self) -> dict[str, bytes]:
        """The logs of nginx and of the nodes."""
        nodes = {f"node {node.port}": node.log().encode() for node in self.nodes}
        return nodes | self.nginx.everything_written()

    def close(self) -> None:
        self.nginx.close()
        self._close_nodes()

    def _close_nodes(self) -> None:
        for node in self.nodes:
            if node.process.poll() is None:
                node.process.terminate()
        for node in self.nodes:
            node.close()


def folders(folder: Path) -> dict[str, str]:
    return {"SPOOL_DIR": str(folder / "spool"), "PROMETHEUS_MULTIPROC_DIR": str(folder / "counts")}


def workers_of(node: Gunicorn) -> set[int]:
    pid = node.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def kill(node: Gunicorn) -> None:
    """End a node and its workers as a power cut does."""
    for pid in (node.process.pid, *workers_of(node)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.process.wait()
