"""Attributes that a site makes searchable while the bank runs, and reading what was deposited before for them.

They can be matched at once. What came before is read by a job, headers alone, some at a time and with pauses, and goes on
where it was when it is cut short; until it is through, whoever searches by such an attribute is told that matches may be
missing.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from imagebank.actions import audit, notes, retrieve
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, Unsupported
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.attribute import MAIN, Attribute, Catalogue
from imagebank.model.declared import Declared, State
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance, Selection
from imagebank.model.note import Wanted
from imagebank.model.uid import Uid
from imagebank.ports import Transaction
from imagebank.ports.searchable import Read

JOB: Final = "attributes"
AGAIN: Final = "describe-values"
SETTINGS: Final = "settings"
"""Who has declared what the settings name."""
_OF_EVERY_BANK: Final = frozenset(attribute.path for attribute in MAIN)
_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is read stays in the bank."""
_SOON: Final = timedelta(seconds=3)
"""Longer than any process goes on with a catalogue that is no longer in force."""
_BATCH: Final = 50
_SLICE_S: Final = 5.0
"""How long is worked at a time; as long as that took, others have the bank to themselves."""


def add(bank: Bank, principal: Principal, wanted: Wanted, address: str = "") -> bool:
    """Make an attribute searchable; False when it is already, as it is given.

    Raises NotAllowed without the right to administer, Invalid for what is no attribute or cannot be searched, Conflict
    when it is searchable in another way, or a former one's values are still being taken out.
    """
    principal.require(Right.ADMINISTER)
    return _add(bank, wanted, principal.name, audit.event(bank, Act.CHANGED, principal, address, _said(wanted)))


def settle(bank: Bank) -> None:
    """Make searchable what the settings name and was not yet. Raises Invalid, Conflict."""
    names = {one.written for one in bank.index.searchable.declared()}
    for written in bank.settings.attributes:
        wanted = Wanted(written.strip())
        # What every bank has is not declared again, though an older program did not have it.
        if wanted.written not in names and read(wanted).path not in _OF_EVERY_BANK:
            event = Event(bank.now(), Act.CHANGED, SETTINGS, bank.settings.organization, detail=_said(wanted))
            _add(bank, wanted, SETTINGS, event)


def _said(wanted: Wanted) -> str:
    return f"attribute {wanted.written} made searchable"


def read(wanted: Wanted) -> Attribute:
    """The attribute that is meant. Raises Invalid."""
    # In here, so that a command that only commits or looks loads no DICOM library.
    from imagebank.dicom.dictionary import declared  # noqa: PLC0415 - half of what it takes to open a bank

    return declared(wanted.written, wanted.name, wanted.vr)


def _add(bank: Bank, wanted: Wanted, by: str, event: Event) -> bool:
    attribute = read(wanted)
    with bank.index.begin() as tx:
        is_new = tx.searchable.put(attribute, wanted.written, by, bank.now())
        if is_new:
            tx.record([event])
            notes.defer(bank, tx, attributes=((wanted, True),))
            _go_on(bank, tx, _SOON)
    return is_new


def remove(bank: Bank, principal: Principal, written: str, address: str = "") -> None:
    """Let an attribute be searchable no more; what was kept of its values is taken out by the job.

    Raises NotAllowed, NotFound, and Conflict for one that the settings name.
    """
    principal.require(Right.ADMINISTER)
    one = _found(bank, written)
    if one.written in {text.strip() for text in bank.settings.attributes}:
        raise Conflict("{attribute} is named in the settings: take it out there first", attribute=one.written)
    event = audit.event(bank, Act.CHANGED, principal, address, f"attribute {one.written} made searchable no more")
    with bank.index.begin() as tx:
        tx.searchable.leave(one.attribute.key)
        tx.record([event])
        notes.defer(bank, tx, attributes=((Wanted(one.written), False),))
        _go_on(bank, tx, _SOON)


def _found(bank: Bank, written: str) -> Declared:
    known = (one for one in bank.index.searchable.declared() if one.state is not State.GOING)
    for one in known:
        if written in (one.written, one.attribute.keyword):
            return one
    raise NotFound("{attribute} is no attribute that was made searchable here", attribute=written)


