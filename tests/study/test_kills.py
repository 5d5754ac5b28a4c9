"""kill -9 at random moments, fifty times: no acknowledged answer is lost, none is doubled, schedules stay balanced."""

import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from playground.study.database import connect, sqlite_url, transact
from playground.study.schedule import design
from playground.study.stimuli import Study
from playground.study.store import Store
from playground.study.tables import answers, people, trials
from tests.study.browser import PRACTISED, ROOT, Browser, Server
from tests.study.made import an_answer
from tests.study.postgres import Server as Postgres

TRIALS = 19
T = TypeVar("T")


class Acknowledged:
    """What the server has said is saved; waits for more of it."""

    def __init__(self) -> None:
        self.tokens: list[str] = []
        self.changed = threading.Condition()

    def add(self, token: str) -> None:
        with self.changed:
            self.tokens.append(token)
            self.changed.notify_all()

    def wait_for(self, more: int) -> None:
        with self.changed:
            wanted = len(self.tokens) + more
            assert self.changed.wait_for(lambda: len(self.tokens) >= wanted, timeout=120)


def assert_all_is_kept(url: str, study: Study, acknowledged: list[str]) -> None:
    """Every acknowledged answer is there once, every schedule is whole, and cells are filled evenly."""
    assert len(set(acknowledged)) == len(acknowledged)
    engine = connect(url)

    def read(connection: sa.Connection) -> tuple[list[str], list[int], Counter[str]]:
        tokens = list(
            connection.execute(sa.select(trials.c.token).join(answers, answers.c.trial_id == trials.c.id)).scalars()
        )
        schedules = list(
            connection.execute(
                sa.select(sa.func.count(trials.c.id)).select_from(people.outerjoin(trials)).group_by(people.c.id)
            ).scalars()
        )
        cells = sa.select(trials.c.cell).where(trials.c.counted, trials.c.check == "")
        return tokens, schedules, Counter(connection.execute(cells).scalars())

    tokens, schedules, cells = transact(engine, read)
    engine.dispose()
    assert len(set(tokens)) == len(tokens)
    assert set(acknowledged) <= set(tokens)
    assert set(schedules) == {TRIALS}
    for kind in ("pair", "adjustment", "single", "adaptive"):
        filled = [cells[cell] for cell in design(study, study.plan.of_kind(kind)[0], study.plan.scored_prompts)]
        assert max(filled) - min(filled) <= 1


def test_a_process_that_votes_is_killed_20_times(folder: Path, study: Study, tmp_path: Path) -> None:
    url, rng, acknowledged = sqlite_url(tmp_path / "study.sqlite"), random.Random(), []
    for number in range(20):
        command = [sys.executable, "-m", "tests.study.voter", str(folder), url, str(number)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as voter:
            assert voter.stdout is not None
            lines = [voter.stdout.readline() for _ in range(rng.randrange(60))]
            voter.kill()
            lines += voter.stdout.readlines()
        # A line cut off by the kill was not acknowledged to anybody.
        acknowledged += [line.split()[1] for line in lines if line.endswith("\n") and " " in line]
    assert acknowledged
    assert_all_is_kept(url, study, acknowledged)


class Over(Exception):
    """The test has seen enough."""


def insist(work: Callable[[], T], over: threading.Event, *passing: type[Exception]) -> T:
    """Do it again until it succeeds, as a person would whose server is away."""
    while not over.is_set():
        try:
            return work()
        except passing:
            over.wait(0.05)  # nobody presses a button faster
    raise Over


@contextmanager
def crowd(person: Callable[[int, threading.Event], None], number: int) -> Iterator[None]:
    """So many people on threads of their own, for the length of a `with`."""
    over = threading.Event()

    def live(name: int) -> None:
        with suppress(Over):
            person(name, over)

    with ThreadPoolExecutor(number) as pool:
        lives = [pool.submit(live, name) for name in range(number)]
        try:
            yield
        finally:
            over.set()
    for life in lives:
        life.result()


def voter(store: Store, acknowledged: Acknowledged, name: int, over: threading.Event) -> None:
    """Votes straight into a store, person after person."""
    for number in count():
        code = insist(partial(store.enrol, f"form-{name}-{number}"), over, DBAPIError).code
        while (shown := insist(partial(store.show, code), over, DBAPIError)) is not None:
            form = (code, shown.token, f"key-{shown.token}", an_answer(shown))
            insist(partial(store.answer, *form), over, DBAPIError)
            acknowledged.add(shown.token)


def test_postgresql_is_killed_20_times(study: Study, own_postgres: Postgres) -> None:
    url, rng, acknowledged = own_postgres.new_database(), random.Random(), Acknowledged()
    with Store.open(url, study) as store, crowd(partial(voter, store, acknowledged), 4):
        for _ in range(20):
            acknowledged.wait_for(rng.randrange(1, 40))
            own_postgres.kill()
            own_postgres.start()
        acknowledged.wait_for(1)
    assert_all_is_kept(url, study, acknowledged.tokens)


def walker(url: str, acknowledged: Acknowledged, name: int, over: threading.Event) -> None:
    """Sends each form by HTTP until the next page comes, person after person."""
    while True:
        with closing(Browser(url, wait_s=20)) as browser:
            insist(browser.open, over, httpx.HTTPError)
            while (form := browser.next_form()) is not None:
                insist(partial(browser.send, form), over, httpx.HTTPError)
                assert browser.notice in ("", PRACTISED)
                if form["action"] == "answer":
                    acknowledged.add(form["token"])


def assert_answers_outlive(victim: Server | Postgres, server: Server, url: str, study: Study) -> None:
    """Kill the victim five times while people answer at the server."""
    rng, acknowledged = random.Random(), Acknowledged()
    with server, crowd(partial(walker, server.url, acknowledged), 6):
        for _ in range(5):
            acknowledged.wait_for(rng.randrange(1, 60))
            victim.kill()
            victim.start()
        acknowledged.wait_for(6)
    assert_all_is_kept(url, study, acknowledged.tokens)


def test_the_whole_server_is_killed_5_times(folder: Path, study: Study, tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "study.sqlite")
    server = Server(folder, url, tmp_path / "log")
    assert_answers_outlive(server, server, url, study)


def test_postgresql_is_killed_5_times_under_the_whole_server(
    folder: Path, study: Study, tmp_path: Path, own_postgres: Postgres
) -> None:
    url = own_postgres.new_database()
    assert_answers_outlive(own_postgres, Server(folder, url, tmp_path / "log"), url, study)


@pytest.fixture(scope="module")
def own_postgres(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Postgres]:
    """A PostgreSQL server that may be killed, apart from the one other tests use."""
    server = Postgres(tmp_path_factory.mktemp("own-postgres"))
    server.start()
    yield server
    server.remove()
