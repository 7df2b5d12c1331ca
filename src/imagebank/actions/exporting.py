"""Exports: any studies that a caller may see, for their own disk, disc or telephone.

An export is made once, as a plan: where each of its bytes comes from. What had to be made (pages, pictures, a table of
contents) waits in a spool; the objects stay where they are. So its length is known, any range of it can be given again,
and it takes little room, however large it is. What may be seen is asked again whenever bytes leave.
"""

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from imagebank.actions import export_spool, reports, retrieve
from imagebank.actions.export_making import Maker
from imagebank.actions.export_reading import Reader
from imagebank.actions.export_spool import Making
from imagebank.actions.export_survey import sizes, survey
from imagebank.actions.lasting import Lasting
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, TooOften, Unavailable, noted
from imagebank.model.access import Principal, Right
from imagebank.model.export import Asked, Plan, Progress, Wish
from imagebank.model.imaging import Instance, Selection
from imagebank.model.uid import Uid

__all__ = ["JOB", "Opened", "begin", "end", "export_job", "go_on", "opened", "progress", "sizes", "survey"]

JOB: Final = "export"
SLICE_S: Final = 5.0
"""How long a worker makes one export before others have their turn."""
MOST_OF_ONE: Final = 50
"""Exports of one caller that wait; the oldest of an hour ago and more gives way to the next."""
_RECENT: Final = timedelta(hours=1)
_AGAIN: Final = timedelta(seconds=5)
_OTHER: Final = noted("what this export holds was changed, or is not there for you any more; begin it anew")


def begin(bank: Bank, wish: Wish, principal: Principal) -> Progress:
    """Begin an export, or find the one that was begun with the same content; a worker makes it.

    Raises NotFound when a study is not there for the caller, NotAllowed without the right to get objects, Invalid for
    more than an export holds, TooOften, OutOfSpace.
    """
    principal.require(Right.GET)
    principal.require_taking()
    asked = survey(bank, wish, principal)
    name = _name(asked)
    place = export_spool.folder_of(bank, principal) / name
    if not _can_be_read(bank, place):
        _make_room(bank, principal)
        export_spool.begin(bank, place, asked)
    export_spool.touch(bank, place)
    payload = {"who": place.parent.name, "name": name}
    with bank.index.begin() as tx:
        tx.defer(JOB, payload, bank.now(), key=name)
    return _progress(bank, place, asked)


def _can_be_read(bank: Bank, place: Path) -> bool:
    """Whether an export is there; one that a former key has sealed, or another version has written, goes."""
    try:
        export_spool.asked_of(bank, place)
        export_spool.plan_of(bank, place)
    except (NotFound, Invalid):
        export_spool.remove(place)
        return False
    return True


def _name(asked: Asked) -> str:
    """The same for the same content, so that a broken line goes on where it broke; of a locked one, nobody's guess."""
    if asked.wish.password:
        return secrets.token_hex(16)
    wish = asked.wish
    said = repr((wish.format, wish.reports, wish.language, sorted(wish.words.items()), asked.objects, asked.reports))
    return sha256(said.encode()).hexdigest()[:32]


def _make_room(bank: Bank, principal: Principal) -> None:
    folder = export_spool.folder_of(bank, principal)
    waiting = sorted(folder.iterdir(), key=_age) if folder.is_dir() else []
    if len(waiting) < MOST_OF_ONE:
        return
    if bank.now() < _age(waiting[0]) - export_spool.KEPT + _RECENT:
        raise TooOften("{count} exports of yours wait; take them, or delete one", count=MOST_OF_ONE)
    export_spool.remove(waiting[0])


def _age(place: Path) -> Any:
    return export_spool.expires_at(place)


def progress(bank: Bank, name: str, principal: Principal) -> Progress:
    """How far an export of the caller's is. Raises NotFound, also when one of its studies may not be seen any more."""
    place = export_spool.place_of(bank, name, principal)
    asked = export_spool.asked_of(bank, place)
    _still_seen(bank, asked, principal)
    return _progress(bank, place, asked)


def _progress(bank: Bank, place: Path, asked: Asked) -> Progress:
    plan = export_spool.plan_of(bank, place)
    files = export_spool.made(bank, place)
    return Progress(
        place.name,
        asked.wish.format,
        len(files),
        len(asked.items),
        -1 if plan is None else plan.size,
        export_spool.expires_at(place),
        asked.is_locked,
        tuple(one.trouble for members in files for one in members if one.trouble),
    )


def go_on(bank: Bank, name: str, principal: Principal, for_s: float) -> Progress:
    """Make an export oneself for some seconds, instead of waiting for a worker. Raises as `progress` does."""
    place = export_spool.place_of(bank, name, principal)
    try:
        _work(bank, place, for_s)
    except (Conflict, Unavailable):
        time.sleep(min(for_s, 0.2))  # somebody makes it at this moment, or every decoder is busy
    return progress(bank, name, principal)


