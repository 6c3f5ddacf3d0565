"""The command line: ``python -m sandbox --port 8090``."""

import argparse
import secrets
import sys
from pathlib import Path

from sandbox.providers import PROVIDERS
from sandbox.registration import register_latchkey
from sandbox.server import NotLoopback, serve
from sandbox.store import StateUnreadable, Store
from sandbox.world import World


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="sandbox", description="Imitations of five OAuth providers.")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument("--port", type=int, default=8090, help="0 takes a free one")
    parser.add_argument(
        "--public-url", default="http://localhost:8080", help="the Latchkey that will connect"
    )
    parser.add_argument("--client-secret-file", type=Path, help="default: a random secret")
    parser.add_argument("--state", type=Path, help="JSON file that keeps the state across restarts")
    return parser.parse_args()


def world_from(given: argparse.Namespace) -> World:
    secret = given.client_secret_file.read_text().strip() if given.client_secret_file else None
    world = World(PROVIDERS, Store(given.state) if given.state else None)
    world.transact(lambda: register_latchkey(world, given.public_url, secret, secrets.token_hex(16)))
    return world


def main() -> None:
    given = arguments()
    try:
        serve(world_from(given), given.host, given.port)
    except (NotLoopback, StateUnreadable, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
