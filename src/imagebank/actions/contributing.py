"""What owners of accounts add to their images themselves: a disc, photographs, documents.

It is kept as another organization's would be that nobody is of: under UIDs and a patient record of its own, whatever the
files say. So it joins nothing, changes nothing, and tells nothing of what is here.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

from imagebank.actions import card_contents, filing, holders, media, notes, persons, proposing, remove, shred
from imagebank.actions.arrival import Arrival, digest, view
from imagebank.actions.medium import Inventory, is_for_browsers
from imagebank.actions.own import Held, chosen
from imagebank.actions.unnamed import gathered
from imagebank.bank import Bank
from imagebank.dicom.coerce import renamed
from imagebank.dicom.describe import describe
from imagebank.dicom.kind import Kind as FileKind
from imagebank.dicom.scan import NOT_DICOM
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, Unavailable, Unsupported, noted
from imagebank.model.access import OWNERS, Principal, Scope
from imagebank.model.attribute import Level
from imagebank.model.contributed import is_contributed, record_of, uid_of
from imagebank.model.correction import Modification, Reason
from imagebank.model.imaging import DataSet, Description, Digest, Element, Instance, Outcome, Receipt, Selection, Source
from imagebank.model.person import PatientId, PersonName, fold
from imagebank.model.provision import ACTING, Kind, Provision
from imagebank.model.task import Kind as Asks
from imagebank.model.task import Task, filed
from imagebank.model.uid import Uid
from imagebank.model.upload import About
from imagebank.ports import Transaction
from imagebank.ports.contributions import Amount

MISFIT: Final = noted(
    "the name or the date of birth in this file is not that of the person whose images these are; it is kept, and "
    "somebody looks at it"
)
NOTE: Final = noted("the patient added it, and it names somebody else or another date of birth")
_FULL: Final = noted(
    "your account takes {files} files and {megabytes} MB on a day; what is missing of these can be sent tomorrow"
)
_ALL_FULL: Final = noted(
    "your account holds {files} files and {megabytes} MB of your own at the most; take something back to make room"
)
_UNREADABLE: Final = noted(
    "this file is none that can be looked at here; add hospital images (DICOM), photographs, films or PDF documents"
)
_EMPTY: Final[dict[str, Element | None]] = {
    # Of other systems: here they would be taken for orders and visits of our own (IHE IRWF).
    "00080050": {"vr": "SH"},
    **dict.fromkeys(("00080051", "00380010", "00380014", "00400275"), None),
    # Nobody is to be found, or matched, by what somebody's own disc says of others.
    **dict.fromkeys(("00101000", "00101002"), None),
}
_BROUGHT_BY: Final = "the patient"
_NAME, _BORN = "00100010", "00100030"
_DAY: Final = timedelta(days=1)
_ALIKE: Final = 2
"""So many parts of two names have to be the same, or all of the shorter one."""


@dataclass(frozen=True, slots=True)
class Depositor:
    """The owner of an account who adds to a person's images: by which holding, and to which record."""

    principal: Principal
    person: Held
    holding: Provision
    record: PatientId
    source: Source


def is_owner(principal: Principal) -> bool:
    """Whether what somebody deposits is added to their own images, and never comes in as an organization's."""
    return principal.role in OWNERS


def depositor(bank: Bank, principal: Principal, person: str, way: str, address: str = "") -> Depositor:
    """Who adds to whose images; the first person for whom the account acts where none is named.

    Raises NotAllowed for who acts for nobody, or where the bank takes nothing of patients, NotFound for a person that
    the account does not act for.
    """
    if not is_owner(principal) or not bank.settings.patient_files_a_day:
        raise NotAllowed("this bank takes nothing that patients add themselves")
    people = card_contents.givers(bank, principal)
    if not people:
        raise NotAllowed("your account acts for nobody whose images you could add to")
    one = chosen(people, person)[0]
    holding = next(each for each in one.holdings if each.terms in ACTING)
    record = record_of(holding)
    return Depositor(principal, one, holding, record, Source(way, principal.name, record.issuer, address))


