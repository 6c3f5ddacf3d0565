"""GitHub's list of the repositories that a token's user may read: two public ones and a private one."""

from flask.typing import ResponseReturnValue

from sandbox.engine import answers, identities
from sandbox.engine.realm import Realm
from sandbox.providers.github_users import bearer_token, scope_headers

# By full name, which is the order when no other is asked for.
REPOSITORIES = (
    ("analytical-engine", False, "A machine that weaves algebraical patterns"),
    ("letters", True, None),
    ("notes", False, "On the sketch of the engine"),
)


def of_user(realm: Realm) -> ResponseReturnValue:
    """GET /user/repos. Without the scope ``repo`` the private ones are left out; an App has no scopes."""
    token = bearer_token(realm)
    profile = realm.accounts[token.account].profile
    sees_private = "repo" in token.scopes or realm.is_on("app_mode")
    listed = [
        described(str(profile["login"]), int(profile["id"]), name, private, text)
        for name, private, text in REPOSITORIES
        if sees_private or not private
    ]
    return answers.reply(listed, 200, scope_headers(token))


def described(login: str, owner_id: int, name: str, private: bool, text: str | None) -> dict[str, object]:
    full_name = f"{login}/{name}"
    return {
        "id": int(identities.number(f"repository {full_name}", 9)),
        "name": name,
        "full_name": full_name,
        "private": private,
        "visibility": "private" if private else "public",
        "owner": {"login": login, "id": owner_id, "type": "User"},
        "html_url": f"https://github.com/{full_name}",
        "url": f"https://api.github.com/repos/{full_name}",
        "description": text,
        "fork": False,
        "archived": False,
        "default_branch": "main",
        "permissions": {"admin": True, "push": True, "pull": True},
    }
