"""What every adapter of the `Jobs` port promises. A test class gives an `address`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from contracts.described import EVERYTHING, a_kept, at
from imagebank.ports import Job
from imagebank.storage.database import Database, open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.jobs import SQLJobs
from imagebank.storage.migrate import migrate

Defer = Callable[..., None]


class JobsContract:
    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def database(self, address: str) -> Iterator[Database]:
        database = open_database(address)
        migrate(database)
        yield database
        database.close()

    @pytest.fixture
    def jobs(self, database: Database) -> SQLJobs:
        return SQLJobs(database)

    @pytest.fixture
    def defer(self, database: Database) -> Defer:
        index = SQLIndex(database, EVERYTHING)

        def defer(kind: str = "send", due: datetime | None = None, key: str = "", **payload: Any) -> None:
            with index.begin() as tx:
                tx.defer(kind, payload, due or at(0), key)

        return defer

    def claimed(self, jobs: SQLJobs, seconds: float = 0, *, lease_s: float = 60) -> Job:
        job = jobs.claim(["send"], at(seconds), lease_s)
        assert job is not None
        return job

    def test_the_last_arrival_is_that_of_the_newest_object(self, jobs: SQLJobs, database: Database) -> None:
        assert jobs.last_arrival() is None
        for second in (1, 3):
            kept = replace(a_kept(uid=f"1.1.{second}", content=str(second)), received_at=at(second))
            with SQLIndex(database, EVERYTHING).begin() as tx:
                tx.enter([kept])
        assert jobs.last_arrival() == at(3)

    def test_a_job_is_claimed_once_when_it_is_due(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(due=at(10), to="SCP")

        assert jobs.claim(["send"], at(9), 60) is None
        assert jobs.claim(["other"], at(10), 60) is None
        job = self.claimed(jobs, 10)
        assert (job.kind, job.payload, job.attempt) == ("send", {"to": "SCP"}, 1)
        assert jobs.claim(["send"], at(11), 60) is None

    def test_the_job_that_is_due_first_comes_first(self, jobs: SQLJobs, defer: Defer) -> None:
        for seconds in (3, 1, 2):
            defer(due=at(seconds), number=seconds)

        assert [self.claimed(jobs, 5).payload["number"] for _ in range(3)] == [1, 2, 3]

    def test_a_job_deferred_in_a_transaction_that_failed_is_not_there(self, jobs: SQLJobs, database: Database) -> None:
        def defer_and_fail() -> None:
            with SQLIndex(database, EVERYTHING).begin() as tx:
                tx.defer("send", {}, at(0))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            defer_and_fail()

        assert jobs.claim(["send"], at(1), 60) is None

    def test_a_finished_job_is_forgotten(self, jobs: SQLJobs, defer: Defer) -> None:
        defer()
        jobs.finish(self.claimed(jobs, lease_s=1))

        assert jobs.claim(["send"], at(100), 60) is None

    def test_a_job_comes_again_when_its_lease_has_ended(self, jobs: SQLJobs, defer: Defer) -> None:
        defer()
        self.claimed(jobs, lease_s=30)

        assert jobs.claim(["send"], at(29), 30) is None
        assert self.claimed(jobs, 30).attempt == 2

    def test_a_failed_job_comes_again_at_its_time(self, jobs: SQLJobs, defer: Defer) -> None:
        defer()
        jobs.fail(self.claimed(jobs), "peer is away", at(50))

        assert jobs.claim(["send"], at(49), 60) is None
        assert self.claimed(jobs, 50).attempt == 2

    def test_a_job_that_is_given_up_is_kept_with_its_reason(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(to="SCP")
        job = self.claimed(jobs)
        jobs.fail(job, "no such peer", None)

        assert jobs.claim(["send"], at(10_000), 60) is None
        assert jobs.laid_aside() == [(job, "no such peer")]

    def test_whoever_overran_its_lease_cannot_fail_the_job_of_the_next(self, jobs: SQLJobs, defer: Defer) -> None:
        defer()
        slow = self.claimed(jobs, lease_s=10)
        quick = self.claimed(jobs, 10)
        jobs.fail(slow, "too late", None)

        assert jobs.laid_aside() == []
        jobs.finish(quick)

    def test_waiting_jobs_with_one_key_become_one_at_the_later_time(self, jobs: SQLJobs, defer: Defer) -> None:
        for seconds in (5, 9, 7):
            defer(due=at(seconds), key="1.2.3")
        defer(due=at(1), key="4.5.6")
        defer(due=at(1), kind="other", key="1.2.3")

        assert self.claimed(jobs, 8).id != self.claimed(jobs, 9).id
        assert jobs.claim(["send"], at(20), 60) is None

    def test_a_job_that_waits_moves_by_a_second_at_least(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(due=at(5), key="1.2.3", uid="1")
        defer(due=at(5.9), key="1.2.3", uid="1")
        assert jobs.claim(["send"], at(4), 60) is None
        assert self.claimed(jobs, 5).payload == {"uid": "1"}
        defer(due=at(5), key="4.5.6", uid="1")
        defer(due=at(5.9), key="4.5.6", uid="2")
        assert jobs.claim(["send"], at(5), 60) is None
        assert self.claimed(jobs, 6).payload == {"uid": "2"}

    def test_a_job_that_waits_can_be_taken_back(self, jobs: SQLJobs, defer: Defer, database: Database) -> None:
        for key in ("1.2.3", "4.5.6"):
            defer(key=key, uid=key)
        with SQLIndex(database, EVERYTHING).begin() as tx:
            tx.forget("send", "1.2.3")
            tx.forget("other", "4.5.6")

        assert self.claimed(jobs).payload == {"uid": "4.5.6"}
        assert jobs.claim(["send"], at(50), 60) is None

    def test_jobs_without_key_stay_apart(self, jobs: SQLJobs, defer: Defer) -> None:
        defer()
        defer()

        assert self.claimed(jobs).id != self.claimed(jobs).id

    def test_a_key_may_wait_again_while_its_job_is_being_done(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(key="1.2.3")
        job = self.claimed(jobs)
        defer(key="1.2.3", due=at(5))

        again = self.claimed(jobs, 5)
        assert again.id != job.id

    def test_a_failed_job_gives_way_to_one_of_its_key_that_waits(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(key="1.2.3")
        job = self.claimed(jobs)
        defer(key="1.2.3", due=at(5))
        jobs.fail(job, "peer is away", at(3))

        assert jobs.claim(["send"], at(4), 60) is None
        assert self.claimed(jobs, 5).attempt == 1

    def test_several_workers_share_the_jobs_and_none_gets_one_twice(self, jobs: SQLJobs, defer: Defer) -> None:
        for _ in range(30):
            defer()

        def work(_: int) -> list[int]:
            done = []
            while job := jobs.claim(["send"], at(1), 60):
                done.append(job.id)
                jobs.finish(job)
            return done

        with ThreadPoolExecutor(4) as pool:
            done = [number for numbers in pool.map(work, range(4)) for number in numbers]
        rest = work(0)
        assert len(set(done + rest)) == len(done + rest) == 30

    def test_several_jobs_of_a_small_kind_are_taken_and_finished_together(self, jobs: SQLJobs, defer: Defer) -> None:
        for seconds in (4, 2, 1, 3):
            defer(due=at(seconds), number=seconds)
        defer("other", due=at(2))
        self.claimed(jobs, 1, lease_s=0.5)

        taken = [jobs.take(["send", "other"], at(3), 60, {"send"}, 3) for _ in range(3)]
        assert [[(job.payload.get("number"), job.attempt) for job in some] for some in taken] == [
            [(1, 2)],  # a lease that has ended
            [(2, 1), (3, 1)],
            [(None, 1)],
        ]
        jobs.finish(*(job for some in taken for job in some))
        assert [job.payload["number"] for job in jobs.take(["send", "other"], at(99), 60, {"send"}, 3)] == [4]

    def test_a_job_that_is_given_back_is_taken_as_if_for_the_first_time(self, jobs: SQLJobs, defer: Defer) -> None:
        defer(key="1.2.3", number=1)
        job = self.claimed(jobs)
        defer(key="1.2.3", due=at(5), number=2)
        jobs.give_back(at(2), job)

        assert jobs.claim(["send"], at(1), 60) is None
        assert self.claimed(jobs, 2) == job
        jobs.give_back(at(3), replace(job, attempt=7))
        assert jobs.claim(["send"], at(4), 60) is None

    def test_deferring_one_key_at_once_makes_one_job(self, jobs: SQLJobs, defer: Defer) -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda n: defer(key="1.2.3", due=at(n)), range(12)))

        self.claimed(jobs, 11)
        assert jobs.claim(["send"], at(20), 60) is None
