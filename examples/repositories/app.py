"""A backend that lists its user's GitHub repositories. Latchkey keeps the token; nothing here does."""

import os
import secrets
from typing import Any

import requests
from flask import Flask, redirect, render_template_string, request, session, url_for
from flask.typing import ResponseReturnValue

LATCHKEY = os.environ.get("LATCHKEY_URL", "http://localhost:8080")
KEY = os.environ["LATCHKEY_KEY"]  # a service key with the scopes read_secrets and write
GITHUB = os.environ.get("GITHUB_API_URL", "https://api.github.com")

PAGE = """<!doctype html><title>Repositories</title>
{% if not user %}<form method="post" action="/sign-in"><input name="user"><button>Sign in</button></form>
{% else %}<h1>{{ user }}</h1>{% if said %}<p>{{ said }}</p>{% endif %}
<ul>{% for one in repositories %}<li>{{ one.full_name }}</li>{% endfor %}</ul>
{% if unconnected %}<form method="post" action="/connect"><button>Connect GitHub</button></form>{% endif %}
{% endif %}"""

app = Flask(__name__)
app.secret_key = secrets.token_bytes(32)


def latchkey(method: str, path: str, **more: Any) -> requests.Response:
    """Call Latchkey for the user who is signed in here."""
    headers = {"Authorization": f"Bearer {KEY}", "X-On-Behalf-Of": session["user"]}
    return requests.request(method, f"{LATCHKEY}{path}", headers=headers, timeout=20, **more)


@app.get("/")
def home() -> str:
    if "user" not in session:
        return render_template_string(PAGE)
    answer = latchkey("GET", "/api/connections/github/token")
    if not answer.ok:
        failed = answer.json()
        return show(failed["error"], failed["code"] in ("service_not_connected", "reconnect_required"))
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    listed = requests.get(f"{GITHUB}/user/repos", headers=headers, timeout=20)
    if listed.status_code == 401:
        return show("GitHub does not take the token: was this application removed there?", True)
    listed.raise_for_status()
    return render_template_string(PAGE, user=session["user"], repositories=listed.json())


def show(said: str, unconnected: bool) -> str:
    return render_template_string(PAGE, user=session["user"], said=said, unconnected=unconnected)


@app.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    session["user"] = request.form["user"]  # your application knows better who is at the door
    return redirect("/", 303)


@app.post("/connect")
def connect() -> ResponseReturnValue:
    body = {"return_to": url_for("home", _external=True)}
    answer = latchkey("POST", "/api/connections/github/authorize", json=body)
    answer.raise_for_status()
    return redirect(answer.json()["connect_url"], 303)
