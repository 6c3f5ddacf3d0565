"""Legacy tokens: the old shapes over typed connections."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from app.connection_types import CONNECTION_TYPES
from tests.support.browser import Agent
from tests.support.providers import Sandbox
from tests.support.rows import expire_token
from tests.support.service import Service, User

FAMILIES = [
    ("git", "github", "githubs"),
    ("spotify", "spotifies"),
    ("google", "gmail", "gmails"),
    ("facebook", "facebooks"),
    ("discord", "discords"),
    ("ssh", "sshes"),
    ("telegram", "telegrams"),
]
WORDS = [word for family in FAMILIES for word in family]
NOT_FOUND = (404, {"error": "Token not found", "code": "token_not_found"})
REPLACE = "/api/users/:username/connection/update/token/token"
RENAMES = (
    "/api/users/connection/update/token/name",
    "/api/users/:username/connection/update/token/name",
)
DELETES = [
    ("PUT", REPLACE),
    ("DELETE", "/api/users/:username/connection/delete/token"),
    ("POST", "/api/users/:username/connection/delete/token"),
]


def add(user: User, name: str = "git1", token_type: str = "git", token: str = "secret") -> int:
    body = {"name": name, "token_type": token_type, "token": token}
    answer = user.call("POST", "/api/users/:username/connections/addtoken", json=body)
    assert (answer.status_code, answer.json()) == (201, {"message": "token added"})
    return max(row["ID"] for row in listed(user))


def add_typed(user: User, type: str, data: dict[str, Any]) -> int:
    body = {"name": "typed", "type": type, "data": data}
    answer = user.call("POST", "/api/users/:username/add/connection", json=body)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def listed(user: User) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = user.call("GET", "/api/users/:username/connection/gettokens").json()
    return rows


def get(user: User, name: str, token_type: str) -> requests.Response:
    body = {"name": name, "token_type": token_type}
    return user.call("POST", "/api/users/:username/connection/gettoken", json=body)


def said(answer: requests.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


@pytest.fixture(scope="module")
def anybody(service: Service) -> User:
    """Somebody whom these tests share: each looks at its own rows alone."""
    return service.user()


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family[0])
def test_the_words_of_a_family_are_one(user: User, family: tuple[str, ...]) -> None:
    for stored in family:
        add(user, name=stored, token_type=stored, token=f"token of {stored}")
        for asked in family:
            assert get(user, stored, asked).json() == {"token": f"token of {stored}"}
        other = next(word for word in WORDS if word not in family)
        assert said(get(user, stored, other)) == NOT_FOUND


def test_of_several_matches_the_highest_id_counts(user: User) -> None:
    for token_type, token in (("github", "first"), ("githubs", "second"), ("git", "last")):
        add(user, token_type=token_type, token=token)
    add(user, name="another name", token="not this")
    assert get(user, "git1", "github").json() == {"token": "last"}


def test_an_empty_name_is_a_name_of_its_own(user: User) -> None:
    add(user, name="", token="nameless")
    add(user, name="git1", token="named")
    assert get(user, "", "git").json() == {"token": "nameless"}
    assert get(user, "git1", "git").json() == {"token": "named"}


@pytest.mark.parametrize(
    "token_type", ["x", "Git Hub ", "ключ🔑", "w" * 64, *(t.name for t in CONNECTION_TYPES)]
)
def test_any_word_is_kept_as_sent(anybody: User, token_type: str) -> None:
    id = add(anybody, token_type=token_type)
    assert listed(anybody)[-1]["Token_type"] == token_type
    assert get(anybody, "git1", token_type).json() == {"token": "secret"}
    assert said(anybody.call("PUT", REPLACE, json={"id": id, "token": "new"}))[0] == 200
    assert listed(anybody)[-1]["Token"] == "new"


@pytest.mark.parametrize(
    "token", [" \r\n trailing \n\n", "e\u0301 é", "🔑" * 300, '"\\%_', "--", "---x", "\ufeff"]
)
def test_a_token_keeps_its_exact_bytes(anybody: User, token: str) -> None:
    add(anybody, token=token)
    assert get(anybody, "git1", "git").json() == {"token": token}
    assert listed(anybody)[-1]["Token"] == token


def test_the_list_is_by_id_in_full_and_never_stored(user: User) -> None:
    ids = [add(user, token=f"t{number}") for number in range(3)]
    answer = user.call("GET", "/api/users/:username/connection/gettokens")
    assert [(row["ID"], row["Token"]) for row in answer.json()] == list(
        zip(ids, ["t0", "t1", "t2"], strict=True)
    )
    assert all(row["DeletedAt"] is None and row["UserID"] == user.id for row in answer.json())
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", RENAMES)
def test_renaming_changes_the_name_alone(user: User, path: str) -> None:
    id = add(user, name="before")
    before = listed(user)[0]
    answer = user.call("PUT", path, json={"id": id, "name": ""})
    assert said(answer) == (200, {"message": "update token successfully"})
    after = listed(user)[0]
    assert after == {**before, "Name": "", "UpdatedAt": after["UpdatedAt"]}
    assert after["UpdatedAt"] > before["UpdatedAt"]


@pytest.mark.parametrize(("method", "path"), DELETES)
def test_deleted_means_gone(user: User, method: str, path: str) -> None:
    id, kept = add(user, name="gone"), add(user, name="kept")
    answer = user.call(method, path, json={"id": id})
    assert said(answer) == (200, {"message": "deleted token successfully"})
    assert [row["ID"] for row in listed(user)] == [kept]
    assert said(get(user, "gone", "git")) == NOT_FOUND
    assert user.call("GET", f"/api/users/:username/get/connection/{id}").status_code == 404
    assert said(user.call(method, path, json={"id": id})) == NOT_FOUND


@pytest.mark.parametrize(
    "more",
    [{"token": None}, {"token": ""}, {"token": 5}, {"tokens": "x"}, {"name": "x"}, {"": ""}, {"Token": "x"}],
)
def test_a_body_with_any_other_key_never_deletes(anybody: User, more: dict[str, Any]) -> None:
    before = [add(anybody), listed(anybody)]
    for method, path in DELETES:
        answer = anybody.call(method, path, json={"id": before[0], **more})
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")
    assert listed(anybody) == before[1]


@pytest.mark.parametrize("id", [True, False, "1", 1.0, 1.5, None, [1], 0, -1, 2**63, 2**64, 10**400])
def test_an_id_is_a_whole_number_from_one(anybody: User, id: Any) -> None:
    before = add(anybody), listed(anybody)
    for method, path in (*DELETES, ("POST", "/api/users/:username/connection/check/token")):
        answer = anybody.call(method, path, json={"id": id})
        assert (answer.status_code, list(answer.json()["details"])) == (400, ["id"])
    assert listed(anybody) == before[1]


@pytest.mark.parametrize("which", ["missing", "another's", "not a token", 2**31, 2**63 - 1])
def test_what_is_not_the_callers_token_is_not_found(
    service: Service, anybody: User, which: str | int
) -> None:
    typed = add_typed(anybody, "telegrams", {"key": "k", "token": "t"})
    ids = {"missing": typed + 10**6, "not a token": typed}
    id = add(service.user()) if which == "another's" else ids.get(str(which), which)
    calls = [
        *DELETES,
        *(("PUT", path) for path in RENAMES),
        ("POST", "/api/users/:username/connection/check/token"),
    ]
    for method, path in calls:
        body = {"id": id, "name": "x"} if path in RENAMES else {"id": id}
        assert said(anybody.call(method, path, json=body)) == NOT_FOUND, (method, path)
    assert said(anybody.call("PUT", REPLACE, json={"id": id, "token": "x"})) == NOT_FOUND
    data = anybody.call("GET", f"/api/users/:username/get/connection/{typed}").json()["data"]
    assert data == {"key": "k", "token": "t"}


def test_one_table_seen_through_both_shapes(user: User) -> None:
    legacy = add(user, name="old", token_type="git", token="one")
    typed = add_typed(user, "spotify", {"token": "two"})
    read = user.call("GET", f"/api/users/:username/get/connection/{legacy}").json()
    assert read == {"id": str(legacy), "name": "old", "type": "git", "data": {"token": "one"}}
    assert [(row["ID"], row["Token"]) for row in listed(user)] == [(legacy, "one"), (typed, "two")]
    body = {"data": {"token": "three"}}
    assert (
        user.call("PUT", f"/api/users/:username/update/connection/data/{legacy}", json=body).status_code
        == 200
    )
    assert user.call("PUT", REPLACE, json={"id": typed, "token": "four"}).status_code == 200
    assert [row["Token"] for row in listed(user)] == ["three", "four"]


@pytest.mark.parametrize(
    ("type", "data"),
    [
        ("custom", {"token": 5}),
        ("custom", {"token": {}}),
        ("telegrams", {"key": "k"}),
        ("git", {"token": "t", "x": "y"}),
    ],
)
def test_what_is_more_or_other_than_one_text_is_no_legacy_token(
    user: User, type: str, data: dict[str, Any]
) -> None:
    id = add_typed(user, type, data)
    assert listed(user) == []
    assert said(get(user, "typed", type)) == NOT_FOUND
    assert said(user.call("PUT", REPLACE, json={"id": id})) == NOT_FOUND
    assert user.call("GET", f"/api/users/:username/get/connection/{id}").json()["data"] == data


def test_dashes_stand_for_the_stored_token(user: User) -> None:
    body = {"name": "", "token_type": "git", "token": "---"}
    answer = user.call("POST", "/api/users/:username/connections/addtoken", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_data")
    id = add(user, token="kept")
    for dashes in ("---", "--------", "-" * 40):
        assert user.call("PUT", REPLACE, json={"id": id, "token": dashes}).status_code == 200
        assert listed(user)[0]["Token"] == "kept"
    user.call("PUT", REPLACE, json={"id": id, "token": "--"})
    assert listed(user)[0]["Token"] == "--"


class TestConnectedService:
    """A service that is connected by OAuth stands in for a token that was never stored."""

    @pytest.mark.parametrize(
        ("service_name", "name", "token_type"),
        [
            ("github", "", "git"),
            ("github", "github", "git"),
            ("github", "git", "githubs"),
            ("gmail", "", "google"),
            ("gmail", "gmail", "gmails"),
            ("gmail", "google", "gmail"),
            ("gmail", "drive", "google"),
            ("spotify", "spotify", "spotifies"),
            ("facebook", "", "facebooks"),
            ("discord", "discord", "discord"),
        ],
    )
    def test_its_live_token_is_given(
        self, user: User, agent: Agent, service_name: str, name: str, token_type: str
    ) -> None:
        assert said(get(user, name, token_type)) == NOT_FOUND
        assert agent.connect(user, service_name).status_code == 200
        live = user.call("GET", f"/api/connections/{service_name}/token").json()["access_token"]
        answer = get(user, name, token_type)
        assert (answer.status_code, answer.json()) == (200, {"token": live})

    @pytest.mark.parametrize(
        ("name", "token_type"),
        [("work", "git"), ("gmail", "git"), ("Github", "git"), ("", "spotify"), ("", "ssh"), ("", "any")],
    )
    def test_other_names_and_types_do_not_mean_it(
        self, user: User, agent: Agent, name: str, token_type: str
    ) -> None:
        agent.connect(user, "github")
        assert said(get(user, name, token_type)) == NOT_FOUND

    def test_a_stored_token_comes_first(self, user: User, agent: Agent) -> None:
        agent.connect(user, "github")
        add(user, name="", token_type="git", token="stored")
        assert get(user, "", "github").json() == {"token": "stored"}

    def test_it_is_renewed_or_said_to_be_dead(
        self, user: User, agent: Agent, service: Service, sandbox: Sandbox
    ) -> None:
        account = f"legacy-{user.username}"
        sandbox.control.add_account("spotify", account)
        agent.connect(user, "spotify", account=account)
        old = expire_token(service, sandbox, user, "spotify")
        new = get(user, "", "spotify").json()["token"]
        assert new != old and sandbox.control.token_state("spotify", new) == "live"
        sandbox.control.revoke("spotify", account)
        expire_token(service, sandbox, user, "spotify")
        answer = get(user, "", "spotify")
        assert (answer.status_code, answer.json()["code"]) == (409, "reconnect_required")
