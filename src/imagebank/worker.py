"""Runs durable jobs by calling actions."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from imagebank import threads
from imagebank.actions import (
    access,
    asking,
    attributes,
    completeness,
    compress,
    contributing,
    correct,
    deeds,
    expecting,
    export_spool,
    exporting,
    fetching,
    finding,
    foreseen,
    forgotten,
    hearing,
    journal,
    ledger,
    mail,
    notes,
    notify,
    pixels,
    prefetch,
    prefetch_away,
    recalling,
    releasing,
    remove,
    repeat_orders,
    retrieve,
    rotate,
    shred,
    together,
    transfer,
    upload_spool,
)
from imagebank.actions.together import InSteps, Steps
from imagebank.bank import Bank
from imagebank.errors import BankError, NotFound, OutOfSpace, Unavailable
from imagebank.model.access import Scope
from imagebank.model.uid import Uid
from imagebank.ports import Job

Work = Callable[[Bank, dict[str, Any]], None]

LEASE_S = 120.0
IDLE_S = 0.5
ATTEMPTS = 8
LONGEST_PAUSE_S = 3600.0
ATTEMPTS_FOR_DAYS: Final = {
    "commitment-result": 82,
    "route": 82,
    prefetch.PUSH: 12,
    recalling.JOB: 12,
    prefetch_away.JOB: 12,
    transfer.JOB: 82,
    fetching.JOB: 82,
    notify.MAIL: 90,
    "destroy": 82,
    "shred": 82,
    "amend": 82,
}
"""Kinds that are tried for three days: somebody waits for them who may be switched off until Monday; or what they say
of objects must not be forgotten while an object store is away.

Mail says itself when it is given up; its last attempt comes later.
"""
_AWAY_S = (1.0, 30.0)
_log = logging.getLogger(__name__)


@InSteps
def make_metadata(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """Make a series's metadata ready, now that it has been quiet for a while."""
    series = Uid(payload["series"])
    try:
        # Nobody reads here: what is made stays in the bank.
        yield from retrieve.making_metadata(bank, series, Scope(organizations=None))
    except NotFound:
        _log.info("a series went before its metadata was made")
        return
    yield lambda tx: pixels.look_soon(bank, tx, series)


WORK: Mapping[str, Work] = {
    "metadata": make_metadata,
    "destroy": remove.destroy_job,
    "amend": notes.amend_job,
    "describe": remove.describe_job,
    "shred": shred.shred_job,
    "rotate": rotate.rotate_job,
    finding.JOB: finding.write_job,
    "hear": hearing.hear_job,
    repeat_orders.JOB: repeat_orders.look_job,
    deeds.NOTICE: deeds.notice_job,
    expecting.JOB: completeness.judge_job,
    pixels.JOB: pixels.pixels_job,
    correct.JOB: correct.correct_job,
    attributes.JOB: attributes.work,
    attributes.AGAIN: attributes.describe_again,
    exporting.JOB: exporting.export_job,
    notify.ARRIVED: releasing.arrived_job,
    releasing.JOB: releasing.tell_job,
    notify.DIGEST: mail.digest_job,
    forgotten.JOB: forgotten.ask_job,
    foreseen.JOB: prefetch.prefetch_job,
    compress.JOB: compress.compress_job,
}


MAY_WAIT: Final = frozenset(
    {
        "metadata",
        "rotate",
        finding.JOB,
        expecting.JOB,
        pixels.JOB,
        attributes.JOB,
        attributes.AGAIN,
        compress.JOB,
    }
)
"""Kinds that take processors and disk, and for which nobody stands waiting: what is asked for before is made then."""
LULL: Final = timedelta(seconds=1)
LONGEST_WAIT: Final = timedelta(minutes=1)

TOGETHER: Final = frozenset(
    {"metadata", "amend", "hear", finding.JOB, expecting.JOB, pixels.JOB, foreseen.JOB, notify.ARRIVED}
)
"""What follows a deposit, some milliseconds each: several are taken from the queue, and finished, in one transaction."""
AT_ONCE: Final = 32
LONGEST_TOGETHER: Final = timedelta(seconds=1)
"""After this no further one of them is begun: what is due first has its turn, and who ends the worker need not wait."""

Chore = tuple[Callable[[Bank], object], timedelta]
Chores = Sequence[Chore]

CHORES: Chores = (
    (access.sweep, timedelta(hours=1)),
    (upload_spool.sweep, timedelta(hours=1)),
    (export_spool.sweep, timedelta(hours=1)),
    (ledger.checkpoint, timedelta(minutes=1)),
    (finding.catch_up, timedelta(hours=6)),
    (completeness.catch_up, timedelta(hours=6)),
    (pixels.catch_up, timedelta(hours=6)),
    (completeness.look_for_overdue, timedelta(hours=1)),
    (attributes.go_on, timedelta(hours=1)),
    (notify.sweep, timedelta(hours=6)),
    (forgotten.sweep, timedelta(hours=6)),
    (contributing.sweep, timedelta(hours=6)),
    (prefetch.sweep, timedelta(hours=6)),
    (asking.sweep, timedelta(hours=6)),
    (compress.go_on, timedelta(hours=1)),
)
"""What is done every so often. Several workers may do so: there is nothing left for the second."""


