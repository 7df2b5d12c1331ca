"""Taking in files of every kind: DICOM as it is, and what other departments have as the object that it becomes.

The file itself is kept beside its object. Original before object, object before reply: after a crash there is at most a
file whose object never came, and the same file again makes it whole.
"""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Final

from imagebank.actions import ingest, medium, named_orders, notes, proposing, retrieve
from imagebank.actions.ingest import Arrival
from imagebank.actions.medium import Inventory
from imagebank.actions.named_orders import Named
from imagebank.bank import Bank
from imagebank.dicom import dicomdir, wrap
from imagebank.dicom.digest import digest_of
from imagebank.dicom.kind import HEAD, Kind, claims, is_binary_stl, kind_of
from imagebank.errors import BankError, Invalid, NotFound, Unsupported
from imagebank.model.access import Principal, Scope
from imagebank.model.contributed import is_contributed
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Digest, Outcome, Receipt, Selection, Source
from imagebank.model.key import owner_of
from imagebank.model.note import Note
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.proposal import Proposal
from imagebank.model.uid import Uid
from imagebank.model.upload import About

# Such a file is held in memory as a whole, and once more as the object that is made of it.
_MOST_BYTES: Final = 1 << 30


def receive(
    bank: Bank,
    arrivals: Iterable[Arrival],
    source: Source,
    about: About | None = None,
    sees: Scope | None = None,
    *,
    by_hand: bool = False,
    inventory: Inventory | None = None,
) -> list[Receipt]:
    """Take files in, each as it comes, and say of each what became of it; what is said is durable.

    `about` is what is known of those that are not DICOM. A file that is broken, or of a kind that cannot become an
    object, lies in quarantine with the reason. `sees`, `by_hand` and what is raised are as with
    `ingest.receive`; `inventory` notes what tables of contents of media name.
    """
    about = about or About()
    source = replace(source, issuer=about.hospital) if about.hospital else source
    known: Named | None = None
    receipts: list[Receipt] = []
    for is_plain, some in groupby(((one, kind_in(one)) for one in arrivals), _is_plain):
        if is_plain:
            receipts += _as_they_are(bank, some, source, sees, by_hand=by_hand)
            continue
        for arrival, kind in some:
            if _is_for_browsers(arrival, kind):
                receipts.append(Receipt(Outcome.READ, arrival.name))
            elif kind is Kind.DICOMDIR:
                receipts.append(medium.take(bank, arrival, source, inventory))
            else:
                known = known or named_orders.named(bank, about, source, sees)
                receipts.append(_take(bank, arrival, kind, source, known, sees, by_hand=by_hand))
    medium.ask_whose(bank, receipts, source)
    return receipts


def _is_plain(one: tuple[Arrival, Kind]) -> bool:
    return one[1] in (Kind.DICOM, Kind.UNKNOWN) and not _is_for_browsers(*one)


def _is_for_browsers(arrival: Arrival, kind: Kind) -> bool:
    return kind is not Kind.DICOM and medium.is_for_browsers(arrival.name)


def _as_they_are(
    bank: Bank, plain: Iterable[tuple[Arrival, Kind]], source: Source, sees: Scope | None, *, by_hand: bool
) -> list[Receipt]:
    """Take DICOM in. What is broken, or no file of the kind that its name says, is laid aside."""
    given: list[tuple[Arrival, Kind]] = []

    def noted() -> Iterator[Arrival]:
        for one in plain:
            given.append(one)
            yield one[0]

    receipts = ingest.receive(bank, noted(), source, sees=sees, by_hand=by_hand)
    return [
        _unless_broken(bank, arrival, kind, source, receipt)
        for (arrival, kind), receipt in zip(given, receipts, strict=True)
    ]


def _unless_broken(bank: Bank, arrival: Arrival, kind: Kind, source: Source, receipt: Receipt) -> Receipt:
    error, ending = receipt.error, claims(arrival.name)
    # Only what nobody could read; what was read and is not taken is the sender's to change.
    is_unread = receipt.outcome is Outcome.REFUSED and receipt.uid is None and isinstance(error, Invalid)
    if not is_unread or not 0 < arrival.size <= _MOST_BYTES or (kind is Kind.UNKNOWN and not ending):
        return receipt
    if kind is Kind.UNKNOWN:
        error = Invalid(
            "its name ends in {ending}, and it is no such file, nor any other that is known here", ending=ending
        )
    arrival.content.seek(0)
    data = arrival.content.read(arrival.size)
    # A file that was cut off while it was read comes again.
    return _lay_aside(bank, arrival, data, kind, source, error) if len(data) == arrival.size and error else receipt


@dataclass(frozen=True, slots=True)
class Look:
    """What a file would become known by: its kind, what may be so of it, and what would be filled in."""

    kind: Kind
    about: About
    proposals: tuple[Proposal, ...] = ()
    warnings: tuple[str, ...] = ()

    def becomes(self, one: Proposal) -> str:
        """What would become of a proposal, in a word or two."""
        if proposing.values_of(self.about).get(one.field) == one.value:
            return "filled in"
        return "proposed" if one.is_likely else "shown"


def look_at(bank: Bank, arrival: Arrival, source: Source, about: About | None = None) -> Look:
    """What would be proposed for a file; nothing is kept. DICOM says itself what it is. Raises Unavailable."""
    kind = kind_in(arrival)
    if kind in (Kind.DICOM, Kind.UNKNOWN) or arrival.size > _MOST_BYTES:
        return Look(kind, about or About())
    known = named_orders.named(bank, about or About(), source)
    found = proposing.propose(bank, arrival.name, arrival.content.read(arrival.size), kind, known, source)
    return Look(kind, found.about, found.proposals, known.warnings)


