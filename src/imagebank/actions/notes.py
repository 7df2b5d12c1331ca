"""What is kept among the objects beside their own bytes: how each came, and what was decided about it later."""

import io
from typing import Any, Final

import msgspec

from imagebank.actions import open_file
from imagebank.actions.together import InSteps, Records, Steps
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.errors import Invalid
from imagebank.model.imaging import Kept, Location
from imagebank.model.key import BANK
from imagebank.model.note import Amendment, Enclosure, Note
from imagebank.model.original import Original
from imagebank.model.uid import Uid
from imagebank.ports import Transaction

Sealed = Note | Amendment | Enclosure
_NAMES: Final[dict[type, str]] = {Amendment: "amendment", Enclosure: "enclosure"}
# Our own encoder writes fields in their order, so that a glance tells them apart.
_HEADS: Final = {msgspec.json.encode({name: None})[: -len("null}")]: kind for kind, name in _NAMES.items()}


def pack(note: Sealed) -> bytes:
    """As it is sealed in a record."""
    return msgspec.json.encode(note if isinstance(note, Note) else {_NAMES[type(note)]: note}, enc_hook=str)


def unpack(packed: bytes) -> Sealed:
    """What was sealed in a record. Raises Invalid when it is none of these."""
    try:
        for head, kind in _HEADS.items():
            if packed.startswith(head):
                read: dict[str, Sealed] = msgspec.json.decode(packed, type=dict[str, kind], dec_hook=_uid)  # type: ignore[valid-type]
                return read[_NAMES[kind]]
        return msgspec.json.decode(packed, type=Note)
    except msgspec.DecodeError as error:
        raise Invalid("its note cannot be read: {error}", error=error) from error


def _uid(kind: type, value: Any) -> Any:
    return kind(value)  # the only type of ours that JSON has as a plain text


def note_at(bank: Bank, location: Location) -> Note:
    """How the object came that lies there. Raises NotFound when destroyed, Invalid when damaged or no object."""
    note = content_at(bank, location)
    if isinstance(note, Enclosure):
        raise Invalid("there is a message or a report here, and no object")
    return note


def content_at(bank: Bank, location: Location) -> Note | Enclosure:
    """How what lies there came, be it an object or not. Raises as `note_at` does, and Invalid for a mere decision."""
    note = unpack(bank.blobs.note(location))
    if isinstance(note, Amendment):
        raise Invalid("there is no object here")
    return note


def kept_again(bank: Bank, note: Note, location: Location) -> Kept:
    """What was to be entered when this record was written. Raises NotFound when destroyed, Invalid when damaged.

    Damaged is also what its own digest contradicts, such as a file that was refused because it changed while it came.
    """
    # In here, so that a command that only commits or looks loads no DICOM library.
    from imagebank.dicom.describe import describe  # noqa: PLC0415 - half of what it takes to open a bank

    with memoryview(open_file.opened(bank, location)) as data:
        described = describe(data, size=len(data), catalogue=bank.catalogue, organization=note.source.authority)
        if digest_of(data[described.dataset_offset :]) != note.content_digest:
            raise Invalid("its digest is not the one it arrived with")
    return Kept(
        described,
        location,
        note.digest,
        note.content_digest,
        note.source,
        note.received_at,
        note.name,
        sealed_by=bank.blobs.wrapped_by(location),
        correction=note.correction,
    )


def original_of(note: Note, location: Location, sealed_by: bytes) -> Original:
    """The file that a record holds which an object was made of."""
    return Original(Uid(note.made_into), location, note.digest, note.media_type, note.name, note.received_at, sealed_by)


def amend_payload(amendment: Amendment) -> dict[str, Any]:
    """What the job `amend` is told. It is deferred with the rows that it speaks of."""
    return {"amendment": msgspec.to_builtins(amendment, enc_hook=str)}


def defer(bank: Bank, tx: Transaction, **decided: Any) -> None:
    """Have an amendment of now put among the objects, as soon as the transaction is in."""
    now = bank.now()
    tx.defer("amend", amend_payload(Amendment(now, **decided)), now)


@InSteps
def amend_job(bank: Bank, payload: dict[str, Any]) -> Steps[None]:
    """What the job `amend` does: put an amendment among the objects. One that is there twice says nothing else."""
    amendment = msgspec.convert(payload["amendment"], Amendment, dec_hook=_uid)
    # What a patient decided is sealed as the patient's objects are, and goes with them.
    patients = (*(one.patient for one in amendment.provisions), *(one.patient for one in amendment.identities))
    patients += tuple(one.records[0] for one in amendment.decisions)
    patients += tuple(one.patient for one in amendment.expectations)
    patients += tuple(one.patient for one in amendment.released)
    patients += tuple(one.patient for one in amendment.alerts)
    owners = [patient for patient in patients if patient.identifier]
    # Whoever the object is of now, be it nobody that is known: its account has the former versions, too.
    owners += [one.patient for one in amendment.corrections]
    owner = next(iter(owners), BANK)
    yield Records((bank.blobs.write(io.BytesIO(), 0, pack(amendment), bank.keys.of(owner)),))
