"""The ledger: what has to stand in it before anything else happens."""

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from imagebank.bank import Bank
from imagebank.model.access import Principal, Purpose, Scope, Unbounded
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports import Clock, Index

SYSTEM = "imagebank"
"""The name under which the bank's own upkeep stands in the ledger."""


def unbounded(bank: Bank, wish: Unbounded) -> Scope:
    """A scope without bounds, for the bank's own upkeep; the reason stands in the ledger first."""
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.UNBOUNDED, SYSTEM, bank.settings.organization, detail=wish.reason)])
    return Scope(organizations=None)


def event(bank: Bank, act: Act, principal: Principal, address: str, detail: str = "") -> Event:
    """What a caller did just now, to nobody's study in particular."""
    return Event(
        bank.now(), act, principal.name, principal.organization, address, detail=detail, purpose=principal.purpose
    )


@dataclass(frozen=True, slots=True)
class _Read:
    """Who reads which study, why, in which way and from where."""

    principal: str
    organization: str
    purpose: Purpose
    address: str
    way: str
    study: Uid
    patient: PatientId

    @classmethod
    def of(cls, principal: Principal, instance: Instance, way: str, address: str) -> "_Read":
        return cls(
            principal.name, principal.organization, principal.purpose, address, way, instance.study, instance.patient
        )

    def event(self, at: datetime, count: int, detail: str) -> Event:
        return Event(
            at,
            Act.VIEWED,
            self.principal,
            self.organization,
            self.address,
            self.study,
            count,
            detail,
            self.patient,
            self.purpose,
        )


class CountedReads:
    """Remembers in this process who has read which study.

    The first read of a study by a principal for a purpose is durable before it returns; later ones are counted, and
    `flush` writes the counts. A count that a crash loses is of a study that stands in the ledger already.
    """

    _FORGET_AT = 100_000

    def __init__(self, index: Index, now: Clock) -> None:
        self._index = index
        self._now = now
        self._lock = threading.Lock()
        self._counts: dict[_Read, int] = {}

    def count(self, principal: Principal, instances: Iterable[Instance], way: str, address: str) -> None:
        """Count a read of each instance's study."""
        reads = Counter(_Read.of(principal, instance, way, address) for instance in instances)
        first: dict[_Read, int] = {}
        with self._lock:
            for read, number in reads.items():
                if read in self._counts:
                    self._counts[read] += number
                else:
                    first[read] = number
        if not first:
            return
        now = self._now()
        with self._index.begin() as tx:
            tx.record(read.event(now, number, way) for read, number in first.items())
        with self._lock:
            for read in first:
                self._counts.setdefault(read, 0)

    def is_known(self, principal: Principal, instances: Iterable[Instance], way: str, address: str) -> bool:
        """Whether counting this read writes nothing now, because each study's first read stands in the ledger."""
        with self._lock:
            return all(_Read.of(principal, instance, way, address) in self._counts for instance in instances)

    def flush(self) -> None:
        """Write the counts since the last flush, one event for each reader and study."""
        with self._lock:
            counted = {read: number for read, number in self._counts.items() if number}
        if counted:
            now = self._now()
            with self._index.begin() as tx:
                tx.record(read.event(now, number, f"{read.way}: more") for read, number in counted.items())
        with self._lock:
            for read, number in counted.items():
                self._counts[read] -= number
            if len(self._counts) > self._FORGET_AT:
                self._counts = {read: number for read, number in self._counts.items() if number}
