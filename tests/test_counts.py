"""What is counted adds up: over gunicorn's workers, over their deaths, over all processes of a node."""

from __future__ import annotations

import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.databases import SqliteDatabases
from tests.support.processes import Gunicorn, gunicorn, run
from tests.support.scraping import Scrape
from tests.support.settings import base_settings

ASKED = {"method": "GET", "route": "/api/connections", "status": "401"}
COUNT = """
import os, sys, time
from app import counters, tally
for _ in range(int(sys.argv[1])):
    counters.secrets_read.labels("typed").inc()
if sys.argv[2:]:
    os.kill(os.getpid(), int(sys.argv[2]))
print(sum(sample.value for metric in tally.counted() for sample in metric.samples))
"""


def count(folder: Path, number: int, *signals: int) -> tuple[str, str]:
    """Count in a process of its own, which may be killed before it ends; return the sum that it sees."""
    words = [str(number), *(str(int(one)) for one in signals)]
    done = run("-c", COUNT, *words, environ={"PROMETHEUS_MULTIPROC_DIR": str(folder)})
    return done.stdout.strip(), done.stderr


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "metrics"


@pytest.fixture
def server(sqlite: SqliteDatabases, shared: Path) -> Iterator[Gunicorn]:
    environ = {**base_settings(), "DATABASE_URL": sqlite.new(), "PROMETHEUS_MULTIPROC_DIR": str(shared)}
    with gunicorn(environ, "-w", "2") as started:
        started.wait_for_answer()
        yield started


def workers(server: Gunicorn) -> list[int]:
    """Return the pids of all workers that were started, the latest last."""
    found = (re.fullmatch(r"Booting worker with pid: (\d+)", line["event"]) for line in server.lines())
    return [int(match[1]) for match in found if match]


def ask(server: Gunicorn, times: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert {one.status_code for one in pool.map(server.get, ["/api/connections"] * times)} == {401}


def scrape(server: Gunicorn) -> Scrape:
    return Scrape(server.get("/metrics").text)


def test_two_workers_add_up_and_a_killed_one_is_not_forgotten(server: Gunicorn, shared: Path) -> None:
    ask(server, 60)
    assert scrape(server)("latchkey_requests_total", **ASKED) == 60
    assert scrape(server)("latchkey_request_seconds_count", route="/api/connections") == 60
    for pid in workers(server):
        os.kill(pid, signal.SIGKILL)
    until_there_are(server, 4)
    assert scrape(server)("latchkey_requests_total", **ASKED) == 60
    ask(server, 10)
    assert scrape(server)("latchkey_requests_total", **ASKED) == 70
    assert len(list(shared.glob("counter_*.db"))) == 2, "they count on where those before them ended"


def until_there_are(server: Gunicorn, number: int) -> None:
    end = time.monotonic() + 20
    while len(workers(server)) < number:
        assert time.monotonic() < end, server.log()
        time.sleep(0.05)
    server.wait_for_answer()


def test_a_folder_is_made_for_each_start_and_goes_with_it(sqlite: SqliteDatabases, tmp_path: Path) -> None:
    environ = {**base_settings(), "DATABASE_URL": sqlite.new()}
    (tmp_path / "latchkey-metrics-left").mkdir()
    with gunicorn(environ, "--worker-tmp-dir", str(tmp_path)) as server:
        server.wait_for_answer()
        (folder,) = tmp_path.glob("latchkey-metrics-*")
        with gunicorn(environ, "--worker-tmp-dir", str(tmp_path)) as another:
            another.wait_for_answer()
            assert len(list(tmp_path.glob("latchkey-metrics-*"))) == 2, "one that is in use is left alone"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
        server.process.terminate()
        assert server.wait_for_end() == 0
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_the_operators_is_shared_and_left(shared: Path) -> None:
    assert [count(shared, number)[0] for number in (3, 4)] == ["3.0", "7.0"]
    assert sorted(file.name for file in shared.iterdir()) == ["1.lock", "counter_1.db", "histogram_1.db"]
    assert stat.S_IMODE(shared.stat().st_mode) == 0o700


def test_processes_at_the_same_time_count_apart_and_together(shared: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: count(shared, 500), range(3)))
    assert count(shared, 0)[0] == "1500.0"


def test_what_a_killed_process_counted_stays(shared: Path) -> None:
    assert count(shared, 5, signal.SIGKILL)[0] == ""
    assert count(shared, 1)[0] == "6.0" and len(list(shared.glob("counter_*"))) == 1


def test_a_folder_of_somebody_else_is_not_used(shared: Path) -> None:
    shared.mkdir()
    os.chmod(shared, 0o777)
    if os.geteuid() == 0:
        os.chown(shared, 12345, -1)
    folder = shared if os.geteuid() == 0 else Path("/usr")
    told = "PROMETHEUS_MULTIPROC_DIR: each process counts for itself (PermissionError)"
    assert count(folder, 2) == ("2.0", f"{told}\n") and list(shared.iterdir()) == []


def test_a_full_disk_stops_no_process(shared: Path) -> None:
    """Files are limited to less than what is set aside for one. To write into their pages would be fatal."""
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))"
    done = run("-c", limit + COUNT, "2", environ={"PROMETHEUS_MULTIPROC_DIR": str(shared)})
    assert (done.returncode, done.stdout.strip()) == (0, "2.0") and "counts for itself" in done.stderr
