"""The options that every measurement takes."""

from __future__ import annotations

import argparse
import os

from benchmarks.kills import DATABASES

from .load import GENERATORS, Generator, usual_generator


def parser(description: str, *, rounds: int = 5) -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--rounds", type=int, default=rounds)
    made.add_argument("--no-access-log", action="store_true", help="on neither side")
    return made


def with_load(made: argparse.ArgumentParser, *, users: int) -> argparse.ArgumentParser:
    made.add_argument("--seconds", type=int, default=8, help="of one load")
    made.add_argument("--users", type=int, default=users, help="with ten connections each")
    made.add_argument("--connections", type=int, default=16, help="at a time")
    made.add_argument("--generator", choices=GENERATORS, default=usual_generator())
    return made


def with_database(made: argparse.ArgumentParser) -> argparse.ArgumentParser:
    made.add_argument("--database", choices=DATABASES, help="default: each")
    return made


def databases(told: argparse.Namespace) -> list[str]:
    return [told.database] if told.database else list(DATABASES)


def generator(told: argparse.Namespace) -> Generator:
    return Generator(told.generator, told.seconds, told.connections)


def of_gunicorn(told: argparse.Namespace) -> tuple[str, ...]:
    return ("--access-logfile", os.devnull) if told.no_access_log else ()
