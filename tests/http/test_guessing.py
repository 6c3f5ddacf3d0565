"""What guessing a password tells, and what it costs."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update

from app.extensions import db
from app.models import LoginFailure
from tests.support.accounts import AUTH, fresh, post
from tests.support.service import PASSWORD, Service, StartService
from tests.support.service import User as Person


@pytest.mark.usefixtures("costly_passwords")
def test_unknown_user_and_wrong_password_answer_alike(service: Service, user: Person) -> None:
    bodies = [
        {"username": user.username, "password": "not the one"},
        {"username": fresh(), "password": PASSWORD},
        {"email": f"{user.username}@example.com", "password": "not the one"},
        {"email": f"{fresh()}@example.com", "password": PASSWORD},
    ]
    answers = [post(service, "login", **body) for body in bodies]
    assert {(answer.status_code, answer.content) for answer in answers} == {(401, answers[0].content)}
    assert answers[0].json()["error"] == "Invalid username or password"
    seconds = [answer.elapsed.total_seconds() for answer in answers]
    assert min(seconds) > 0.01  # an unknown user costs a hash too


def test_guessing_is_slowed_down_and_recovers(start_service: StartService) -> None:
    service = start_service(TRUSTED_PROXIES="1")
    user, other = service.user(), service.user()

    def login(name: str, password: str, address: str) -> requests.Response:
        headers = {"X-Forwarded-For": f"198.51.100.77, {address}"}  # what stands first, anybody can write
        body = {"username": name, "password": password}
        return service.call("POST", f"{AUTH}/login", json=body, headers=headers)

    here, elsewhere = "203.0.113.5", "203.0.113.6"
    assert [login(user.username, "wrong", here).status_code for _ in range(5)] == [401] * 5
    slowed = login(user.username.upper(), PASSWORD, here)
    assert (slowed.status_code, slowed.json()["code"]) == (429, "too_many_attempts")
    assert 1 <= int(slowed.headers["Retry-After"]) <= 900
    assert login(user.username, PASSWORD, elsewhere).status_code == 200  # the owner is not locked out
    assert login(other.username, PASSWORD, here).status_code == 200
    assert login(user.username, PASSWORD, here).status_code == 429  # another's success frees nobody here
    shift_failures(service, timedelta(seconds=3))
    assert login(user.username, "wrong", here).status_code == 401
    again = login(user.username, PASSWORD, here)
    assert again.status_code == 429 and int(again.headers["Retry-After"]) > 2  # each failure doubles the wait
    shift_failures(service, timedelta(minutes=15))
    assert login(user.username, PASSWORD, here).status_code == 200
    assert login(user.username, "wrong", here).status_code == 401  # and a success forgets the failures


def shift_failures(service: Service, by: timedelta) -> None:
    """Make every failed attempt so much older."""
    with service.app.app_context():
        for row in db.session.scalars(select(LoginFailure)).all():
            db.session.execute(update(LoginFailure).where(LoginFailure.id == row.id).values(at=row.at - by))
        db.session.commit()


def test_guesses_at_once_are_counted_too(service: Service, user: Person) -> None:
    def guess(number: int) -> int:
        return post(service, "login", username=user.username, password=f"guess {number}").status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = Counter(pool.map(guess, range(30)))
    assert set(statuses) == {401, 429} and statuses[401] <= 6
