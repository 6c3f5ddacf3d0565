"""What an import does not take: what is here already, and what the API would refuse. Each is named."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.extensions import db
from app.models import Connection, Grant, ServiceKey, User
from app.schemas.moving import MovedUserSchema
from app.services import importing
from app.services.archive import Kind
from app.services.arriving import Arrival
from app.services.importing import ImportRefused
from tests.cli.test_cli import fresh
from tests.support.issuing import add_user, by_pem
from tests.support.moving import exported, imported, kept, other_service, write
from tests.support.service import PASSWORD, Service, StartService
from tests.support.service_keys import make_key
from tests.support.tables import contents

pytestmark = pytest.mark.usefixtures("cheap_passphrases")

WHEN = "2026-11-21T10:00:00.123456Z"
HASH = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$" + "A" * 43
MASK = "A mask stands for a stored secret, and none is stored here."
NOTHING = "Nothing was stored."

Document = dict[str, Any]
Documents = list[tuple[Kind, Any]]


def a_user(username: str, **changes: Any) -> tuple[Kind, Document]:
    own = {"id": 1, "username": username, "email": f"{username}@example.com", "password_hash": HASH}
    return Kind.USER, {**own, "external_id": None, "created_at": WHEN, "disabled_at": None, **changes}


def a_connection(**changes: Any) -> tuple[Kind, Document]:
    own = {"name": "n", "type": "telegrams", "data": {"token": "t"}, "created_at": WHEN, "updated_at": WHEN}
    return Kind.CONNECTION, {**own, **changes}


def a_grant(**changes: Any) -> tuple[Kind, Document]:
    link = {"service": "discord", "connected_at": WHEN, "updated_at": WHEN}
    own = {"provider": "discord", "account_id": "1", "account_label": "a", "scopes_asked": ["email"]}
    own |= {"scopes_granted": ["email"], "access_token": "t", "refresh_token": "r", "renewable": True}
    own |= dict.fromkeys(("authorized_at", "token_at", "last_used_at"), WHEN)
    own |= dict.fromkeys(("expires_at", "refresh_expires_at", "ended_at", "warned_days"))
    return Kind.GRANT, {**own, "links": [link], **changes}


def a_revocation(**changes: Any) -> tuple[Kind, Document]:
    own = {"provider": "discord", "account_id": "1", "username": None, "access_token": "t"}
    return Kind.REVOCATION, {**own, "refresh_token": None, "expires_at": None, **changes}


def a_key(name: str, **changes: Any) -> tuple[Kind, Document]:
    own = {
        "name": name,
        "hash": hashlib.sha256(name.encode()).hexdigest(),
        "scopes": ["write"],
        "usernames": None,
    }
    own |= {"created_at": WHEN, **dict.fromkeys(("expires_at", "revoked_at", "last_used_at"))}
    return Kind.SERVICE_KEY, {**own, **changes}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def named(output: str) -> dict[int, str]:
    """Return what is said of each line that is named."""
    found = re.findall(r"^line (\d+), (.*)$", output, re.MULTILINE)
    return {int(line): what for line, what in found}


def usernames(service: Service) -> set[str]:
    with service.app.app_context():
        return set(db.session.scalars(select(User.username)))


# What is here already


def check_conflict(
    service: Service, file: Path, documents: Documents, told: dict[int, str], left: str
) -> None:
    """Each line is told, by a dry run and by an import that stores nothing; the rest comes when asked to."""
    before = contents(service.environ["DATABASE_URL"])
    write(file, documents)
    for words in (("--dry-run",), (), ("--dry-run", "--skip-conflicts")):
        done = imported(service, file, *words)
        assert (done.exit_code, named(done.output)) == (1, told), done.output
        assert done.output.endswith(f"Left out: {left}.\n{NOTHING}\n")
    assert contents(service.environ["DATABASE_URL"]) == before
    done = imported(service, file, "--skip-conflicts")
    assert (done.exit_code, named(done.output)) == (0, told) and "\nStored: " in done.output


@pytest.mark.parametrize("what", ["username", "email address", "user_id"])
def test_a_user_who_is_here_is_left_out_with_all_that_is_theirs(
    service: Service, file: Path, what: str
) -> None:
    name, other, coming = fresh(), fresh(), fresh()
    id = add_user(service, name, external_id=int(name[1:], 16))
    taken = {
        "username": a_user(name.upper(), email=f"{other}@example.com"),
        "email address": a_user(other, email=f"{name.upper()}@EXAMPLE.com"),
        "user_id": a_user(other, external_id=int(name[1:], 16)),
    }
    owned = [a_connection(), a_connection(), a_grant()]
    whose = taken[what][1]["username"]
    documents = [taken[what], *owned, a_user(coming), *owned, taken[what], *owned]
    told = dict.fromkeys((2, 10), f"user {whose}: the {what} is taken")
    check_conflict(service, file, documents, told, "2 users, 4 connections, 2 grants")
    assert {coming} == {coming, other} & usernames(service)
    assert len(kept(service, coming)["connections"]) == 2 and len(kept(service, coming)["grants"]) == 1
    with service.app.app_context():
        for model in (Connection, Grant):
            assert db.session.scalars(select(model).where(model.user_id == id)).all() == []


def test_two_of_one_file_cannot_be_the_same(service: Service, file: Path) -> None:
    one, two, three = fresh(), fresh(), fresh()
    documents = [
        a_user(one, external_id=int(one[1:], 16)),
        a_user(one.upper(), email=f"{two}@example.com"),
        a_user(two, email=f"{one.upper()}@example.com"),
        a_user(three, external_id=int(one[1:], 16)),
    ]
    told = {
        3: f"user {one.upper()}: the username is taken",
        4: f"user {two}: the email address is taken",
        5: f"user {three}: the user_id is taken",
    }
    check_conflict(service, file, documents, told, "3 users")


def test_one_more_connection_than_may_be(start_service: StartService, file: Path) -> None:
    service = start_service(MAX_CONNECTIONS_PER_USER="2")
    documents = [a_user("one"), *[a_connection()] * 2, a_user("two"), *[a_connection()] * 3, a_grant()]
    told = {8: "connection of two: there are more than MAX_CONNECTIONS_PER_USER"}
    check_conflict(service, file, documents, told, "1 connection")
    assert [len(kept(service, name)["connections"]) for name in ("one", "two")] == [2, 2]


def test_grants_that_this_service_cannot_have(service: Service, file: Path) -> None:
    name = fresh()
    link = {"connected_at": WHEN, "updated_at": WHEN}
    documents = [
        a_user(name),
        a_grant(),
        a_grant(),
        a_grant(provider="myspace", links=[]),
        a_grant(provider="spotify"),
        a_grant(provider="github", links=[{"service": "github\x1b[31m", **link}]),
    ]
    told = {
        4: f"grant of {name}: there is another of this provider",
        5: f"grant of {name}: the provider is unknown",
        6: f"grant of {name}: a service is unknown",
        7: f"grant of {name}: a service is unknown",
    }
    check_conflict(service, file, documents, told, "4 grants")
    assert [grant["provider"] for grant in kept(service, name)["grants"]] == ["discord"]


def test_service_keys_that_are_here_or_are_for_others(service: Service, file: Path) -> None:
    """A user of the same name is somebody else, whose secrets the program was never given."""
    here, coming, left_out = fresh(), fresh(), fresh()
    for name in (here, left_out):
        service.user(name)
    key = make_key(service)
    with service.app.app_context():
        stored = db.session.scalars(select(ServiceKey.hash).where(ServiceKey.name == key.name)).one()
    documents = [
        a_user(coming),
        a_user(left_out),
        a_key(key.name),
        a_key(fresh(), hash=stored),
        a_key("for both", usernames=[coming, left_out]),
        a_key("for one here", usernames=[here]),
        a_key(f"for {coming}", usernames=[coming.upper()]),
        a_key(f"for {coming}"),
        a_key("strange", scopes=["write", "everything"]),
    ]
    told = {
        3: f"user {left_out}: the username is taken",
        4: f"service key {key.name}: the name is taken",
        5: f"service key {documents[3][1]['name']}: the key is taken",
        6: "service key for both: it is for a user who does not come",
        7: "service key for one here: it is for a user who does not come",
        9: f"service key for {coming}: the name is taken",
        10: "service key strange: a scope is unknown",
    }
    check_conflict(service, file, documents, told, "1 user, 6 service keys")


def test_an_import_twice_is_told_and_changes_nothing(
    start_service: StartService, service: Service, file: Path
) -> None:
    service.user()
    exported(service, file, "--user", service.user().username)
    other = other_service(start_service, service)
    assert imported(other, file).exit_code == 0
    before = contents(other.environ["DATABASE_URL"])
    assert imported(other, file).exit_code == 1
    done = imported(other, file, "--skip-conflicts")
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "Stored: nothing.")
    assert contents(other.environ["DATABASE_URL"]) == before


def test_where_a_host_names_users_by_our_ids_these_may_not_be_two_peoples(
    start_service: StartService, tmp_path: Path, file: Path
) -> None:
    service = start_service(**by_pem(tmp_path))
    id = add_user(service, "native")
    documents = [a_user("stranger", id=id), a_user("other", id=id + 50), a_user("twin", id=id + 50)]
    told = {2: "user stranger: the user_id is taken", 4: "user twin: the user_id is taken"}
    check_conflict(service, file, documents, told, "2 users")


def test_what_is_taken_between_look_and_import_stops_all_of_it(service: Service) -> None:
    """Nobody's row is changed by it, and nobody's is left half."""
    name, coming = service.user().username, fresh()
    documents = [a_user(coming), a_user(name)]
    arrivals = [
        Arrival(line, kind, MovedUserSchema().load(document))
        for line, (kind, document) in enumerate(documents, start=2)
    ]
    before = contents(service.environ["DATABASE_URL"])
    with service.app.app_context(), pytest.raises(ImportRefused, match="run the import again"):
        importing.bring(arrivals, without=())
    assert contents(service.environ["DATABASE_URL"]) == before


# What the API would refuse


def hostile_connections() -> list[tuple[Document, str]]:
    """What somebody who knows the passphrase may write, and what is said of it."""
    fine = a_connection()[1]
    missing = {name: value for name, value in fine.items() if name != "updated_at"}
    ssh = {"host": "h", "username": "u", "password": "p"}
    return [
        (fine | {"name": "n" * 256}, "name: Length must be between 0 and 255."),
        (fine | {"name": 5}, "name: Not a valid string."),
        (fine | {"name": None}, "name: Field may not be null."),
        (fine | {"type": ""}, "type: Length must be between 1 and 64."),
        (fine | {"type": "t" * 65}, "type: Length must be between 1 and 64."),
        (fine | {"type": "unknown", "data": {"a": "b"}}, "token: Is required."),
        (fine | {"data": {}}, "data: Must have at least one field."),
        (fine | {"data": []}, "data: Not a valid mapping type."),
        (fine | {"data": {"token": ""}}, "token: Must be a text that is not empty."),
        (fine | {"data": {"token": 5}}, "token: Must be a text that is not empty."),
        (fine | {"data": {"token": "--------"}}, f"token: {MASK}"),
        (fine | {"data": {"": "x"}}, "data: Is not valid."),
        (fine | {"type": "custom", "data": {"\x1b[31m": "---"}}, f"\\x1b[31m: {MASK}"),
        (fine | {"type": "sshes", "data": {"host": "h"}}, "username: Is required.; data: Must have one of: "),
        (fine | {"type": "sshes", "data": ssh | {"host": "a b"}}, "host: Does not have the expected form."),
        (
            fine | {"type": "ssh", "data": ssh | {"port": True}},
            "port: Must be a whole number from 1 to 65535.",
        ),
        (fine | {"created_at": "2026-11-21"}, "created_at: Must be a moment in UTC with microseconds."),
        (fine | {"created_at": WHEN.replace("2026", "9999")}, "created_at: Must be a moment"),
        (fine | {"created_at": WHEN.replace("Z", "+09:00")}, "created_at: Must be a moment"),
        (fine | {"created_at": 5}, "created_at: Must be a moment"),
        (missing, "updated_at: Missing data for required field."),
        (fine | {"user_id": 1}, "it does not have the fields of its kind"),
    ]


def test_a_file_plants_no_connection_that_the_api_would_refuse(service: Service, file: Path) -> None:
    name, hostile = fresh(), hostile_connections()
    write(file, [a_user(name), a_connection(), *[(Kind.CONNECTION, document) for document, _ in hostile]])
    before = contents(service.environ["DATABASE_URL"])
    assert imported(service, file).exit_code == 1 and contents(service.environ["DATABASE_URL"]) == before
    told = named(imported(service, file, "--skip-conflicts").output)
    assert list(told) == list(range(4, 4 + len(hostile)))
    for line, (_, sentence) in enumerate(hostile, start=4):
        assert told[line].startswith(f"connection of {name}: {sentence}"), told[line]
    assert len(kept(service, name)["connections"]) == 1


def hostile_users() -> list[tuple[Document, str]]:
    fine = a_user(fresh())[1]
    costs = ("m=262145,t=2,p=1", "m=19456,t=17,p=1", "m=19456,t=2,p=17", "m=9999999,t=2,p=1")
    hashes = [HASH.replace("m=19456,t=2,p=1", cost) for cost in costs]
    hashes += [
        "",
        "plain",
        HASH.replace("argon2id", "argon2i"),
        HASH + "$",
        "$2b$12$" + "a" * 53,
        "x" * 10000,
    ]
    return [
        (fine | {"username": ""}, "username: Length must be between 1 and 64."),
        (fine | {"username": "a b"}, "username: Must not have spaces"),
        (fine | {"username": "a\u200bb"}, "username: Must not have spaces"),
        (fine | {"username": "x" * 65}, "username: Length must be between 1 and 64."),
        (fine | {"username": ".."}, "username: Must be usable in a URL"),
        (fine | {"email": "nobody"}, "email: Not a valid email address."),
        (fine | {"email": None}, "email: Must come with a password."),
        (fine | {"password_hash": None}, "email: Must come with a password."),
        (fine | {"external_id": 0}, "external_id: Must be greater than or equal to 1"),
        (fine | {"external_id": 2**63}, "external_id: Must be greater than or equal to 1"),
        (fine | {"external_id": True}, "external_id: Not a valid integer."),
        (fine | {"id": -1}, "id: Must be greater than or equal to 1"),
        (fine | {"password": PASSWORD}, "it does not have the fields of its kind"),
        *((fine | {"password_hash": text}, "password_hash: Must be a hash of Argon2id") for text in hashes),
    ]


def test_a_file_plants_no_user_who_could_not_register(service: Service, file: Path) -> None:
    """Nor one whose password would cost this service dearly whenever somebody tries to sign in."""
    hostile, before = hostile_users(), usernames(service)
    write(file, [document for each, _ in hostile for document in ((Kind.USER, each), a_connection())])
    done = imported(service, file, "--skip-conflicts")
    told = named(done.output)
    assert list(told) == [2 + 2 * number for number in range(len(hostile))]
    for sentence, (_, expected) in zip(told.values(), hostile, strict=True):
        assert sentence.startswith(f"user: {expected}"), sentence
    assert done.output.endswith("Stored: nothing.\n") and usernames(service) == before


def hostile_others() -> list[tuple[tuple[Kind, Any], str]]:
    return [
        (a_grant(access_token="a\r\nX-Header: b"), "access_token: String does not match"),
        (a_grant(access_token=""), "access_token: String does not match"),
        (a_grant(refresh_token="ä"), "refresh_token: String does not match"),
        (a_grant(account_id=""), "account_id: Length must be between 1 and 255."),
        (a_grant(account_label="x" * 256), "account_label: Length must be between 1 and 255."),
        (a_grant(scopes_granted="email"), "scopes_granted: Not a valid list."),
        (a_grant(scopes_granted=[5]), "scopes_granted: Is not valid."),
        (a_grant(renewable="yes"), "renewable: Not a valid boolean."),
        (a_grant(warned_days=2**40), "warned_days: Must be greater than or equal to 0"),
        (a_grant(expires_at="soon"), "expires_at: Must be a moment"),
        (a_grant(links=[{"service": "discord"}]), "links: Is not valid."),
        (a_grant(generation=5), "it does not have the fields of its kind"),
        ((Kind.GRANT, []), "it does not have the fields of its kind"),
        ((Kind.GRANT, "text"), "it does not have the fields of its kind"),
        (a_revocation(provider="myspace"), "the provider is unknown"),
        (a_revocation(access_token=None), "access_token: Field may not be null."),
        ((Kind.DEPARTURE, {"external_id": 0, "at": WHEN}), "external_id: Must be greater"),
        (a_key("a\nb"), "name: Invalid input."),
        (a_key("x" * 65), "name: Length must be between 1 and 64."),
        (a_key(fresh(), hash="F" * 64), "hash: String does not match"),
        (a_key(fresh(), usernames="all"), "usernames: Not a valid list."),
    ]


def test_a_file_plants_nothing_else_either(service: Service, file: Path) -> None:
    hostile, before = hostile_others(), contents(service.environ["DATABASE_URL"])
    write(file, [a_user(fresh()), *(document for document, _ in hostile)])
    done = imported(service, file)
    told = named(done.output)
    assert list(told) == list(range(3, 3 + len(hostile))), done.output
    for sentence, (_, expected) in zip(told.values(), hostile, strict=True):
        assert sentence.partition(": ")[2].startswith(expected), sentence
    assert contents(service.environ["DATABASE_URL"]) == before


def test_what_belongs_to_nobody_in_a_file_is_stored_for_nobody(service: Service, file: Path) -> None:
    before = contents(service.environ["DATABASE_URL"])
    write(file, [a_connection(), a_grant()])
    done = imported(service, file, "--skip-conflicts")
    assert done.output == "To come: nothing. Left out: 1 connection, 1 grant.\nStored: nothing.\n"
    assert contents(service.environ["DATABASE_URL"]) == before


@pytest.mark.parametrize(
    "value", ["\0", functools.reduce(lambda deep, _: [deep], range(40), [])], ids=["nul", "deep"]
)
def test_what_no_request_could_carry_is_refused(service: Service, file: Path, value: Any) -> None:
    write(file, [a_user(fresh()), a_connection(type="custom", data={"a": value})])
    done = imported(service, file, "--skip-conflicts")
    assert (done.exit_code, done.output) == (1, "Error: The file was altered: line 3 does not open.\n")
