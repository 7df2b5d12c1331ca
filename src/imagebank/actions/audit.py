"""The ledger: what has to stand in it before anything else happens."""

import threading
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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


def looking(
    bank: Bank,
    principal: Principal,
    address: str,
    why: str,
    *,
    study: Uid | None = None,
    patient: PatientId | None = None,
) -> Scope:
    """A scope without bounds for a caller who may look at what rules do not hide; the look stands in the ledger first.

    Of whom, where it is one study or one patient. It stands there under the caller's own name, also an admin's.
    """
    with bank.index.begin() as tx:
        tx.record([replace(event(bank, Act.UNBOUNDED, principal, address, why), study=study, patient=patient)])
    return Scope(organizations=None)


@dataclass(frozen=True, slots=True)
class _Deed:
    """What is counted: who does what to which study, why, in which way and from where."""

    principal: str
    organization: str
    purpose: Purpose | None
    address: str
    way: str
    study: Uid | None = None
    patient: PatientId | None = None
    act: Act = Act.VIEWED

    @classmethod
    def search(cls, principal: Principal, sought: str, address: str) -> "_Deed":
        return cls(principal.name, principal.organization, principal.purpose, address, sought, None, None, Act.SEARCHED)

    def event(self, at: datetime, count: int, detail: str) -> Event:
        return Event(
            at,
            self.act,
            self.principal,
            self.organization,
            self.address,
            self.study,
            count,
            detail,
            self.patient,
            self.purpose,
        )


def _reads(principal: Principal, instances: Collection[Instance], way: str, address: str) -> dict[_Deed, int]:
    """Reads of the studies of instances."""
    who = (principal.name, principal.organization, principal.purpose, address, way)
    if len(instances) == 1:  # as for nearly every frame and picture
        (one,) = instances
        return {_Deed(*who, one.study, one.patient): 1}
    studies = Counter((one.study, one.patient) for one in instances)
    return {_Deed(*who, study, patient): number for (study, patient), number in studies.items()}


class CountedReads:
    """Remembers in this process who has read which study, searched by what, and was refused.

    The first read of a study by a principal for a purpose is durable before it returns, and so is the first search by
    a set of attributes; later ones are counted, and `flush` writes the counts. A count that a crash loses is of what
    stands in the ledger already. Refusals are counted from the first on, so that who is refused costs no write.
    """

    _FORGET_AT = 100_000

    def __init__(self, index: Index, now: Clock) -> None:
        self._index = index
        self._now = now
        self._lock = threading.Lock()
        self._counts: dict[_Deed, int] = {}
        self._refusals = _Refusals()

    def count(self, principal: Principal, instances: Collection[Instance], way: str, address: str) -> None:
        """Count a read of each instance's study."""
        self._count(_reads(principal, instances, way, address))

    def count_again(self, principal: Principal, instances: Collection[Instance], way: str, address: str) -> bool:
        """The same where it writes nothing now, because each study's first read stands in the ledger; else False."""
        return self._count_again(_reads(principal, instances, way, address))

    def search(self, principal: Principal, sought: str, address: str) -> None:
        """Count a search; `sought` says the way, the level and by which attributes, and none of their values."""
        self._count({_Deed.search(principal, sought, address): 1})

    def search_again(self, principal: Principal, sought: str, address: str) -> bool:
        """The same where it writes nothing now; else False."""
        return self._count_again({_Deed.search(principal, sought, address): 1})

    def refused(self, name: str, organization: str, what: str, address: str) -> None:
        """Count a refusal; `name` is as the caller is known, or calls itself."""
        self._refuse(_Deed(name, organization, None, address, what, None, None, Act.REFUSED))

    def not_signed_in(self, name: str, organization: str, means: str, address: str) -> None:
        """Count somebody who was not let in; nobody needs to be known for that, so it costs no write either."""
        self._refuse(_Deed(name, organization, None, address, means, None, None, Act.NOT_SIGNED_IN))

    def _refuse(self, deed: _Deed) -> None:
        with self._lock:
            self._refusals.add(deed)

    def _count_again(self, deeds: Mapping[_Deed, int]) -> bool:
        with self._lock:
            if not all(deed in self._counts for deed in deeds):
                return False
            for deed, number in deeds.items():
                self._counts[deed] += number
        return True

    def _count(self, deeds: Mapping[_Deed, int]) -> None:
        first: dict[_Deed, int] = {}
        with self._lock:
            for deed, number in deeds.items():
                if deed in self._counts:
                    self._counts[deed] += number
                else:
                    first[deed] = number
        if not first:
            return
        now = self._now()
        with self._index.begin() as tx:
            tx.record(deed.event(now, number, deed.way) for deed, number in first.items())
        with self._lock:
            for deed in first:
                self._counts.setdefault(deed, 0)

    def flush(self, *, is_last: bool = False) -> None:
        """Write the counts since the last flush, one event for each deed.

        One refusal makes a line within the flush that follows, and then one a minute with how often it came again;
        what still waits for its minute is written when it `is_last`.
        """
        now = self._now()
        with self._lock:
            counted = {deed: number for deed, number in self._counts.items() if number}
            refused = self._refusals.due(now, is_last=is_last)
        if counted or refused:
            with self._index.begin() as tx:
                tx.record(deed.event(now, number, f"{deed.way}: more") for deed, number in counted.items())
                tx.record(deed.event(now, number, deed.way) for deed, number in refused.items())
        with self._lock:
            self._refusals.told(refused, now)
            for deed, number in counted.items():
                self._counts[deed] -= number
            if len(self._counts) > self._FORGET_AT:
                self._counts = {deed: number for deed, number in self._counts.items() if number}


@dataclass(slots=True)
class _Waiting:
    number: int = 0
    told_at: datetime | None = None


class _Refusals:
    """Counts refusals so that no flood of them fills the ledger: so many lines an address and a minute, and in all.

    What comes beyond is counted together, without its words. To be called under a lock.
    """

    _EACH = timedelta(minutes=1)
    _MOST_OF_ADDRESS = 10
    _MOST = 200

    def __init__(self) -> None:
        self._waiting: dict[_Deed, _Waiting] = {}

    def add(self, deed: _Deed) -> None:
        if deed not in self._waiting and len(self._waiting) >= self._MOST:
            deed = replace(deed, principal="", organization="", address="", way="refusals of many addresses")
        elif deed not in self._waiting and self._of(deed.address) >= self._MOST_OF_ADDRESS:
            deed = replace(deed, principal="", organization="", way="further refusals")
        self._waiting.setdefault(deed, _Waiting()).number += 1

    def _of(self, address: str) -> int:
        return sum(deed.address == address for deed in self._waiting)

    def due(self, now: datetime, *, is_last: bool) -> dict[_Deed, int]:
        """What is to be written now. What has had its minute of silence is forgotten."""
        over = [deed for deed, one in self._waiting.items() if not one.number and self._is_over(one, now)]
        for deed in over:
            del self._waiting[deed]
        return {
            deed: one.number
            for deed, one in self._waiting.items()
            if one.number and (is_last or one.told_at is None or self._is_over(one, now))
        }

    def _is_over(self, one: _Waiting, now: datetime) -> bool:
        return one.told_at is not None and now - one.told_at >= self._EACH

    def told(self, written: Mapping[_Deed, int], now: datetime) -> None:
        for deed, number in written.items():
            one = self._waiting[deed]
            one.number, one.told_at = one.number - number, now
