"""How gunicorn's workers share connections, and how a thread stays with a client."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path

import psutil
import pytest

from tests.support.databases import ROOT
from tests.support.processes import Gunicorn

THREADS = 4
CONNECTIONS = 16
APP = """
import os, time
from contextlib import nullcontext

WAITS = {kind: nullcontext for kind in ("", "kept", "broken", "odd", "late")}

class Kept:
    together, ever = 1, 0

    def __init__(self, start_response, body):
        Kept.ever += 1
        self.start_response, self.body, self.company = start_response, body, str(has_company())

    def __iter__(self):
        fields = [("Content-Length", str(len(self.body))), ("Together", str(self.together))]
        fields.append(("Company", self.company))
        self.start_response("200 OK", fields)
        return iter([self.body])

class Broken(Kept):
    def __iter__(self):
        raise ValueError

class Odd(Kept):
    pass

class Late(Kept):
    def settle(self):
        "Wait long until there were five others, for a second at most."
        ends = time.monotonic() + 1
        with WAITS["long"]():
            while Kept.ever < 6 and time.monotonic() < ends:
                time.sleep(0.001)

KEPT = {"kept": Kept, "broken": Broken, "odd": Odd, "late": Late}

def settle(answers):
    if any(isinstance(answer, Odd) for answer in answers):
        raise ValueError
    if isinstance(answers[0], Late):
        answers[0].settle()
    for answer in answers:
        answer.together = len(answers)

def app(environ, start_response):
    kind, _, seconds = environ["PATH_INFO"][1:].rpartition("/")
    with WAITS[kind]():
        time.sleep(float(seconds or 0))
    body = str(os.getpid()).encode().rjust(int(environ["QUERY_STRING"] or 0))
    if kind in KEPT:
        return KEPT[kind](start_response, body)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return read_after(body, environ["wsgi.input"])

def read_after(body, more):
    yield body
    more.read()
"""
SETTINGS = f"""
import runpy
globals().update(runpy.run_path({str(ROOT / "gunicorn.conf.py")!r}))

def post_worker_init(worker):
    "The application here has no database to be looked at."
    import small, time
    computed = lambda: (time.sleep(0.6), worker.brief())[1]
    small.WAITS.update(long=worker.long, brief=worker.brief, computed=computed)
    small.has_company = worker.has_company
    worker.settles(small.Kept, small.settle)
"""

UNRELIEVED = f"""
import serving, socket
serving.worker.LONG = float("inf")
{SETTINGS}
    for listener in worker.sockets:  # so little that an answer which is not read is waited for
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
"""


UNHURRIED = f"""
import serving
serving.worker.HELD = 60
{SETTINGS}
"""


class Client:
    """One connection that is kept."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._answers = self.socket.makefile("rb")

    def send(self, seconds: float | str = 0, *, times: int = 1, length: int = 0) -> None:
        """Ask for an answer after so many seconds, of so many bytes at least.

        "long/1" waits long for it, "kept/1" is to be settled then.
        """
        request = f"GET /{seconds}?{length} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        self.socket.sendall(request.encode() * times)

    def read(self) -> tuple[int, bool]:
        """Return which worker answered, and whether the connection stays."""
        head = list(takewhile(str.strip, map(bytes.decode, self._answers)))
        assert head and head[0].startswith("HTTP/1.1 200"), head
        fields = dict(line.lower().strip().split(": ", 1) for line in head[1:])
        self.settled_together, self.company = int(fields.get("together", 0)), fields.get("company")
        return int(self._answers.read(int(fields["content-length"]))), fields["connection"] != "close"

    def ask(self, seconds: float | str = 0) -> int:
        self.send(seconds)
        return self.read()[0]

    def close(self) -> None:
        self._answers.close()
        self.socket.close()


@contextlib.contextmanager
def serving(folder: Path, *options: str, settings: str = SETTINGS) -> Iterator[Gunicorn]:
    """Run workers of a few threads."""
    (folder / "small.py").write_text(APP)
    (folder / "small.conf.py").write_text(settings)
    every = ("-c", str(folder / "small.conf.py"), "--pythonpath", str(folder), "--threads", str(THREADS))
    started = Gunicorn({"PYTHONPATH": str(ROOT)}, *every, *options, app="small:app")
    with contextlib.closing(started):
        started.wait_for_answer("/")
        yield started
        if started.process.poll() is None:
            started.process.send_signal(signal.SIGTERM)
            assert started.wait_for_end() == 0, "a thread of it does not end"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Gunicorn]:
    with serving(tmp_path, "-w", "2") as started:
        wait_for_workers(started)
        yield started


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Gunicorn]:
    """One worker, so that all clients are its."""
    with serving(tmp_path, "-w", "1", "--keep-alive", "2", "--worker-connections", "12") as started:
        yield started


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[Gunicorn]:
    """Two workers that leave a connection to the other one for as long as that takes."""
    patient = f"import serving\nserving.worker.PATIENCE = float('inf')\n{SETTINGS}"
    with serving(tmp_path, "-w", "2", settings=patient) as started:
        wait_for_workers(started)
        yield started