def listed(bank: Bank, principal: Principal) -> list[Declared]:
    """What the site has made searchable, and how far what came before has been read. Raises NotAllowed."""
    principal.require(Right.ADMINISTER)
    return bank.index.searchable.declared()


def restore(tx: Transaction, bank: Bank, told: Iterable[tuple[Wanted, bool]]) -> None:
    """Declare again what the objects tell was declared last; nothing is left to be read, as everything is entered anew."""
    for wanted, is_on in told:
        if is_on:
            with suppress(Conflict):  # the rows have outlived what the objects tell
                tx.searchable.put(read(wanted), wanted.written, SETTINGS, bank.now())


def go_on(bank: Bank) -> None:
    """Have the job go on with what is left, where it was given up."""
    if any(one.state is not State.WHOLE for one in bank.index.searchable.declared()):
        with bank.index.begin() as tx:
            _go_on(bank, tx, timedelta())


def _go_on(bank: Bank, tx: Transaction, after: timedelta) -> None:
    tx.defer(JOB, {}, bank.now() + after, key=JOB)


def work(bank: Bank, _: dict[str, Any], clock: Callable[[], float] = time.monotonic) -> None:
    """What the job does: work for a while at taking out and filling in, then let others have their turn."""
    began = clock()
    is_left = True
    while is_left and clock() - began < _SLICE_S:
        is_left = _step(bank)
    if is_left:
        with bank.index.begin() as tx:
            _go_on(bank, tx, timedelta(seconds=clock() - began))


def _step(bank: Bank) -> bool:
    """One batch; whether there was anything to do."""
    held = bank.index.searchable.declared()
    for one in held:
        if one.state is State.GOING:
            with bank.index.begin() as tx:
                tx.searchable.forget(one.attribute.key)
            return True
    filling = [one for one in held if one.state is State.FILLING]
    if not filling:
        return False
    # Those that are furthest back go on together up to the next one, and from there with it.
    last = min(one.last for one in filling)
    keys = [one.attribute.key for one in filling if one.last == last]
    upto = min((one.last for one in filling if one.last > last), default=0)
    rows = bank.index.searchable.unread(last, upto, _BATCH, _HERE)
    said = _read_all(bank, [instance for _, instance in rows], bank.catalogue)
    with bank.index.begin() as tx:
        tx.searchable.fill(keys, said)
        if rows:
            tx.searchable.advance(keys, rows[-1][0], len(rows))
        elif upto:
            tx.searchable.advance(keys, upto, 0)
        else:
            tx.searchable.finish(keys)
    return True


def describe_again(bank: Bank, payload: dict[str, Any]) -> None:
    """What the job `describe-values` does: read headers for what was declared while the objects were coming in."""
    instances = [
        one for uid in payload["instances"] for one in bank.index.instances(Selection(instance=Uid(uid)), _HERE)
    ]
    keys = [one.attribute.key for one in bank.index.searchable.declared() if one.state is not State.GOING]
    said = _read_all(bank, instances, bank.catalogue)
    with bank.index.begin() as tx:
        tx.searchable.fill(keys, said)


def _read_all(bank: Bank, instances: Sequence[Instance], catalogue: Catalogue) -> list[Read]:
    return [said for one in instances if (said := _read(bank, one, catalogue)) is not None]


def _read(bank: Bank, instance: Instance, catalogue: Catalogue) -> Read | None:
    """What an object says, from its header; None for one that is gone or damaged, of which `imagebank verify` tells."""
    from imagebank.dicom.describe import said  # noqa: PLC0415 - as in `read`

    try:
        data, header = retrieve.header(bank, instance)
        levels, declared = said(data, header, catalogue)
    except (NotFound, Invalid, Unsupported):
        return None
    forms: tuple[dict[str, tuple[str, ...]], ...] = ({}, {}, {}, {})
    for path, values in declared.items():
        attribute = catalogue.by_path[path]
        forms[attribute.level][attribute.key] = values
    identifier, issuer = (_first(levels[0].get(key)) for key in ("00100020", "00100021"))
    # Of one without an issuer, it was told by who had sent it.
    is_of_patient = identifier == instance.patient.identifier and issuer in ("", instance.patient.issuer)
    return Read(instance, levels, forms, is_of_patient)


def _first(element: dict[str, Any] | None) -> str:
    values = (element or {}).get("Value") or [""]
    return str(values[0] or "")