def export_job(bank: Bank, payload: dict[str, Any]) -> None:
    """Make an export for some seconds, and leave the rest for the next turn."""
    place = export_spool.root(bank) / payload["who"] / payload["name"]
    try:
        is_ready, again = _work(bank, place, SLICE_S), bank.now()
    except Conflict:
        is_ready, again = False, bank.now() + _AGAIN
    except NotFound:
        return  # it is gone, or what was to be in it
    if not is_ready:
        with bank.index.begin() as tx:
            tx.defer(JOB, payload, again, key=payload["name"])


def _work(bank: Bank, place: Path, for_s: float) -> bool:
    """Make files until the time is over; whether all are made. Raises Conflict while somebody else does, NotFound."""
    with export_spool.held(place):
        if export_spool.plan_of(bank, place) is not None:
            return True
        asked = export_spool.asked_of(bank, place)
        making = Making(bank, place)
        maker = Maker(bank, place, asked, making)
        until = time.monotonic() + for_s
        try:
            for item in asked.items[len(making.files) :]:
                maker.make(item)
                if time.monotonic() >= until and item is not asked.items[-1]:
                    return False
            export_spool.finish(bank, place, maker.finish())
            # Only its keys are needed from now on.
            export_spool.begin(bank, place, replace(asked, wish=replace(asked.wish, password="")))
            export_spool.touch(bank, place)
        except (NotFound, Invalid):
            # It cannot become what was asked for: whoever asks again begins anew.
            export_spool.remove(place)
            raise
    return True


def end(bank: Bank, name: str, principal: Principal) -> None:
    """Let go of an export of the caller's. Raises NotFound."""
    export_spool.remove(export_spool.place_of(bank, name, principal))


@dataclass(frozen=True, slots=True)
class Opened:
    """An export that is ready: its name as a file, and its bytes from a start up to an end.

    `tag` changes when any byte does. `read` raises NotFound in the middle when what it gives may not be seen any more.
    """

    file: str
    media_type: str
    size: int
    tag: str
    read: Callable[[int, int], Iterator[bytes]]


def opened(bank: Bank, name: str, principal: Principal, address: str = "") -> Opened:
    """An export to be taken; that it is stands in the ledger first.

    Raises NotFound when there is none or one of its studies may not be seen any more, Conflict while it is made,
    NotAllowed.
    """
    place = export_spool.place_of(bank, name, principal)
    asked = export_spool.asked_of(bank, place)
    seen = _still_seen(bank, asked, principal)
    plan = export_spool.plan_of(bank, place)
    if plan is None:
        raise Conflict("this export is not ready yet; ask again in some seconds")
    form = asked.wish.format
    retrieve.reading(bank, principal, seen, f"export as {form}", address)
    reported = {study for _, study in asked.reports}
    if reported:
        first = {one.study: one for one in seen if one.study in reported}
        bank.reads.count(principal, first.values(), reports.WAY, address)
    return Opened(
        f"images-{asked.at.astimezone(bank.settings.zone):%Y-%m-%d}.{form.suffix}",
        form.media_type,
        plan.size,
        f'"{plan.tag}"',
        lambda start, end: _given(bank, place, plan, seen, principal, start, end),
    )


def _given(
    bank: Bank, place: Path, plan: Plan, seen: list[Instance], principal: Principal, start: int, end: int
) -> Iterator[bytes]:
    lasting = Lasting(bank, principal)

    def instance_of(number: int) -> Instance:
        lasting.require(seen[number])
        return seen[number]

    return Reader(bank, place, instance_of).span(plan.pieces, start, end)


def _still_seen(bank: Bank, asked: Asked, principal: Principal) -> list[Instance]:
    """The objects of an export, by their places. Raises NotFound when one, or a report, is not there for the caller as it was."""
    principal.require(Right.GET)
    principal.require_taking()
    by_uid: dict[Uid, Instance] = {}
    for study in asked.wish.studies:
        by_uid |= {one.uid: one for one in bank.index.instances(Selection(study), principal.scope)}
    found = [by_uid.get(uid) for _, _, uid, _ in asked.objects]
    if not all(one is not None and str(one.digest) == asked.objects[at][3] for at, one in enumerate(found)):
        raise NotFound(_OTHER)
    for study in {study for _, study in asked.reports}:
        read = {one.id for one in bank.index.orders.reports(study, principal.scope)}
        if not read >= {number for number, of in asked.reports if of == study}:
            raise NotFound(_OTHER)
    return [one for one in found if one is not None]
