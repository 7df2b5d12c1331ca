"""The worker: patient with devices, and with parts of the bank that are away."""

import sqlite3
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import access
from imagebank.bank import Bank
from imagebank.errors import Unavailable
from imagebank.model.access import Role
from imagebank.ports import Job, Jobs
from imagebank.storage import rows
from imagebank.storage.jobs import SQLJobs
from make import a_file


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def at(moment: datetime) -> datetime:
    return moment


def test_what_waits_for_others_is_done_beside_and_keeps_nothing_waiting(bank: Bank) -> None:
    is_slow, is_done = threading.Event(), threading.Event()

    def wait(_: Bank, __: dict[str, Any]) -> None:
        is_slow.wait(10)

    with bank.index.begin() as tx:
        for kind in ("mail", "metadata"):
            tx.defer(kind, {}, bank.now())
    with worker.beside(bank, {"mail": wait}):
        assert worker.step(bank, {"metadata": lambda _, __: is_done.set()})
        is_slow.set()
        assert is_done.is_set()


def refuse(_: Bank, __: dict[str, Any]) -> None:
    raise Unavailable("the device does not answer")


@pytest.mark.parametrize(
    ("kind", "least", "most"),
    [
        ("commitment-result", timedelta(days=2, hours=12), timedelta(days=4)),
        ("route", timedelta(days=2, hours=12), timedelta(days=4)),
        ("metadata", timedelta(minutes=3), timedelta(minutes=10)),
    ],
)
def test_a_device_has_days_to_take_a_commitment_result(
    bank: Bank, kind: str, least: timedelta, most: timedelta
) -> None:
    begin = moment = bank.now()
    with bank.index.begin() as tx:
        tx.defer(kind, {}, begin)
    pauses = []
    for _ in range(200):
        assert worker.step(replace(bank, now=partial(at, moment)), {kind: refuse})
        following = due(bank)
        if following is None:
            break
        pauses.append(following - moment)
        moment = following

    assert least < moment - begin < most
    assert pauses == sorted(pauses)
    assert max(pauses) <= timedelta(hours=1)
    assert isinstance(bank.jobs, SQLJobs)
    assert len(bank.jobs.laid_aside()) == 1


def due(bank: Bank) -> datetime | None:
    """When the job is due next; None when nobody tries any more."""
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        row = database.execute("SELECT due FROM job WHERE state = 'waiting'").fetchone()
    return rows.moment(row[0]) if row else None


class AwayAtFirst:
    """Jobs of a database that does not answer the first times."""

    def __init__(self, jobs: Jobs, times: int) -> None:
        self._jobs = jobs
        self.left = times

    def claim(self, kinds: Sequence[str], now: datetime, lease_s: float) -> Job | None:
        return next(iter(self.take(kinds, now, lease_s)), None)

    def take(
        self, kinds: Sequence[str], now: datetime, lease_s: float, together: Collection[str] = (), most: int = 1
    ) -> list[Job]:
        if self.left:
            self.left -= 1
            raise Unavailable("the database did not answer")
        return self._jobs.take(kinds, now, lease_s, together, most)

    def finish(self, *jobs: Job) -> None:
        self._jobs.finish(*jobs)

    def give_back(self, now: datetime, *jobs: Job) -> None:
        self._jobs.give_back(now, *jobs)

    def fail(self, job: Job, reason: str, retry_at: datetime | None) -> None:
        self._jobs.fail(job, reason, retry_at)

    def last_arrival(self) -> datetime | None:
        return self._jobs.last_arrival()


def test_a_database_that_is_away_for_a_while_does_not_end_the_worker(
    bank: Bank, caplog: pytest.LogCaptureFixture
) -> None:
    with bank.index.begin() as tx:
        tx.defer("wanted", {}, bank.now())
    stop, away = threading.Event(), AwayAtFirst(bank.jobs, 2)
    started = time.monotonic()
    worker.run(replace(bank, jobs=away), stop, {"wanted": lambda *_: stop.set()}, ())

    assert time.monotonic() - started > 2.5
    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "the worker pauses for 1 s",
        "the worker pauses for 2 s",
    ]
    assert due(bank) is None


