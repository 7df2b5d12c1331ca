"""Keeping objects in less room: native pixels as HTJ2K, once nobody reads them every day.

What is written compressed is read back and held against the digest with which the object arrived. Only then does its
row lead there, and the record as it came goes a day later, when whoever was reading it has ended. What does not come
back bit by bit, or saves little, stays as it came.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final

from imagebank.actions import notes, remove, retrieve, scrub
from imagebank.bank import Bank
from imagebank.dicom import compress, layout
from imagebank.errors import Conflict, Invalid, Mismatch, NotFound, Unreadable, Unsupported
from imagebank.model.access import Scope
from imagebank.model.imaging import Instance, Location
from imagebank.model.key import owner_of

JOB: Final = "compress"
GRACE: Final = timedelta(hours=25)
"""How long the record as it came stays: exports, which last a day, may be reading it."""

_HERE: Final = Scope(organizations=None)
_AT_ONCE: Final = 16
"""Objects that one sync and one transaction settle."""
_AT_ONCE_BYTES: Final = 64 << 20
_MOST_BYTES: Final = 1 << 30
"""A larger object stays as it came: its parts are held in memory while they are written."""
_WORTH: Final = 0.9
"""Of its size; what would take more is not worth the work of reading it."""
_SLICE_S: Final = 5.0
_PAUSE: Final = timedelta(hours=1)
_MODALITY: Final = 0x00080060
_CANNOT: Final = (Conflict, Invalid, Mismatch, NotFound, Unreadable, Unsupported)
"""What one object may be the cause of. What the store or the decoders are the cause of is tried again."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one batch came to: up to which row, how many objects were looked at and compressed, and whether it was all."""

    last: int
    seen: int = 0
    done: int = 0
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class _Made:
    """A compressed record beside the record that it is to replace."""

    instance: Instance
    location: Location
    sealed_by: bytes


def go_on(bank: Bank) -> None:
    """Have the job run; where it waits already, it waits on."""
    if bank.settings.compress_after_days >= 0:
        with bank.index.begin() as tx:
            tx.start(JOB, {"after": 0}, bank.now(), JOB)


def compress_job(bank: Bank, payload: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
    """What the job `compress` does: work for a while, then let others have their turn; at the end, wait for an hour."""
    days = bank.settings.compress_after_days
    if days < 0:
        return
    began, found = clock(), Step(int(payload["after"]))
    while not found.is_all and clock() - began < _SLICE_S:
        found = step(bank, found.last, older_than=timedelta(days=days))
    pause = _PAUSE if found.is_all else timedelta(seconds=clock() - began)
    with bank.index.begin() as tx:
        tx.defer(JOB, {"after": found.last}, bank.now() + pause, key=JOB)


def step(bank: Bank, after: int, *, older_than: timedelta, grace: timedelta = GRACE) -> Step:
    """Compress what the site's policy names of a few objects, in the order in which they came; those of after a row."""
    rows = bank.index.compression.after(after, _AT_ONCE, _HERE)
    until = bank.now() - older_than
    last, seen, size = after, 0, 0
    made: list[_Made] = []
    for number, instance in rows:
        if instance.received_at > until:
            break
        if size >= _AT_ONCE_BYTES:
            break
        last, seen = number, seen + 1
        one = _made(bank, instance)
        if one is not None:
            made.append(one)
            size += instance.location.size
    is_all = seen == len(rows) < _AT_ONCE or (seen < len(rows) and rows[seen][1].received_at > until)
    return Step(last, seen, _settle(bank, made, grace), is_all)


def _made(bank: Bank, instance: Instance) -> _Made | None:
    """An object's compressed record, not durable yet; None where the policy or the object is against it."""
    location, pixels = instance.location, instance.pixels
    is_meant = bank.settings.compress_min_bytes <= location.size <= _MOST_BYTES
    if not is_meant or pixels is None or bank.blobs.is_compressed(location):
        return None
    if not compress.is_compressible(instance.transfer_syntax, pixels):
        return None
    try:
        data, header = retrieve.header(bank, instance)
        wanted = bank.settings.compress_modalities
        if wanted and layout.text(data, header.elements, _MODALITY) not in wanted:
            return None
        read = partial(bank.blobs.read, location)
        content = compress.compressed(bank.sandbox, read, location.size, pixels, data, header)
        if content.coded_bytes > _WORTH * location.size:
            return None
        note = notes.note_at(bank, location)
        key = bank.keys.of(owner_of(instance.patient, note.source.organization))
    except _CANNOT:
        return None
    packed = notes.pack(replace(note, stands_for=location))
    return _Made(instance, bank.blobs.write_compressed(content, packed, key), key.name)


def _settle(bank: Bank, made: list[_Made], grace: timedelta) -> int:
    """Let rows lead to compressed records that are proven, and let the others go; how many do."""
    if not made:
        return 0
    bank.blobs.sync([one.location for one in made])
    proven = [one for one in made if not scrub.fault_at(bank, one.location)]
    with bank.index.begin() as tx:
        moved = [one for one in proven if tx.compression.move(one.instance, one.location, one.sealed_by)]
        if moved:
            due = bank.now() + grace
            tx.defer("destroy", remove.destroy_payload([one.instance.location for one in moved]), due)
    bank.blobs.destroy([one.location for one in made if one not in moved])
    if moved and not grace:
        remove.destroy(bank, [one.instance.location for one in moved])
    return len(moved)
