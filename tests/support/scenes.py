"""Every page in every state that matters, for whoever looks at all of them: a judge, or a camera."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sandbox.driver import Control
from tests.support.person import Person

Scene = Callable[[Person], None]

KEY = (
    "-----BEGIN MADE UP KEY-----\n"
    + "\n".join(("bm90IGEga2V5IGJ1dCBsaW5lcyBvZiBub3RoaW5n",) * 4)
    + "\n-----END MADE UP KEY-----\n"
)
LOGIN = {"username": "ada", "password": "made up"}
SECRETS: tuple[tuple[str, str, dict[str, object]], ...] = (
    ("sshes", "web server", {"host": "192.0.2.7", "username": "ada", "sshKey": KEY, "port": 2222}),
    ("postgres", "orders", {"host": "db.example.com", "database": "orders", **LOGIN}),
    ("smtp", "newsletter", {"host": "mail.example.com", "port": 587, "tls": True, **LOGIN}),
    ("http", "status page", {"url": "https://status.example.com/api", "bearer": "made up"}),
    ("telegrams", "alerts", {"token": "made up"}),
    ("custom", "door code", {"code": "made up"}),
)


def furnish(person: Person, control: Control) -> None:
    """Give a person who is signed in connections in every state of health, and a secret of most kinds."""
    person.connect("gmail")
    person.connect("facebook", untick="user_posts")
    person.connect("github")
    control.add_account("spotify", "ada_music")
    person.connect("spotify", "ada_music")
    control.revoke("spotify", "ada_music")
    person.do("spotify", "Test")
    for type, name, data in SECRETS:
        person.store(type, name, **data)


def crowd(person: Person, *, readings: int) -> None:
    """Give a person more than a page shows easily: long names, names of other scripts, and many of them."""
    names = ["w" * 64, "a name of many words " * 11, "خادم البريد الرئيسي للشركة", "🔑 the key 🗝️", "x" * 255]
    for name in names + [f"server {number}" for number in range(1, 26)]:
        person.store("sshes", name, host=f"{'long.' * 20}example.com", username="u" * 60, password="made up")
    reading = [person.call("GET", "/api/users/:username/get/connections") for _ in range(readings)]
    assert all(answer.ok for answer in reading)


def at(path: str) -> Scene:
    return lambda person: person.open(path)


def _refused_sign_in(person: Person) -> None:
    person.open("/sign-in")
    person.sign_in("ada", "not the password")


def _refused_registration(person: Person) -> None:
    person.open("/register")
    person.fill(Username="two words", Email_address="ada@nowhere", Password="short")
    person.press("Register")


def _secret(name: str, *presses: str) -> Scene:
    def go(person: Person) -> None:
        person.open("/secrets")
        person.press(name)
        for press in presses:
            person.press(press)

    return go


def _refused_secret(person: Person) -> None:
    person.open("/secrets/new/sshes")
    person.fill(Name="web server", Host="two words", Username="ada", Port="99999")
    person.press("Store it")


def _out_of_date(person: Person) -> None:
    person.open("/connections/gmail/disconnect")
    person.page.locator("main form").evaluate("form => form.proof.value = 'of another day'")
    person.press("Disconnect")


def _other_account(person: Person) -> None:
    person.connect("gmail", "grace", "Reconnect")


def _asked(person: Person) -> None:
    person.page.goto(person.call("POST", "/api/connections/discord/authorize").json()["connect_url"])


def _held(person: Person) -> None:
    person.page.goto(person.call("GET", "/api/user/connection/access/discord").json()["url"])
    person.consent()


ANONYMOUS: Mapping[str, Scene] = {
    "front": at("/"),
    "sign-in": at("/sign-in"),
    "sign-in-first": at("/secrets"),
    "sign-in-refused": _refused_sign_in,
    "register": at("/register"),
    "register-refused": _refused_registration,
    "nowhere": at("/nowhere"),
}
EMPTY: Mapping[str, Scene] = {
    "connections-empty": at("/connections"),
    "secrets-empty": at("/secrets"),
    "activity-short": at("/activity"),
}
FURNISHED: Mapping[str, Scene] = {
    "connections": at("/connections"),
    "connections-other-account": _other_account,
    "begin": at("/connections/discord/connect"),
    "disconnect": at("/connections/gmail/disconnect"),
    "secrets": at("/secrets"),
    "secret-types": at("/secrets/new"),
    "secret-new-ssh": at("/secrets/new/sshes"),
    "secret-new-http": at("/secrets/new/http"),
    "secret-new-smtp": at("/secrets/new/smtp"),
    "secret-new-custom": at("/secrets/new/custom"),
    "secret-refused": _refused_secret,
    "secret": _secret("web server"),
    "secret-revealed": _secret("web server", "Reveal"),
    "secret-change": _secret("web server", "Change"),
    "secret-delete": _secret("web server", "Delete"),
    "activity": at("/activity"),
    "connect-link": _asked,
    "confirm": _held,
    "out-of-date": _out_of_date,
}
CROWDED: Mapping[str, Scene] = {
    "secrets-crowded": at("/secrets"),
    "secret-crowded": _secret("x" * 255),
    "activity-crowded": at("/activity"),
}