def test_a_chore_that_fails_ends_neither_the_worker_nor_its_jobs(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    with bank.index.begin() as tx:
        tx.defer("wanted", {}, bank.now())
    stop, done = threading.Event(), list[str]()

    def fail(_: Bank) -> None:
        done.append("failed")
        raise ValueError("a row that nobody thought of")

    chores = ((fail, timedelta(hours=1)), (lambda _: done.append("swept"), timedelta(hours=1)))
    worker.run(bank, stop, {"wanted": lambda *_: stop.set()}, chores)

    assert done == ["failed", "swept"]
    assert due(bank) is None
    assert "a chore of the worker failed; its next turn is in 1:00:00" in caplog.text


def test_jobs_of_a_worker_that_was_killed_among_them_are_done_when_their_lease_has_ended(bank: Bank) -> None:
    with bank.index.begin() as tx:
        for number in range(4):
            tx.defer("hear", {"number": number}, bank.now())
    moment = bank.now()
    taken = bank.jobs.take(("hear",), moment, worker.LEASE_S, worker.TOGETHER, worker.AT_ONCE)
    done = list[int]()
    within, after = (
        replace(bank, now=partial(at, moment + timedelta(seconds=seconds))) for seconds in (1, worker.LEASE_S + 1)
    )
    work = {"hear": lambda _, payload: done.append(payload["number"])}

    assert len(taken) == 4
    assert not worker.step(within, work)
    assert worker.step(after, work)
    bank.jobs.give_back(moment, *taken)
    assert not worker.step(after, work)
    assert done == [0, 1, 2, 3]


def test_an_expired_token_is_listed_for_a_month_and_a_session_no_longer_than_it_lasts(bank: Bank) -> None:
    begin = bank.now()
    access.sign_in(bank, access.sign_in_link(bank, Role.ADMIN, "used"))
    access.sign_in_link(bank, Role.ADMIN, "never used")
    access.issue_token(bank, Role.ADMIN, name="short", days=1)
    access.issue_token(bank, Role.ADMIN, name="long")
    left = [what_is_left(bank, begin + timedelta(days=days)) for days in (0.1, 1.1, 30, 32)]

    assert left == [(["long", "short"], 1), (["long", "short"], 0), (["long", "short"], 0), (["long"], 0)]


def what_is_left(bank: Bank, moment: datetime) -> tuple[list[str], int]:
    """Tokens, and how many sessions and links, after a worker has run for a while at a time."""
    stop = threading.Event()
    with bank.index.begin() as tx:
        tx.defer("stop", {}, moment)
    worker.run(replace(bank, now=partial(at, moment)), stop, {"stop": lambda *_: stop.set()})
    with closing(sqlite3.connect(bank.settings.data / "index.db")) as database:
        (count,) = database.execute("SELECT (SELECT count(*) FROM session) + (SELECT count(*) FROM link)").fetchone()
    return [token.name for token in bank.index.tokens()], count


def test_jobs_that_may_wait_leave_the_machine_to_what_comes_in_for_a_minute_at_most(bank: Bank) -> None:
    keep(bank, a_file())
    came = bank.jobs.last_arrival()
    assert came is not None
    arrivals = worker.Arrivals()

    def wait(after_s: float) -> bool:
        return arrivals.go_on(replace(bank, now=partial(at, came + timedelta(seconds=after_s))))

    assert [wait(after) for after in (0, 0.9, 1, 0.5)] == [True, True, False, True]
    last, always, arrivals = came + timedelta(minutes=2), [], worker.Arrivals()
    for second in range(62):
        bank_then = replace(bank, now=partial(at, last + timedelta(seconds=second)))
        keep(bank_then, a_file(SOPInstanceUID=f"1.2.3.{second}"))
        always.append(arrivals.go_on(bank_then))
    assert always == [True] * 60 + [False] * 2


def test_while_objects_come_in_somebody_who_waits_is_served_and_metadata_are_not_made(bank: Bank) -> None:
    keep(bank, a_file())
    came = bank.jobs.last_arrival()
    assert came is not None
    with bank.index.begin() as tx:
        tx.defer("metadata", {}, came - timedelta(minutes=1))
        tx.defer("route", {}, came)

    assert [done_at(bank, came), done_at(bank, came + timedelta(seconds=2))] == [["route"], ["metadata"]]


def done_at(bank: Bank, moment: datetime) -> list[str]:
    """What a worker does at a moment of what is due then."""
    done, stop = list[str](), threading.Event()
    work = {
        "metadata": lambda *_: done.append("metadata"),
        "route": lambda *_: done.append("route"),
        "stop": lambda *_: stop.set(),
    }
    with bank.index.begin() as tx:
        tx.defer("stop", {}, moment)
    worker.run(replace(bank, now=partial(at, moment)), stop, work, ())
    return done


def test_small_jobs_are_taken_several_at_once_and_one_that_fails_keeps_no_other_back(bank: Bank) -> None:
    with bank.index.begin() as tx:
        for number in range(3):
            tx.defer("hear", {"number": number}, bank.now())
        tx.defer("rotate", {"number": 3}, bank.now())
        tx.defer("rotate", {"number": 4}, bank.now())
    done = []

    def do(_: Bank, payload: dict[str, Any]) -> None:
        if payload["number"] == 1:
            raise Unavailable("not now")
        done.append(payload["number"])

    steps = []
    while worker.step(bank, {"hear": do, "rotate": do}):
        steps.append(list(done))

    assert steps == [[0, 2], [0, 2, 3], [0, 2, 3, 4]]
    assert due(bank) is not None


def test_small_jobs_that_take_long_together_are_given_back_and_are_done_all_the_same(bank: Bank) -> None:
    with bank.index.begin() as tx:
        for number in range(5):
            tx.defer("hear", {"number": number}, bank.now())
    moment, done, steps = bank.now(), list[int](), list[list[int]]()

    def do(_: Bank, payload: dict[str, Any]) -> None:
        nonlocal moment
        moment += timedelta(seconds=0.6)
        done.append(payload["number"])

    while worker.step(replace(bank, now=lambda: moment), {"hear": do}):
        steps.append(list(done))

    assert steps == [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
