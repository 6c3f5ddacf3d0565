"""Each documented call of document 001, sent as printed, gets the documented answer."""

from __future__ import annotations

import json
import re

import pytest

from tests.golden import examples
from tests.golden.examples import Example
from tests.golden.replay import add, matches, replay, send, tokens_of
from tests.support.service import User

SSH = {"host": "37.152.181.64", "password": "eeeeeeeeeeeeeee", "username": "reza"}


def test_add_connection(user: User) -> None:
    answer = replay(user, examples.ADD_CONNECTION)
    assert matches(answer, examples.ADD_CONNECTION)
    sent = json.loads(examples.ADD_CONNECTION.body or "")
    assert answer.json() == {**sent, "id": answer.json()["id"]}


def test_read_connection_prints_the_id_as_text(user: User) -> None:
    documented = json.loads(examples.READ_CONNECTION.response)
    id = add(user, documented["name"], documented["type"], documented["data"])
    answer = replay(user, examples.READ_CONNECTION, id=id)
    assert (answer.status_code, answer.json()) == (200, {**documented, "id": str(id)})


def test_list_connections_with_masks_of_one_length(user: User) -> None:
    documented = json.loads(examples.LIST_CONNECTIONS.response)["connections"]
    for row in documented:
        data = {name: re.sub("^-+$", "secret", value) for name, value in row["data"].items()}
        row["id"] = add(user, row["name"], row["type"], data)
        row["data"] = {name: re.sub("^-+$", "-" * 8, value) for name, value in row["data"].items()}
    answer = replay(user, examples.LIST_CONNECTIONS)
    assert (answer.status_code, answer.json()) == (200, {"connections": documented})


def test_rename_connection(user: User) -> None:
    id = add(user, "ssh9", "sshes", SSH)
    assert matches(replay(user, examples.RENAME_CONNECTION, id=id), examples.RENAME_CONNECTION)
    assert replay(user, examples.READ_CONNECTION, id=id).json()["name"] == "git1"


def test_check_connection(user: User) -> None:
    id = add(user, "ssh9", "sshes", SSH)
    assert matches(replay(user, examples.CHECK_CONNECTION, id=id), examples.CHECK_CONNECTION)
    assert replay(user, examples.CHECK_CONNECTION, id=id + 1).json() == {"message": "false"}


def test_a_masked_update_keeps_the_stored_password(user: User) -> None:
    id = add(user, "ssh9", "sshes", {**SSH, "host": "before.example"})
    assert matches(replay(user, examples.REPLACE_DATA, id=id), examples.REPLACE_DATA)
    assert replay(user, examples.READ_CONNECTION, id=id).json()["data"] == SSH


def test_delete_connection(user: User) -> None:
    id = add(user, "ssh9", "sshes", SSH)
    assert matches(replay(user, examples.DELETE_CONNECTION, id=id), examples.DELETE_CONNECTION)
    gone = replay(user, examples.READ_CONNECTION, id=id)
    assert (gone.status_code, gone.json()["error"]) == (404, "Connection not found")


@pytest.mark.parametrize("example", examples.BROKEN, ids=lambda example: example.path)
def test_the_unrepaired_bytes_are_refused(user: User, example: Example) -> None:
    id = add(user, "kept", "spotify", {"token": "kept"})
    answer = send(user, example, example.request, id=id)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_json")
    assert [row["Token"] for row in tokens_of(user)] == ["kept"]
