"""Changing the root key while everything runs: what it wraps is wrapped anew, and nothing else is touched."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

from imagebank.actions import audit
from imagebank.bank import Bank
from imagebank.model.access import Principal, Right
from imagebank.model.event import Act

_BATCH: Final = 200
_KIND: Final = "rotate"


@dataclass(frozen=True, slots=True)
class Status:
    """Which root key is current, and how many account keys each root key wraps.

    `objects` counts records that root keys wrap themselves, where they were looked through: such as were kept before
    accounts had keys. A root key that appears in neither but is not the current one can be taken away.
    """

    current: str
    keys: dict[str, int]
    objects: Counter[str] = field(default_factory=Counter)

    @property
    def is_done(self) -> bool:
        return set(self.keys) | set(self.objects) <= {self.current}


def rotate(bank: Bank, principal: Principal, address: str = "") -> None:
    """Have a worker wrap every account's key by the newest root key. Raises NotAllowed."""
    principal.require(Right.ADMINISTER)
    with bank.index.begin() as tx:
        tx.record([audit.event(bank, Act.CHANGED, principal, address, "another root key")])
        tx.defer(_KIND, {}, bank.now(), key=_KIND)


def rotate_job(bank: Bank, _: dict[str, Any]) -> None:
    """What the job `rotate` does: one batch, and the next by another job; repeating it changes nothing."""
    if bank.keys.renew(_BATCH):
        with bank.index.begin() as tx:
            tx.defer(_KIND, {}, bank.now(), key=_KIND)
        return
    bank.keys.tidy()
    bank.blobs.renew_tombstones()


def status(bank: Bank, *, objects: bool = False) -> Status:
    """How far it is; with `objects`, every record is looked at, which takes long."""
    current, keys = bank.keys.usage()
    found = Status(current, keys)
    if objects:
        names = (record.wrapped_by for record in bank.blobs.records() if record.note is not None)
        found.objects.update(name.hex() for name in names if bank.keys.is_root(name))
    return found