def kind_in(arrival: Arrival) -> Kind:
    """What a file is by how it begins."""
    arrival.content.seek(0)
    head = arrival.content.read(HEAD)
    arrival.content.seek(0)
    kind = kind_of(head)
    if kind is Kind.DICOM and dicomdir.is_one(head):
        return Kind.DICOMDIR
    return Kind.STL if kind is Kind.UNKNOWN and is_binary_stl(head, arrival.size) else kind


def _take(
    bank: Bank, arrival: Arrival, kind: Kind, source: Source, known: Named, sees: Scope | None, *, by_hand: bool
) -> Receipt:
    """Keep one file and the object that it becomes."""
    if arrival.size > min(_MOST_BYTES, bank.settings.max_instance_bytes):
        return Receipt(
            Outcome.REFUSED,
            arrival.name,
            error=Invalid("larger than the {most} bytes that are taken", most=_MOST_BYTES),
        )
    data = arrival.content.read(arrival.size)
    digest = digest_of(data)
    about = known.about
    patient = PatientId(about.patient.issuer or source.authority, about.patient.identifier)
    held = _held(bank, digest, patient, source, arrival.name, about.instance)
    if held is not None:
        return replace(held, warnings=known.warnings)
    proposed = proposing.propose(bank, arrival.name, data, kind, known, source)
    filled = _of_owner(about, proposed.about) if is_contributed(source.organization) else proposed.about
    try:
        wrapped = wrap.wrap(bank.sandbox, data, kind, filled, bank.now())
    except (Invalid, Unsupported) as error:
        return _lay_aside(bank, arrival, data, kind, source, error)
    note = Note(source, bank.now(), digest, digest, arrival.name, made_into=wrapped.uid, media_type=kind.value)
    note = replace(note, proposals=proposed.proposals)
    _keep_original(bank, note, data, patient)
    made = Arrival(io.BytesIO(wrapped.file), len(wrapped.file), arrival.name)
    (receipt,) = ingest.receive(bank, [made], source, sees=sees, by_hand=by_hand)
    return replace(receipt, warnings=(*receipt.warnings, *known.warnings), proposals=proposed.proposals)


def _of_owner(said: About, filled: About) -> About:
    """What a file of an account's owner tells of itself says neither who that is nor of which order or visit it is."""
    whose = ("name", "birth_date", "sex", "accession", "order", "encounter", "operator", "hospital")
    return replace(filled, **{name: getattr(said, name) for name in whose})


def _held(
    bank: Bank, digest: Digest, patient: PatientId, source: Source, name: str, instance: Uid | None
) -> Receipt | None:
    """What became of the same file of the same patient before, whatever was said of it then.

    Who names the `instance` hears of that one, though the same file made another before.
    """
    scope = Scope.of(source.organization)
    uid = bank.index.made_of(digest, patient, scope, instance)
    found = bank.index.instances(Selection(instance=uid), scope) if uid is not None else []
    if not found:
        return None
    return Receipt(Outcome.DUPLICATE, name, found[0].study, found[0].series, found[0].uid, found[0].sop_class)


def _keep_original(bank: Bank, note: Note, data: bytes, patient: PatientId) -> None:
    key = bank.keys.of(owner_of(patient, note.source.organization))
    location = bank.blobs.write(io.BytesIO(data), len(data), notes.pack(note), key)
    bank.blobs.sync([location])
    with bank.index.begin() as tx:
        is_new = tx.keep_original(notes.original_of(note, location, key.name))
        tx.proposals.put(Uid(note.made_into), note.proposals)
    if not is_new:
        bank.blobs.destroy([location])


def _lay_aside(bank: Bank, arrival: Arrival, data: bytes, kind: Kind, source: Source, error: BankError) -> Receipt:
    """Put a file that cannot become an object into quarantine, where somebody may find out what it is."""
    reason = str(error)
    now, digest = bank.now(), digest_of(data)
    lies_there = bank.index.quarantined(Scope.of(source.organization), digest=digest)
    if lies_there:
        return Receipt(Outcome.QUARANTINED, arrival.name, error=error, quarantine=lies_there[0].id)
    note = Note(source, now, digest, digest, arrival.name, reason, media_type=kind.value)
    key = bank.keys.of(owner_of(PatientId("", ""), source.organization))
    location = bank.blobs.write(io.BytesIO(data), len(data), notes.pack(note), key)
    bank.blobs.sync([location])
    with bank.index.begin() as tx:
        number = tx.quarantine(reason, arrival.name, source, now, location, digest, sealed_by=key.name)
        detail = f"{source.way}: {Outcome.QUARANTINED}"
        tx.record([Event(now, Act.DEPOSITED, source.principal, source.organization, source.address, detail=detail)])
    return Receipt(Outcome.QUARANTINED, arrival.name, error=error, quarantine=number)


def original(
    bank: Bank, selection: Selection, principal: Principal, address: str = ""
) -> tuple[Original, Iterator[bytes]]:
    """The file that an instance was made of, as it came, in pieces; that it was read stands in the ledger first.

    Raises NotFound for an instance that came as it is or that the caller may not see, and NotAllowed.
    """
    instances = retrieve.select(bank, selection, principal.scope)
    principal.require_taking()
    found = bank.index.original(instances[0].uid, principal.scope)
    if found is None:
        raise NotFound("it came as a DICOM object; there is no other file of it")
    retrieve.reading(bank, principal, instances, "original file", address)
    return found, bank.blobs.stream(found.location)