@pytest.fixture
def unrelieved(tmp_path: Path) -> Iterator[Gunicorn]:
    """One worker whose main thread takes the turn from nobody: who does not give way holds all others up."""
    with serving(tmp_path, "-w", "1", settings=UNRELIEVED) as started:
        yield started


@pytest.fixture
def unhurried(tmp_path: Path) -> Iterator[Gunicorn]:
    """One worker that keeps answers for as long as others are settled."""
    with serving(tmp_path, "-w", "1", settings=UNHURRIED) as started:
        yield started


def wait_for_workers(server: Gunicorn, without: int | None = None) -> None:
    """Return when two workers answer, and this one is none of them."""
    end = time.monotonic() + 20
    while without in (seen := shares(server)) or len(seen) < 2:
        assert time.monotonic() < end, server.log()


@contextlib.contextmanager
def clients(server: Gunicorn, many: int) -> Iterator[Sequence[Client]]:
    """Connect all at once."""
    with ThreadPoolExecutor(many) as crowd, contextlib.ExitStack() as stack:
        made = list(crowd.map(lambda _: Client(server.port), range(many)))
        for client in made:
            stack.enter_context(contextlib.closing(client))
        yield made


def shares(server: Gunicorn) -> Counter[int]:
    """Return how many of some connections each worker has."""
    with clients(server, CONNECTIONS) as crowd:
        for client in crowd:
            client.send()
        return Counter(client.read()[0] for client in crowd)


def test_no_worker_takes_most_of_the_connections(server: Gunicorn) -> None:
    """Left to chance, one has more than ten of sixteen in a fifth of all cases."""
    uneven = 0
    for _ in range(30):
        uneven += max(shares(server).values()) > 10
        time.sleep(0.05)  # until each worker has seen that they are closed
    assert uneven <= 2