def may_add(bank: Bank, principal: Principal) -> bool:
    """Whether an account acts for somebody whose images it can add to."""
    return is_owner(principal) and bool(bank.settings.patient_files_a_day and holders.acting(bank, principal))


def check_room(bank: Bank, who: Depositor, size: int) -> None:
    """Raises NotAllowed where an upload of so many bytes would be more than the account may add."""
    spent = bank.index.contributions.spent(who.principal.name, bank.now().date())
    _require(spent, Amount(1, size), _a_day(bank), _FULL)
    _require_in_all(bank, who, Amount(1, size))


def _a_day(bank: Bank) -> Amount:
    return Amount(bank.settings.patient_files_a_day, bank.settings.patient_bytes_a_day)


def _require(spent: Amount, more: Amount, most: Amount, words: str) -> None:
    if spent.files + more.files > most.files or spent.bytes + more.bytes > most.bytes:
        raise _too_much(words, most)


def _too_much(words: str, most: Amount) -> NotAllowed:
    return NotAllowed(words, files=most.files, megabytes=max(1, round(most.bytes / 1e6)))


def _require_in_all(bank: Bank, who: Depositor, more: Amount) -> None:
    kept = bank.index.contributions.kept(records_of(bank, who.principal) | {who.record})
    _require(kept, more, Amount(bank.settings.patient_files, bank.settings.patient_bytes), _ALL_FULL)


def kept(bank: Bank, principal: Principal) -> Amount:
    """How much an account has added that is here."""
    return bank.index.contributions.kept(records_of(bank, principal))


def records_of(bank: Bank, principal: Principal) -> frozenset[PatientId]:
    """The records that an account adds to."""
    held = holders.of_account(bank, principal)
    return frozenset(one.patient for one in held if is_contributed(one.patient.issuer))


def receive(
    bank: Bank,
    arrivals: Sequence[Arrival],
    who: Depositor,
    said: About | None = None,
    inventory: Inventory | None = None,
) -> list[Receipt]:
    """Take files in that the owner of an account adds; what is said of each is durable. Closes none of them.

    `said` is what is known of those that are not DICOM. Where they are more than the account may add, all are refused.
    Raises as `media.receive` does.
    """
    try:
        _spend(bank, who, Amount(len(arrivals), sum(one.size for one in arrivals)))
    except NotAllowed as error:
        return [Receipt(Outcome.REFUSED, one.name, error=error) for one in arrivals]
    _settle(bank, who)
    made: list[Arrival] = []
    misfits: set[int] = set()
    placed: list[Receipt | None] = []
    try:
        for arrival in arrivals:
            found = _as_own(bank, arrival, who)
            if isinstance(found, Receipt):
                placed.append(found)
                continue
            if found[1] is not None and not fits(found[1], who.person):
                misfits.add(len(placed))
            placed.append(None)
            made.append(found[0])
        received = iter(_received(bank, made, who, said, inventory))
    finally:
        for one in made:
            if one.came is not None:
                one.content.close()
    receipts = [next(received) if one is None else one for one in placed]
    return _with_misfits(bank, receipts, misfits, who)


def _received(
    bank: Bank, made: Sequence[Arrival], who: Depositor, said: About | None, inventory: Inventory | None
) -> list[Receipt]:
    if not made:
        return []
    sees = Scope.of(who.source.organization)
    receipts = media.receive(bank, made, who.source, _about(said, who), sees, inventory=inventory)
    return [replace(_plain(one), proposals=()) for one in proposing.told(who.principal, receipts)]


def _plain(receipt: Receipt) -> Receipt:
    """What became of a file that is no image at all, in words for who never heard of DICOM."""
    is_unknown = receipt.error is not None and receipt.error.template == NOT_DICOM
    return replace(receipt, error=Unsupported(_UNREADABLE)) if is_unknown else receipt


def _spend(bank: Bank, who: Depositor, more: Amount) -> None:
    _require_in_all(bank, who, more)
    most = _a_day(bank)
    with bank.index.begin() as tx:
        is_counted = tx.contributions.spend(who.principal.name, bank.now().date(), more, most)
    if not is_counted:
        raise _too_much(_FULL, most)