@contextmanager
def beside(bank: Bank, work: Mapping[str, Work]) -> Iterator[None]:
    """Do jobs of these kinds in a thread of their own while the block runs: what waits for others keeps nothing waiting."""
    with threads.beside("jobs-beside", lambda stop: run(bank, stop, work, ())):
        yield


@contextmanager
def uploading(bank: Bank) -> Iterator[None]:
    """Upload what waits in a journal, in a thread of its own, while the block runs."""
    with threads.beside("upload-journal", partial(journal.keep_uploading, bank)):
        yield


class Arrivals:
    """Looks whether objects are coming in: a sender waits for each answer, and jobs for no sender.

    They come in until none has come for a second (`LULL`), and count for a minute at most (`LONGEST_WAIT`): where
    something always comes, jobs go on beside it.
    """

    def __init__(self) -> None:
        self._since: datetime | None = None

    def go_on(self, bank: Bank) -> bool:
        """Whether jobs that may wait had better do so now."""
        now, last = bank.now(), bank.jobs.last_arrival()
        if last is None or abs(now - last) >= LULL:
            self._since = None
            return False
        self._since = self._since or now
        return now - self._since < LONGEST_WAIT


def run(bank: Bank, stop: threading.Event, work: Mapping[str, Work] = WORK, chores: Chores = CHORES) -> None:
    """Do chores, and jobs one after the other, until `stop` is set; while the bank's parts are away, wait for them.

    Jobs of which others need not know yet (`MAY_WAIT`) leave the machine to objects that come in (`Arrivals`).
    """
    away_s, due = 0.0, dict.fromkeys(chores, bank.now())
    arrivals, urgent = Arrivals(), {kind: do for kind, do in work.items() if kind not in MAY_WAIT}
    while not stop.is_set():
        try:
            _do_chores(bank, due)
            may_wait = len(urgent) < len(work) and arrivals.go_on(bank)
            pause_s = 0.0 if step(bank, urgent if may_wait else work) else IDLE_S
            away_s = 0.0
        except (Unavailable, OutOfSpace) as error:
            pause_s = away_s = min(max(_AWAY_S[0], 2 * away_s), _AWAY_S[1])
            _log.warning("the worker pauses for %d s: %s", pause_s, error)
        stop.wait(pause_s)


def _do_chores(bank: Bank, due: dict[Chore, datetime]) -> None:
    """Do what is due, and say when it is due again. Raises Unavailable and OutOfSpace.

    One that fails otherwise has its next turn as ever: a fault of one chore must not end the worker, and would again
    each time that the worker is started, before any job.
    """
    for chore, at in due.items():
        if bank.now() >= at:
            do, every = chore
            try:
                do(bank)
            except (Unavailable, OutOfSpace):
                raise
            except Exception:  # noqa: BLE001 - as of a job
                _log.exception("a chore of the worker failed; its next turn is in %s", every)
            due[chore] = bank.now() + every


def step(bank: Bank, work: Mapping[str, Work] = WORK) -> bool:
    """Do the job that is due first, and more of its kind where they are small; whether there was one.

    Raises Unavailable and OutOfSpace of the queue itself.
    """
    began = bank.now()
    jobs = bank.jobs.take(tuple(work), began, LEASE_S, TOGETHER, AT_ONCE)
    if not jobs:
        return False
    begun, done = 0, list[Job]()
    try:
        do = work[jobs[0].kind]
        doing = _in_step(bank, do, jobs, began) if isinstance(do, InSteps) else _one_by_one(bank, do, jobs, began)
        for job, error in doing:
            begun += 1
            if error is None:
                done.append(job)
            else:
                _set_back(bank, job, error)
    finally:
        if done:
            bank.jobs.finish(*done)
        if jobs[begun:]:
            bank.jobs.give_back(bank.now(), *jobs[begun:])
    return True


Doing = Iterator[tuple[Job, Exception | None]]
"""Each job that was begun, and what went wrong: one job's fault must not end the worker."""


def _one_by_one(bank: Bank, do: Work, jobs: Sequence[Job], began: datetime) -> Doing:
    for place, job in enumerate(jobs):
        if place and bank.now() - began > LONGEST_TOGETHER:
            return
        try:
            do(bank, job.payload)
        except Exception as error:  # noqa: BLE001 - it is told
            yield job, error
        else:
            yield job, None


def _in_step(bank: Bank, do: InSteps, jobs: list[Job], began: datetime) -> Doing:
    """Several with one commit, in the order in which deposits lock what they write: by study, or by series."""
    jobs.sort(key=lambda job: str(job.payload.get("study") or job.payload.get("series") or ""))
    every = (do.steps(bank, job.payload) for job in jobs)
    errors = together.together(bank, every, lambda: bank.now() - began > LONGEST_TOGETHER)
    yield from zip(jobs, errors, strict=False)


def _set_back(bank: Bank, job: Job, error: Exception) -> None:
    """Try again later, twice as late each time up to an hour; after the kind's last attempt lay it aside."""
    if not isinstance(error, BankError):
        _log.exception("job %s %d failed", job.kind, job.id)
    is_last = job.attempt >= ATTEMPTS_FOR_DAYS.get(job.kind, ATTEMPTS)
    retry_at = None if is_last else bank.now() + timedelta(seconds=min(2**job.attempt, LONGEST_PAUSE_S))
    bank.jobs.fail(
        job, f"{type(error).__name__}: {error}" if isinstance(error, BankError) else type(error).__name__, retry_at
    )