def test_who_has_more_to_do_leaves_new_connections_to_the_other(patient: Gunicorn) -> None:
    """Whichever of the two it is."""
    for busy in shares(patient):
        with contextlib.ExitStack() as stack:
            new = iter(lambda: stack.enter_context(contextlib.closing(Client(patient.port))), None)
            answered: dict[bool, list[Client]] = {True: [], False: []}
            while len(answered[True]) < CONNECTIONS:
                client = next(new)
                answered[client.ask() == busy].append(client)
            kept, *rest = answered[False]
            for client in rest:
                client.close()
            kept.ask()  # until the other one has seen that they are closed
            assert [next(new).ask() == busy for _ in range(CONNECTIONS // 2)].count(True) == 0


def test_what_a_killed_worker_had_is_taken_by_the_others(server: Gunicorn) -> None:
    with clients(server, CONNECTIONS) as crowd:
        killed = crowd[0].ask()
        os.kill(killed, signal.SIGKILL)
        assert shares(server)[killed] == 0, "nobody is left waiting for it"
    wait_for_workers(server, without=killed)
    time.sleep(1)
    for _ in range(5):
        assert max(shares(server).values()) <= 10


def test_a_worker_whose_threads_are_all_busy_takes_no_more(patient: Gunicorn) -> None:
    """And the other one does not leave them to it, however many it has itself."""
    with clients(patient, 4 * THREADS) as crowd:
        [(busy, _)] = Counter(client.ask() for client in crowd).most_common(1)
        slow = [client for client in crowd if client.ask() == busy]
        assert len(slow) >= THREADS
        for client in slow:
            client.send(3)
        time.sleep(0.5)
        with contextlib.ExitStack() as stack:
            for _ in range(4 * THREADS):
                client = stack.enter_context(contextlib.closing(Client(patient.port)))
                assert client.ask() != busy
        assert {client.read()[0] for client in slow} == {busy}


def test_one_client_that_asks_at_once_keeps_nobody_waiting(alone: Gunicorn) -> None:
    """Who asks again as soon as it has its answer comes after those who have none yet."""
    asked = Counter[Client]()
    with clients(alone, 2 * THREADS) as crowd, selectors.DefaultSelector() as answers:
        for client in crowd:
            answers.register(client.socket, selectors.EVENT_READ, client)
            client.send(0.001)
        while max(asked.values(), default=0) < 40:
            for key, _ in answers.select():
                key.data.read()
                asked[key.data] += 1
                key.data.send(0.001)
    assert len(asked) == len(crowd) and min(asked.values()) > 20, asked.values()


def test_requests_that_come_before_their_answers_are_all_answered(server: Gunicorn) -> None:
    with contextlib.closing(Client(server.port)) as client:
        client.send(times=50)
        answered = [client.read() for _ in range(50)]
    assert len({worker for worker, _ in answered}) == 1 and all(stays for _, stays in answered)


@pytest.mark.parametrize("kind", ["", "kept/"])
@pytest.mark.parametrize("how", [(2, 0), (0, 8 << 20)], ids=["computed", "not read"])
def test_an_answer_that_takes_long_holds_nobody_up(alone: Gunicorn, how: tuple[int, int], kind: str) -> None:
    """Whoever leads is relieved, time and again, until all threads but one are taken."""
    seconds, length = how
    with clients(alone, THREADS - 1) as slow, contextlib.closing(Client(alone.port)) as other:
        for client in slow:
            client.send(f"{kind}{seconds}", length=length)
        begun = time.monotonic()
        for _ in range(50):
            other.ask(f"{kind}0")
        assert time.monotonic() - begun < 1.8
        for client in slow:
            client.read()


def test_answers_that_are_kept_are_settled_together(alone: Gunicorn) -> None:
    together, accompanied = Counter[int](), 0
    with clients(alone, 8) as crowd:
        for _ in range(20):
            for client in crowd:
                client.send("kept/0.002")
            for client in crowd:
                client.read()
                together[client.settled_together] += 1
                accompanied += client.company == "true"
        crowd[0].ask("kept/0")
        assert (crowd[0].settled_together, crowd[0].company) == (1, "false")
    assert max(together) > 3 and accompanied > 40
    assert all(many % size == 0 for size, many in together.items()), "each knows of all others"


def test_what_is_kept_while_others_are_settled_is_settled_together_after_them(unhurried: Gunicorn) -> None:
    with clients(unhurried, 6) as (late, *crowd):
        late.send("late/0")
        time.sleep(0.1)
        for client in crowd:
            client.send("kept/0")
            time.sleep(0.01)
        for client in crowd:
            client.read()
            assert (client.settled_together, client.company) == (5, "true")
        assert late.read()[1] and late.settled_together == 1


def test_where_others_are_settled_for_long_what_is_kept_is_settled_beside_them(alone: Gunicorn) -> None:
    with clients(alone, 2) as (late, kept):
        late.send("late/0")
        time.sleep(0.1)
        begun = time.monotonic()
        for _ in range(3):
            kept.ask("kept/0")
        assert time.monotonic() - begun < 0.5
        assert late.read()


def test_an_answer_that_is_kept_does_not_wait_for_one_that_takes_long(alone: Gunicorn) -> None:
    with clients(alone, 3) as (first, kept, slow):
        for _ in range(5):
            first.send(0.005)
            kept.send("kept/0")
            slow.send(0.4)
            begun = time.monotonic()
            kept.read()
            assert time.monotonic() - begun < 0.3
            first.read()
            slow.read()


def test_an_answer_that_breaks_when_it_is_sent_is_told_to_its_client_alone(alone: Gunicorn) -> None:
    with clients(alone, 8) as crowd:
        for place, client in enumerate(crowd):
            client.send("broken/0.002" if place == 4 else "kept/0.002")
        assert crowd[4].socket.recv(100).startswith(b"HTTP/1.1 500")
        assert all(client.read()[1] for place, client in enumerate(crowd) if place != 4)


def test_where_answers_cannot_be_settled_together_each_is_sent_by_itself(alone: Gunicorn) -> None:
    with clients(alone, 8) as crowd:
        worker = crowd[0].ask()
        for place, client in enumerate(crowd):
            client.send("odd/0.002" if place == 4 else "kept/0.002")
        assert {client.read() for client in crowd} == {(worker, True)}
        assert crowd[0].ask() == worker


def test_clients_that_leave_before_their_answers_are_forgotten(alone: Gunicorn) -> None:
    for _ in range(20):
        with clients(alone, 8) as crowd:
            for client in crowd:
                client.send("kept/0.002", times=2)
    [worker] = psutil.Process(alone.process.pid).children()
    with clients(alone, 8) as crowd:
        for client in crowd:
            client.send("kept/0")
        for client in crowd:
            client.read()
        before = sum(worker.cpu_times()[:2])
        time.sleep(1)
        assert sum(worker.cpu_times()[:2]) - before < 0.3


def test_who_reads_on_has_said_what_it_has_to_say(alone: Gunicorn) -> None:
    """The client may wait for that before it goes on."""
    with contextlib.closing(Client(alone.port)) as client:
        client.socket.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n")
        assert client.read()
        client.socket.sendall(b".")
        assert client.ask()


def test_a_brief_wait_holds_nobody_up_who_has_asked(unrelieved: Gunicorn) -> None:
    with clients(unrelieved, 3) as (first, brief, other):
        first.send(0.3)
        time.sleep(0.1)
        brief.send("brief/3")
        time.sleep(0.1)
        other.socket.settimeout(1.5)
        other.ask()
        assert first.read() and brief.read()


def test_a_brief_wait_holds_nobody_up_who_comes_back_from_another(unrelieved: Gunicorn) -> None:
    with clients(unrelieved, 2) as (back, brief):
        back.send("long/0.3")
        time.sleep(0.1)
        brief.send("computed/3")
        back.socket.settimeout(2)
        assert back.read() and brief.read()


def test_who_comes_back_from_a_wait_comes_before_those_who_have_asked(unrelieved: Gunicorn) -> None:
    with clients(unrelieved, 9) as (back, *crowd):
        back.send("long/0.1")
        for client in crowd:
            client.send(0.3)
        back.socket.settimeout(1.5)
        assert back.read() and all(client.read() for client in crowd)


def test_who_comes_back_from_a_wait_is_not_kept_waiting(alone: Gunicorn) -> None:
    """By one who asks and asks."""
    times = 4000
    with clients(alone, 2) as (flood, other), ThreadPoolExecutor(1) as threads:
        done = threads.submit(lambda: [flood.read() for _ in range(times)])
        flood.send(times=times)
        other.ask("long/0.002")
        assert not done.done()
        assert len(done.result(20)) == times


@pytest.mark.parametrize("kind", ["long", "brief"])
def test_while_one_waits_others_are_served(alone: Gunicorn, kind: str) -> None:
    """Even if each waits for less than what would make another thread lead."""
    times, seconds = 50, 0.008
    with clients(alone, THREADS) as crowd, ThreadPoolExecutor(THREADS) as threads:
        begun = time.monotonic()
        list(threads.map(lambda client: [client.ask(f"{kind}/{seconds}") for _ in range(times)], crowd))
        assert time.monotonic() - begun < THREADS * times * seconds * 0.7


def test_slow_requests_that_come_before_their_answers_are_all_answered(alone: Gunicorn) -> None:
    """They are taken up though their thread leads no more, and nobody is told of them."""
    with clients(alone, 2) as crowd:
        for client in crowd:
            client.send(0.06, times=5)
        assert all(client.read()[1] for client in crowd for _ in range(5))


def test_who_asks_nothing_for_long_is_left(alone: Gunicorn) -> None:
    with contextlib.closing(Client(alone.port)) as answered, contextlib.closing(Client(alone.port)) as silent:
        answered.ask()
        begun = time.monotonic()
        assert answered.socket.recv(1) == silent.socket.recv(1) == b""
        assert 1.9 < time.monotonic() - begun < 6


def test_whose_time_is_over_before_its_turn_comes_is_served_no_more(tmp_path: Path) -> None:
    with serving(tmp_path, "-w", "1", "--keep-alive", "1", settings=UNRELIEVED) as started:
        with clients(started, 3) as (first, slow, late):
            first.send(0.3)
            time.sleep(0.1)
            slow.send(3)
            time.sleep(0.1)
            late.send()
            with contextlib.suppress(ConnectionResetError):
                assert late.socket.recv(1) == b""
            assert first.read() and slow.read()
        assert started.get("/").status_code == 200
        assert not [line for line in started.lines() if line["level"] == "error"]


def test_more_connections_than_a_worker_may_have_wait_for_others_to_end(alone: Gunicorn) -> None:
    with clients(alone, 12) as crowd, contextlib.closing(Client(alone.port)) as late:
        late.send()
        late.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            late.socket.recv(1, socket.MSG_PEEK)
        crowd[0].close()
        late.socket.settimeout(20)
        assert late.read()


@pytest.mark.parametrize("settings", [SETTINGS, UNRELIEVED], ids=["relieved", "unrelieved"])
def test_a_worker_that_cannot_take_a_connection_is_replaced(tmp_path: Path, settings: str) -> None:
    few = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))"
    with serving(tmp_path, "-w", "1", settings=f"{settings}    {few}\n") as started:
        with contextlib.closing(Client(started.port)) as client:
            first = client.ask()
            with clients(started, 60):
                end = time.monotonic() + 20
                while "a thread that serves has failed" not in started.log():
                    assert time.monotonic() < end
                    time.sleep(0.05)
        end = time.monotonic() + 20
        while int(started.wait_for_answer("/").text) == first:
            assert time.monotonic() < end


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_it_ends_at_once_where_it_is_told_so(server: Gunicorn, how: signal.Signals) -> None:
    with clients(server, CONNECTIONS) as crowd:
        for client in crowd:
            client.ask()
        begun = time.monotonic()
        server.process.send_signal(how)
        server.wait_for_end()
    assert time.monotonic() - begun < 3