def _settle(bank: Bank, who: Depositor) -> None:
    """See that the account holds the record that it adds to, and that this is the person's; once for each."""
    name = who.record.identifier
    if bank.index.provisions(Scope(organizations=None), identifier=name):
        return
    holding = Provision(
        name,
        Kind.HOLDING,
        permits=True,
        patient=who.record,
        starts_at=bank.now(),
        principal=who.principal.name,
        role=who.principal.role,
        by=who.principal.name,
        reason=who.holding.id,
        terms=who.holding.terms,
    )
    with bank.index.begin() as tx:
        tx.put_provision(holding)
        notes.defer(bank, tx, provisions=(holding,))
        persons.attach(bank, tx, who.record, who.holding.patient)


def _as_own(bank: Bank, arrival: Arrival, who: Depositor) -> tuple[Arrival, Description | None] | Receipt:
    """A file under the record and the UIDs of the account, with what it said; itself where it is no DICOM.

    What cannot be read is refused later, as it would be of anybody.
    """
    is_other = media.kind_in(arrival) not in (FileKind.DICOM, FileKind.UNKNOWN) or is_for_browsers(arrival.name)
    if is_other or arrival.size > bank.settings.max_instance_bytes:
        return arrival, None
    try:
        with view(arrival) as data:
            said = describe(data, size=arrival.size, catalogue=bank.catalogue, organization=who.source.authority)
    except BankError:
        return arrival, None
    came = digest(arrival, said.dataset_offset)
    held = _held(bank, said.uid, who)
    if held is not None and held.content_digest == came:
        return Receipt(Outcome.DUPLICATE, arrival.name, held.study, held.series, held.uid, held.sop_class)
    made = _renamed(bank, arrival, who, came)
    return made if isinstance(made, Receipt) else (made, said)


def _renamed(bank: Bank, arrival: Arrival, who: Depositor, came: Digest) -> Arrival | Receipt:
    content, fault = None, None
    with view(arrival) as data:
        try:
            pieces = renamed(data, _changes(who.record), _modification(bank), lambda uid: uid_of(who.record, uid))
            content = gathered(bank.settings.data, pieces, "to take this file in")
            pieces.clear()
        except Invalid as error:
            fault = error.with_traceback(None)  # what it passed through holds on to the bytes
    if content is None:
        return Receipt(Outcome.REFUSED, arrival.name, error=fault)
    size = content.seek(0, 2)
    content.seek(0)
    return Arrival(content, size, arrival.name, came=came)


def _held(bank: Bank, uid: Uid, who: Depositor) -> Instance | None:
    """The same object, where the account sees it as it is: it was taken along from here, or a hospital keeps it."""
    return next(iter(bank.index.instances(Selection(instance=uid), who.principal.scope)), None)


def _changes(record: PatientId) -> dict[str, Element | None]:
    whose: dict[str, Element | None] = {
        "00100020": {"vr": "LO", "Value": [record.identifier]},
        "00100021": {"vr": "LO", "Value": [record.issuer]},
    }
    return whose | _EMPTY


def _modification(bank: Bank) -> Modification:
    return Modification(bank.now(), "Imagebank", Reason.COERCE, _BROUGHT_BY)


def _about(said: About | None, who: Depositor) -> About:
    """What is known of files that say nothing of themselves: whose they are, and what the owner says that they show."""
    born = None
    with suppress(ValueError):
        born = date.fromisoformat(who.person.birth_date)
    name = "=".join(who.person.name.groups()).rstrip("=")
    said = said or About()
    return About(who.record, name, born, taken_at=said.taken_at, description=said.description, region=said.region)


def fits(said: Description, person: Held) -> bool:
    """Whether the name and the birth date in a file are the person's, as far as both are known."""
    patient = said.levels[Level.PATIENT]
    born = "".join(sign for sign in _text(patient, _BORN) if sign.isdigit())
    if born and person.birth_date and born != person.birth_date.replace("-", ""):
        return False
    theirs, mine = _words_in(patient), _words(person.name)
    return not theirs or not mine or len(theirs & mine) >= min(_ALIKE, len(theirs), len(mine))


