"""Help and docs/cli.md are whole and true: each command, option and argument is there, examples work."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import Result
from flask import Flask

from app import cli
from tests.cli.test_cli import command
from tests.support.browser import Agent
from tests.support.databases import ROOT
from tests.support.moving import PASSPHRASE, exported, other_service, passphrase_file
from tests.support.processes import run
from tests.support.service import PASSWORD, Service, StartService

DOCUMENT = (ROOT / "docs/cli.md").read_text()
SECTIONS = dict(re.findall(r"^### `([^`]+)`$(.*?)(?=^##|\Z)", DOCUMENT, re.MULTILINE | re.DOTALL))
ENDLESS = "worker"


def tree() -> dict[str, click.Command]:
    """Return every command of the house by its path, groups too."""
    app = Flask("app")
    own = set(app.cli.commands)
    cli.register(app)
    roots = {name: one for name, one in app.cli.commands.items() if name not in own}
    return dict(_walk(roots))


def _walk(commands: dict[str, click.Command], before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, one in commands.items():
        yield before + name, one
        if isinstance(one, click.Group):
            yield from _walk(one.commands, f"{before}{name} ")


TREE = tree()
DONE = {name: one for name, one in TREE.items() if getattr(one, "invoke_without_command", True)}


def names_of(one: click.Command) -> set[str]:
    """Return what can be given to a command, as its help names it."""
    named = {option for each in one.params for option in each.opts if isinstance(each, click.Option)}
    context = click.Context(one)
    return named | {each.make_metavar(context) for each in one.params if isinstance(each, click.Argument)}


def examples_of(text: str) -> list[str]:
    return re.findall(r"^ +flask --app wsgi (.+)$", text, re.MULTILINE)


def test_every_command_is_documented_and_nothing_else() -> None:
    assert set(SECTIONS) == set(DONE)


@pytest.mark.parametrize("name", DONE)
def test_every_option_is_documented_and_has_an_example(name: str) -> None:
    told = re.findall(r"^\| `(-?-?[\w-]+)", SECTIONS[name], re.MULTILINE)
    assert sorted(told) == sorted(names_of(DONE[name]))
    [example] = examples_of(SECTIONS[name])
    assert f"{example} ".startswith(f"{name} ")


@pytest.mark.parametrize("name", TREE)
def test_help_says_what_everything_is(name: str) -> None:
    one = TREE[name]
    assert one.help and one.help.partition("\n\n")[0].endswith(".")
    assert not one.get_short_help_str().endswith("..."), "the list of commands would cut it off"
    for each in one.params:
        assert each.help and each.help.endswith("."), each.name
    if " " not in name:
        assert len(examples_of(one.epilog or "")) == 2


def test_the_whole_help_as_a_person_asks_for_it(service: Service) -> None:
    done = run("-m", "flask", "--app", "wsgi", "--help", environ=service.environ)
    for name, one in TREE.items():
        if " " not in name:
            assert re.search(rf"^  {name} +\S", done.stdout, re.MULTILINE), name
        shown = command(service, *name.split(), "--help").output
        assert shown.startswith("Usage: ") and examples_of(one.epilog or "") == examples_of(shown)


def test_the_examples_work(
    start_service: StartService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the document in its order, then those of the help, as they stand there."""
    house = House(start_service, tmp_path)
    monkeypatch.chdir(tmp_path)
    for text in (DOCUMENT, *(one.epilog or "" for one in TREE.values())):
        for example in examples_of(text):
            done = house.run(example)
            assert done.exit_code == 0, (example, done.output)


class House:
    """A service in which there is what the examples speak of."""

    def __init__(self, start_service: StartService, folder: Path) -> None:
        self._start_service, self._folder = start_service, folder
        self.service = start_service(STRICT_CONNECT="true")
        self.service.call("GET", "/readyz")
        self._reza = self.service.user("reza")
        passphrase_file(folder)

    def run(self, example: str) -> Result:
        """Run it as it stands; what does not end is only asked what it is."""
        words, service = shlex.split(example), self.service
        if words[0] == "connections":
            Agent(service).connect(self._reza, "github")
        if words[0] == "export":
            for file in self._folder.glob("*.latchkey"):
                file.unlink()
        if words[0] == "import":
            if not (self._folder / "everything.latchkey").exists():
                exported(service, self._folder / "everything.latchkey")
            service = other_service(self._start_service, service)
        secret = PASSWORD if words[0] == "users" else PASSPHRASE
        more = ("--help",) * (example == ENDLESS)
        return command(service, *words, *more, typed=f"{secret}\n{secret}\n")


@pytest.mark.parametrize(
    "words", ["users", "users show", "users show a b", "users frobnicate", "connections list --health fine"]
)
def test_what_is_written_wrongly_is_told_how_it_is_written(service: Service, words: str) -> None:
    done = command(service, *words.split())
    assert done.exit_code == 2 and "Usage: " in done.output and "Traceback" not in done.output