def send_half(client: Client) -> None:
    client.socket.sendall(b"GET / HTTP/1.1\r\nHo")


def read_nothing(client: Client) -> None:
    client.send(length=1 << 20)


def stay_after_the_end(client: Client) -> None:
    client.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert client.read()[1] is False


@pytest.mark.parametrize("be_slow", [send_half, read_nothing, stay_after_the_end])
def test_who_waits_for_a_client_gives_way_by_itself(
    unrelieved: Gunicorn, be_slow: Callable[[Client], None]
) -> None:
    """A client that does not close is waited for for two seconds, the others for longer."""
    with clients(unrelieved, THREADS - 1) as slow, contextlib.closing(Client(unrelieved.port)) as other:
        other.socket.settimeout(1.5)
        for client in slow:
            be_slow(client)
            other.ask()


def test_clients_that_say_nothing_hold_nobody_up(server: Gunicorn) -> None:
    with clients(server, 4 * THREADS), contextlib.closing(Client(server.port)) as other:
        begun = time.monotonic()
        other.ask()
        assert time.monotonic() - begun < 1


def test_half_a_request_holds_nobody_up(server: Gunicorn) -> None:
    """It comes while the thread is still there, and the rest of it late."""
    with clients(server, THREADS - 1) as halves, contextlib.closing(Client(server.port)) as other:
        for client in halves:
            client.ask()
            client.socket.sendall(b"GET / HTTP/1.1\r\nHo")
        begun = time.monotonic()
        for _ in range(20):
            other.ask()
        assert time.monotonic() - begun < 1
        for client in halves:
            client.socket.sendall(b"st: localhost\r\n\r\n")
            client.read()