def _text(dataset: DataSet, key: str) -> str:
    value = next(iter(dataset.get(key, {}).get("Value", ())), None)
    return "" if value is None else str(value).strip()


def _words_in(patient: DataSet) -> frozenset[str]:
    value = next(iter(patient.get(_NAME, {}).get("Value", ())), None)
    groups = value if isinstance(value, dict) else {}
    return _words(PersonName(*(str(groups.get(each) or "") for each in ("Alphabetic", "Ideographic", "Phonetic"))))


def _words(name: PersonName) -> frozenset[str]:
    """The parts of a name in every writing, as they are compared."""
    text = " ".join(name.groups()).replace("^", " ").replace(",", " ").replace("-", " ")
    return frozenset(fold(text).split())


def _with_misfits(bank: Bank, receipts: Sequence[Receipt], misfits: set[int], who: Depositor) -> list[Receipt]:
    """Say where a file speaks of somebody else, and file each such study, so that somebody looks at it."""
    told = [
        replace(one, warnings=(MISFIT, *one.warnings)) if place in misfits and one.is_kept else one
        for place, one in enumerate(receipts)
    ]
    studies = dict.fromkeys(
        one.study for place, one in enumerate(told) if place in misfits and one.is_kept and one.study is not None
    )
    now = bank.now()
    with bank.index.begin() as tx:
        for study in studies:
            name = filed(Asks.CONTRIBUTED, study)
            filing.file(bank, tx, Task(name, Asks.CONTRIBUTED, who.record.issuer, (study,), now, note=NOTE))
    return told


def take_back(bank: Bank, principal: Principal, study: Uid, address: str = "") -> int:
    """Delete what an account added of a study, and destroy the keys of its bytes; how many objects went.

    What others have put into the study since stays. Raises NotFound for a study that the account did not add.
    """
    mine = added(bank, principal, study)
    scope = Scope.of(mine[0].patient.issuer)
    if len(mine) == len(bank.index.instances(Selection(study=study), scope)):
        return remove.take_out(bank, Selection(study=study), scope, principal, address)
    return sum(remove.take_out(bank, Selection(instance=one.uid), scope, principal, address) for one in mine)


def added(bank: Bank, principal: Principal, study: Uid) -> list[Instance]:
    """What of a study an account added itself. Raises NotFound where that is nothing."""
    owner = bank.index.owner_of(study, principal.scope)
    is_theirs = owner is not None and owner in {one.issuer for one in records_of(bank, principal)}
    there = bank.index.instances(Selection(study=study), Scope.of(owner)) if owner and is_theirs else []
    mine = [one for one in there if _is_of(bank, one, owner or "")]
    if not mine:
        raise NotFound("you have added no such images, or have taken them back already")
    return mine


def _is_of(bank: Bank, one: Instance, owner: str) -> bool:
    """Whether an object came from there; one that cannot be read any more is nobody else's loss."""
    try:
        return notes.note_at(bank, one.location).source.organization == owner
    except (NotFound, Invalid, Unavailable):
        return True


def sweep(bank: Bank) -> None:
    """Forget how much was added on days that are over."""
    with bank.index.begin() as tx:
        tx.contributions.sweep(bank.now().date() - _DAY)


def let_go(
    bank: Bank, tx: Transaction, held: Sequence[Provision], principal: Principal, address: str
) -> list[dict[str, list[str]]]:
    """Have the keys of all that an account added destroyed, as it is closed; what `shred.shred_job` is told of each."""
    added = [one.patient for one in held if is_contributed(one.patient.issuer)]
    told = []
    for record in added:
        # What could not be read is sealed for the depositor, as it is of nobody known.
        names = [*bank.keys.names_of(record), *bank.keys.names_of(PatientId(record.issuer, ""))]
        told.append(shred.close(bank, tx, record, names, principal, address))
    return told
