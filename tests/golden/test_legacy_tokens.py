"""Each documented call of document 000, sent as printed, gets the documented answer."""

from __future__ import annotations

import json

import pytest

from tests.golden import examples
from tests.golden.examples import Example
from tests.golden.replay import add_token, matches, replay, tokens_of
from tests.support.service import User


def test_add_token(user: User) -> None:
    assert matches(replay(user, examples.ADD_TOKEN), examples.ADD_TOKEN)


def test_get_token_by_another_word_of_the_family(user: User) -> None:
    token = json.loads(examples.GET_TOKEN.response)["token"]
    add_token(user, "git1", "git", token)
    answer = replay(user, examples.GET_TOKEN)
    assert (answer.status_code, answer.json()) == (200, {"token": token})


def test_get_tokens(user: User) -> None:
    documented = json.loads(examples.GET_TOKENS.response)
    ids = [add_token(user, row["Name"], row["Token_type"], row["Token"]) for row in documented]
    listed = replay(user, examples.GET_TOKENS)
    assert matches(listed, examples.GET_TOKENS)
    for got, row, id in zip(listed.json(), documented, ids, strict=True):
        moments = {name: got[name] for name in ("CreatedAt", "UpdatedAt")}
        assert got == {**row, "ID": id, "UserID": user.id, **moments}


@pytest.mark.parametrize("example", [examples.RENAME_TOKEN, examples.CHECK_TOKEN, examples.REPLACE_TOKEN])
def test_calls_with_the_id_of_a_token(user: User, example: Example) -> None:
    id = add_token(user, "old", "spotify", "1afcd222222sdcfaxsdfsaz")
    assert matches(replay(user, example, id=id), example)
    [row] = tokens_of(user)
    sent = json.loads(example.body or "")
    expected = (sent.get("name", "old"), sent.get("token", "1afcd222222sdcfaxsdfsaz"))
    assert (row["Name"], row["Token"]) == expected


def test_delete_token(user: User) -> None:
    id = add_token(user, "git1", "git", "dpsfihio514356dfsc5sdf5c1252dcsx52")
    assert matches(replay(user, examples.DELETE_TOKEN, id=id), examples.DELETE_TOKEN)
    assert tokens_of(user) == []


@pytest.mark.parametrize("example", [examples.TOKEN_URLS, examples.SERVICE_URL])
def test_access_urls_have_the_documented_key_and_a_plain_one(user: User, example: Example) -> None:
    answer = replay(user, example)
    document = answer.json()
    assert answer.status_code == 200 and set(document) == {*json.loads(example.response), "url"}
    assert document["spotify_url"] == document["url"]