def test_a_client_that_is_to_close_and_does_not_holds_nobody_up(server: Gunicorn) -> None:
    with clients(server, CONNECTIONS) as crowd:
        begun, last = time.monotonic(), crowd[: THREADS - 1]
        for client in last:
            client.socket.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            assert client.read()[1] is False
            client.socket.sendall(b"It may say more, and that breaks off nothing.")
        for client in crowd[len(last) :]:
            client.ask()
        assert time.monotonic() - begun < 1.5
        assert all(client.socket.recv(1) == b"" for client in last)


def test_a_client_that_leaves_after_its_answer_is_no_error(server: Gunicorn) -> None:
    for how in (socket.SHUT_WR, socket.SHUT_RDWR):
        client = Client(server.port)
        client.ask()
        client.socket.shutdown(how)
        client.close()
    assert sum(shares(server).values()) == CONNECTIONS
    assert not [line for line in server.lines() if line["level"] == "error"]


def test_no_answer_is_lost_when_it_ends_while_clients_ask(server: Gunicorn) -> None:
    """Each client is told that the connection ends, in the answer to what it asked last."""
    with clients(server, THREADS * 2) as crowd, ThreadPoolExecutor(len(crowd)) as threads:

        def until_it_ends(client: Client) -> bool:
            stays = True
            while stays:
                client.send()
                _, stays = client.read()
            client.close()
            return True

        told = [threads.submit(until_it_ends, client) for client in crowd]
        time.sleep(0.3)
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert all(each.result(20) for each in told)
        assert server.wait_for_end() == 0
    assert time.monotonic() - begun < 4


def test_who_has_connected_may_still_ask_when_it_ends(server: Gunicorn) -> None:
    """And one that says nothing does not keep it from ending."""
    with clients(server, 2 * THREADS) as silent, clients(server, 2 * THREADS) as crowd:
        begun = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for client in crowd:
            client.send()
        for client in crowd:
            assert client.read()[1] is False
            client.close()
        assert server.wait_for_end() == 0 and silent
    assert time.monotonic() - begun < 6
