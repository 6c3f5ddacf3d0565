"""What neither the text of an exception nor the mode of a file gives away."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.extensions import db
from app.spool import Place, Spool
from tests.support.service import Service

SECRET = "a-value-that-nobody-reads"


def test_the_error_of_a_statement_shows_no_parameter(service: Service) -> None:
    with service.app.app_context(), pytest.raises(DBAPIError) as caught:
        db.session.execute(text("SELECT :value FROM nowhere"), {"value": SECRET})
    assert "nowhere" in str(caught.value)
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.fixture
def common_umask() -> Iterator[None]:
    """Let others read what is made, as most systems do."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("common_umask")
def test_the_spool_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder)

    def modes() -> dict[str, int]:
        return {path.suffix: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}

    assert spool.node
    with spool.reserve() as slot:
        assert modes() == {"": 0o600, ".reserved": 0o600}
        slot.fill(Place.of_no_row(), b"sealed")
        assert modes() == {"": 0o600, ".answer": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.usefixtures("common_umask")
def test_a_spool_that_is_made_for_an_answer_is_too(tmp_path: Path) -> None:
    with Spool(tmp_path / "spool").reserve():
        assert stat.S_IMODE((tmp_path / "spool").stat().st_mode) == 0o700
