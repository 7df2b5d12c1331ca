"""Group commit: whoever gets the lock commits for all who wait. No timer.

One sync and one transaction serve every arrival that is written by then. On one association a batch is one
instance; on four it grows to about one and a half by itself. Waiting for more was measured and only costs.
"""

import copy
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from imagebank.actions import deeds, foreseen, notify
from imagebank.actions.expecting import JOB
from imagebank.actions.notes import amend_payload
from imagebank.actions.remove import destroy_payload
from imagebank.errors import BankError
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Kept, Location, Outcome
from imagebank.model.note import Amendment
from imagebank.ports import Blobs, Clock, Entered, Index

_log = logging.getLogger(__name__)
QUIET = timedelta(seconds=5)
"""How long a series has to be quiet before its metadata is made ready."""
ARRIVED = timedelta(minutes=5)
"""How long a study has to be quiet before it is asked whether it is whole."""
LATER = timedelta(seconds=2)
"""How much longer a study has to be before it is written down for the search: by then the metadata are ready."""


@dataclass(slots=True)
class _Waiting:
    kept: Sequence[Kept]
    entered: list[Entered] = field(default_factory=list)
    error: Exception | None = None
    is_done: bool = False


class GroupCommit:
    """Holds the lock and the queue of those who wait; safe to be called from many threads."""

    def __init__(self, blobs: Blobs, index: Index, now: Clock, arrived: timedelta = ARRIVED) -> None:
        self._blobs = blobs
        self._index = index
        self._now = now
        self._arrived = arrived
        self._queue: list[_Waiting] = []
        self._queue_lock = threading.Lock()
        self._commit_lock = threading.Lock()

    def commit(self, kept: Sequence[Kept]) -> list[Entered]:
        """Make the records durable, then enter their rows; both are done when this returns.

        Raises OutOfSpace or Unavailable, and then nothing of `kept` counts as kept.
        """
        mine = _Waiting(kept)
        with self._queue_lock:
            self._queue.append(mine)
        with self._commit_lock:
            if not mine.is_done:
                with self._queue_lock:
                    batch, self._queue = self._queue, []
                self._settle(batch)
        if mine.error is not None:
            raise mine.error
        return mine.entered

    def _settle(self, batch: list[_Waiting]) -> None:
        """Every member of the batch ends with its own result or its own error, never waiting for ever."""
        try:
            self._enter(batch)
        except Exception as error:  # noqa: BLE001 - it belongs to those who wait, and each gets it
            if len(batch) > 1 and not isinstance(error, BankError):
                # One that cannot be entered must not fail its neighbours.
                for waiting in batch:
                    self._settle([waiting])
                return
            for waiting in batch:
                waiting.error = _own(error) if len(batch) > 1 else error
        finally:
            for waiting in batch:
                waiting.is_done = True

    def _enter(self, batch: list[_Waiting]) -> None:
        kept = [one for waiting in batch for one in waiting.kept]
        # Rows are written while the disk takes the bytes, and committed only once it has them: blob before row.
        until_durable = self._blobs.begin_sync([one.location for one in kept])
        with self._index.begin() as tx:
            entered = tx.enter(kept)
            stored = [one for one, entry in zip(kept, entered, strict=True) if entry.outcome is Outcome.STORED]
            tx.record(_deposits(kept, entered))
            due = self._now() + QUIET
            for series in {one.description.series for one in stored}:
                tx.defer("metadata", {"series": series}, due, key=series)
            studies = {one.description.study for one in stored}
            tx.completeness.arrive(studies, self._now())
            for study in studies:
                tx.defer("words", {"study": study}, due + LATER, key=study)
                tx.defer(JOB, {"study": study}, self._now() + max(self._arrived, QUIET + LATER), key=study)
            fresh = {one.description.study for one in stored if not one.correction}
            notify.arrive(tx, sorted(fresh), self._now() + max(self._arrived, QUIET + LATER))
            news = [one for one, entry in zip(kept, entered, strict=True) if entry.tells_of_patient]
            for study in {one.description.study for one in news}:
                tx.defer("hear", {"study": study}, due, key=study)
                foreseen.study_began(tx, study, self._now())
            spare = [one.location for one, entry in zip(kept, entered, strict=True) if entry.is_spare]
            if spare:
                tx.defer("destroy", destroy_payload(spare), self._now())
            labels = deeds.do(tx, stored, self._now())
            aside = _laid_aside(kept, entered)
            joined = tuple(one.location for one, entry in zip(kept, entered, strict=True) if entry.has_joined)
            if aside or joined or labels:
                decided = Amendment(self._now(), aside=aside, joined=joined, labels=labels)
                tx.defer("amend", amend_payload(decided), self._now())
            until_durable()
        results = iter(entered)
        for waiting in batch:
            waiting.entered = [next(results) for _ in waiting.kept]
        self._destroy(spare)

    def _destroy(self, spare: Sequence[Location]) -> None:
        """Destroy what no row refers to, at once if that works: the batch is in, whatever becomes of this."""
        if not spare:
            return
        try:
            self._blobs.destroy(spare)
        except Exception:  # noqa: BLE001 - what is acknowledged must not be called lost; a durable job tries again
            _log.warning("spare records could not be destroyed; a job tries again", exc_info=True)


def _laid_aside(kept: Sequence[Kept], entered: Sequence[Entered]) -> tuple[tuple[Location, str], ...]:
    """Records that turned out to contradict what is held only after their notes had been sealed, with the reasons."""
    return tuple(
        (one.location, entry.reason)
        for one, entry in zip(kept, entered, strict=True)
        if entry.outcome is Outcome.QUARANTINED and not (one.aside or entry.is_spare)
    )


def _own(error: Exception) -> Exception:
    """An error of one's own: an exception that several threads raise mixes up their tracebacks."""
    mine = copy.copy(error)
    mine.__cause__ = error
    return mine


def _deposits(kept: Sequence[Kept], entered: Sequence[Entered]) -> list[Event]:
    """One event per source, study and outcome of the batch."""
    counts: dict[tuple[str, str, str, str, str, Outcome], int] = {}
    firsts: dict[tuple[str, str, str, str, str, Outcome], Kept] = {}
    for one, entry in zip(kept, entered, strict=True):
        source = one.source
        key = (source.way, source.principal, source.organization, source.address, one.description.study, entry.outcome)
        counts[key] = counts.get(key, 0) + 1
        firsts.setdefault(key, one)
    return [
        Event(
            at=firsts[key].received_at,
            act=Act.DEPOSITED,
            principal=key[1],
            organization=key[2],
            address=key[3],
            study=firsts[key].description.study,
            count=count,
            detail=f"{key[0]}: {key[5]}",
            patient=firsts[key].description.patient,
        )
        for key, count in counts.items()
    ]
