"""Messages and reports that lie among the objects: giving them their rows again, where these are gone."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Final

from imagebank.actions.letters import key_of
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.imaging import Location
from imagebank.model.message import Fate, Letter, Told
from imagebank.model.note import Enclosure, MessageKey
from imagebank.model.report import Report
from imagebank.ports import Transaction

_WAITING: Final = Told(Fate.WAITING)


def restore(
    bank: Bank,
    tx: Transaction,
    found: Sequence[tuple[Enclosure, Location]],
    fates: Mapping[MessageKey, Told],
) -> list[int]:
    """Enter what has no row; the numbers of messages that are to be done anew, in the order in which they came.

    What a message was not done for stays as it was said. The rest is done anew by whoever can read messages, since
    orders and visits stand in them alone.
    """
    numbers = []
    known: set[MessageKey] = set()
    for kept, location in sorted(_placed(found), key=_came):
        with suppress(NotFound):  # its account was destroyed since its note was read
            sealed_by = bank.blobs.wrapped_by(location)
            if isinstance(kept, Report):
                tx.orders.put_report(replace(kept, location=location), sealed_by)
                continue
            key = key_of(kept)
            if key in known or bank.index.orders.letter_like(kept.sender, kept.control, kept.digest):
                continue
            known.add(key)
            told = fates.get(key, _WAITING)
            number = tx.orders.put_letter(replace(kept, location=location, told=told), sealed_by)
            numbers += [number] if told is _WAITING else []
    return numbers


def _placed(found: Sequence[tuple[Enclosure, Location]]) -> list[tuple[Letter | Report, Location]]:
    return [(kept, location) for one, location in found if (kept := one.message or one.report) is not None]


def _came(pair: tuple[Letter | Report, Location]) -> datetime:
    received_at = pair[0].received_at
    assert received_at is not None
    return received_at
