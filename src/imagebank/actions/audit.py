"""The ledger: what has to stand in it before anything else happens."""

import threading
from collections.abc import Iterable

from imagebank.bank import Bank
from imagebank.model.access import Principal, Scope, Unbounded
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance
from imagebank.model.uid import Uid
from imagebank.ports import Clock, Index

SYSTEM = "imagebank"
"""The name under which the bank's own upkeep stands in the ledger."""


def unbounded(bank: Bank, wish: Unbounded) -> Scope:
    """A scope without bounds, for the bank's own upkeep; the reason stands in the ledger first."""
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.UNBOUNDED, SYSTEM, bank.settings.organization, detail=wish.reason)])
    return Scope(organizations=None)


class CountedReads:
    """Remembers in this process who has read which study.

    The first read of a study by a principal is durable before it returns; later ones are counted, and `flush`
    writes the counts. A count that a crash loses is of a study that stands in the ledger already.
    """

    _FORGET_AT = 100_000

    def __init__(self, index: Index, now: Clock) -> None:
        self._index = index
        self._now = now
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str, str, str, Uid], int] = {}

    def count(self, principal: Principal, instances: Iterable[Instance], way: str, address: str) -> None:
        """Count a read of each instance's study."""
        studies: dict[Uid, int] = {}
        for instance in instances:
            studies[instance.study] = studies.get(instance.study, 0) + 1
        first: dict[Uid, int] = {}
        with self._lock:
            for study, number in studies.items():
                key = (principal.name, principal.organization, address, way, study)
                if key in self._counts:
                    self._counts[key] += number
                else:
                    first[study] = number
        if not first:
            return
        now = self._now()
        with self._index.begin() as tx:
            tx.record(
                Event(now, Act.VIEWED, principal.name, principal.organization, address, study, number, way)
                for study, number in first.items()
            )
        with self._lock:
            for study in first:
                self._counts.setdefault((principal.name, principal.organization, address, way, study), 0)

    def is_known(self, principal: Principal, instances: Iterable[Instance], way: str, address: str) -> bool:
        """Whether counting this read writes nothing now, because each study's first read stands in the ledger."""
        with self._lock:
            return all(
                (principal.name, principal.organization, address, way, one.study) in self._counts for one in instances
            )

    def flush(self) -> None:
        """Write the counts since the last flush, one event for each reader and study."""
        with self._lock:
            counted = {key: number for key, number in self._counts.items() if number}
        if counted:
            now = self._now()
            with self._index.begin() as tx:
                tx.record(
                    Event(now, Act.VIEWED, name, organization, address, study, number, f"{way}: more")
                    for (name, organization, address, way, study), number in counted.items()
                )
        with self._lock:
            for key, number in counted.items():
                self._counts[key] -= number
            if len(self._counts) > self._FORGET_AT:
                self._counts = {key: number for key, number in self._counts.items() if number}
