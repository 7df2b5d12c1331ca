"""The ledger for those whom it concerns: an audit record repository, an auditor, a patient's accounting."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from typing import Final

from imagebank.actions import charge
from imagebank.actions.audit import SYSTEM, looking
from imagebank.actions.search import of_studies
from imagebank.bank import Bank
from imagebank.errors import BankError
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.audited import Entry
from imagebank.model.event import Act, Event
from imagebank.model.imaging import DataSet
from imagebank.model.ledger import Line, Sought
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid

_log = logging.getLogger(__name__)
ERRAND: Final = "tell the audit record repository"
LEASE: Final = timedelta(minutes=2)
_PAGE: Final = 1000
_PROVISION: Final = re.compile(r"(?:emergency|consent|grant|care) ([0-9a-f]{32})\b")
# Nobody looks here: what is found goes to who is told of the ledger anyway, and each of them stands in it.
_ALL: Final = Scope(organizations=None)
_ACCESSION, _STUDY, _SOP_CLASSES = "00080050", "0020000D", "00080062"


def begin_telling(bank: Bank) -> None:
    """Have everything told from now on that is written to the ledger. To be called by whoever tells, as it begins."""
    with bank.index.begin() as tx:
        tx.begin_telling(ERRAND)


def untold(bank: Bank, holder: str, limit: int) -> list[Entry]:
    """The next lines to tell, by lane and position; none while another holder has the errand."""
    if not bank.index.untold(_ALL, 1):
        return []
    now = bank.now()
    with bank.index.begin() as tx:
        is_ours = tx.take_errand(ERRAND, holder, now, now + LEASE)
    return entries(bank, bank.index.untold(_ALL, limit)) if is_ours else []


def told(bank: Bank, entries: Sequence[Entry]) -> None:
    """Note that lines were told. What is not noted is told again."""
    ends = {entry.line.lane: entry.line.position for entry in entries}
    with bank.index.begin() as tx:
        tx.mark_told(ends)


def search(
    bank: Bank,
    wanted: Sought,
    principal: Principal,
    address: str = "",
    *,
    fits: Callable[[Line], bool] = lambda _: True,
) -> list[Entry]:
    """Lines of the ledger that `fits` takes, newest first. Raises NotAllowed without the right to read it."""
    scope = reading(bank, principal, address, "read the ledger", wanted.patient)
    found = islice(filter(fits, _lines(bank, wanted, scope)), wanted.limit)
    return entries(bank, list(found))


def _lines(bank: Bank, wanted: Sought, scope: Scope) -> Iterator[Line]:
    page = bank.index.lines(replace(wanted, limit=_PAGE), scope)
    yield from page
    while len(page) == _PAGE:
        wanted = replace(wanted, after=place(page[-1]))
        page = bank.index.lines(replace(wanted, limit=_PAGE), scope)
        yield from page


def place(line: Line) -> tuple[int, str, int]:
    """Where a line stands among those that `Index.lines` gives."""
    return line.at, line.lane, line.position


def reading(bank: Bank, principal: Principal, address: str, why: str, patient: PatientId | None = None) -> Scope:
    """Say in the ledger that somebody reads it, and what of it they may read then. Raises NotAllowed.

    That is all of it, or what is said of a patient of one's own organization, or else what its people did and what was
    done to its studies.
    """
    principal.require(Right.AUDIT)
    everything = looking(bank, principal, address, why, patient=patient)
    is_own = charge.has_all(bank, principal) if patient is None else charge.has_patient(bank, principal, patient)
    return everything if is_own else Scope.of(principal.organization)


@contextmanager
def running(bank: Bank, role: str) -> Iterator[None]:
    """Say in the ledger when a part of the server starts and when it stops (PS3.15 A.5.3.1)."""
    for_now = Event(bank.now(), Act.STARTED, SYSTEM, bank.settings.organization, detail=role)
    with bank.index.begin() as tx:
        tx.record([for_now])
    try:
        yield
    finally:
        try:
            with bank.index.begin() as tx:
                tx.record([replace(for_now, at=bank.now(), act=Act.STOPPED)])
        except BankError as error:
            _log.warning("that %s stops could not be written into the ledger: %s", role, error)


def entries(bank: Bank, lines: Sequence[Line]) -> list[Entry]:
    """Lines with what can be looked up of them now. A patient of whom nothing is held any more stays a pseudonym."""
    uids = {Uid(line.study) for line in lines if line.study}
    studies, people = studies_by_uid(bank, uids), bank.index.patients_of(uids, _ALL)
    return [
        Entry(
            line,
            (people.get(line.person) or _decided_about(bank, line.detail)) if line.person else None,
            _text(studies.get(line.study, {}), _ACCESSION),
            _texts(studies.get(line.study, {}), _SOP_CLASSES),
        )
        for line in lines
    ]


def studies_by_uid(bank: Bank, uids: set[Uid]) -> dict[str, DataSet]:
    """What is held of these studies now; to be asked by who may read the ledger."""
    return {uid_of(one.attributes): one.attributes for one in of_studies(bank, sorted(uids), _ALL)}


def _decided_about(bank: Bank, detail: str) -> PatientId | None:
    """Whose consent or emergency a line speaks of, which names no study."""
    found = _PROVISION.match(detail)
    provisions = bank.index.provisions(_ALL, identifier=found[1]) if found else []
    return provisions[0].patient if provisions and provisions[0].patient.identifier else None


def uid_of(study: DataSet) -> str:
    return _text(study, _STUDY)


def _text(attributes: DataSet, tag: str) -> str:
    return next(iter(_texts(attributes, tag)), "")


def _texts(attributes: DataSet, tag: str) -> tuple[str, ...]:
    return tuple(str(value) for value in attributes.get(tag, {}).get("Value", ()) if value is not None)
