"""Taking objects in. Blob before row, row before reply."""

import io
import mmap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO

import msgspec

from imagebank.bank import Bank
from imagebank.dicom.describe import describe
from imagebank.dicom.digest import digest_of, digest_of_stream
from imagebank.dicom.same import is_same
from imagebank.errors import BankError, Conflict, Invalid, Mismatch, NotFound, OutOfSpace, Unavailable
from imagebank.model.imaging import Description, Digest, Kept, Outcome, Receipt, Source
from imagebank.model.note import Note
from imagebank.model.uid import Uid
from imagebank.ports import Entered

_BLOCK = 1 << 20
# What is compared value by value is held in memory; larger objects than this have to be equal byte by byte.
_MAX_COMPARED = 128 << 20


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object as it came: a DICOM file, positioned at its start.

    `content` is a BytesIO or a real file, `size` its length in bytes. `has_own_header` is false where the edge had to
    put the file header before a data set that came without one (DIMSE); the digest is then of the data set.
    `name` is what the sender called it, for the receipt.
    """

    content: IO[bytes]
    size: int
    name: str = ""
    has_own_header: bool = True


def receive(bank: Bank, arrivals: Sequence[Arrival], source: Source, only_study: Uid | None = None) -> list[Receipt]:
    """Take objects in, and say of each what became of it; what is said is durable.

    Objects that cannot be understood are refused one by one, with the reason on the receipt; where the sender named one
    study, those of others are refused as a Mismatch. Raises OutOfSpace or Unavailable when the bank cannot keep anything at all; then nothing of the call counts as kept.
    """
    placed = [_place(bank, arrival, source, only_study) for arrival in arrivals]
    kept = [one for one in placed if isinstance(one, Kept)]
    entered = iter(bank.commits.commit(kept) if kept else ())
    return [_receipt(one, next(entered)) if isinstance(one, Kept) else one for one in placed]


def _place(bank: Bank, arrival: Arrival, source: Source, only_study: Uid | None) -> Kept | Receipt:
    """Describe one object and write its bytes, unless it is refused or held already."""
    try:
        if arrival.size > bank.settings.max_instance_bytes:
            raise Invalid(f"larger than the {bank.settings.max_instance_bytes} bytes that this bank takes")
        with _view(arrival) as data:
            description = describe(data, size=arrival.size, catalogue=bank.catalogue, organization=source.organization)
        content_digest = _digest(arrival, description.dataset_offset)
        digest = _digest(arrival, 0) if arrival.has_own_header else content_digest
    except (OutOfSpace, Unavailable):
        raise
    except BankError as error:
        return Receipt(Outcome.REFUSED, arrival.name, error=error)
    if only_study is not None and description.study != only_study:
        other = Mismatch("it belongs to another study than the one that it was sent to")
        return replace(_about(description, Outcome.REFUSED, arrival.name), error=other)
    if _is_held(bank, arrival, description.uid, content_digest):
        return _about(description, Outcome.DUPLICATE, arrival.name)
    received_at = bank.now()
    note = Note(source, received_at, digest, content_digest, arrival.name)
    arrival.content.seek(0)
    location = bank.blobs.write(arrival.content, arrival.size, msgspec.json.encode(note))
    return Kept(description, location, digest, content_digest, source, received_at, arrival.name)


def _is_held(bank: Bank, arrival: Arrival, uid: Uid, content_digest: Digest) -> bool:
    """Whether the very data set is held already, be it as other software on its way wrote it anew."""
    held = bank.index.held(uid)
    if held is None or held[0] == content_digest:
        return held is not None
    location = held[1]
    if max(location.size, arrival.size) > _MAX_COMPARED:
        return False
    try:
        stored = bank.blobs.read(location)
    except (NotFound, Invalid):
        return False
    with _view(arrival) as data:
        return is_same(stored, data)


def _digest(arrival: Arrival, start: int) -> Digest:
    """The digest of an arrival from byte `start` on."""
    if isinstance(arrival.content, io.BytesIO):
        with arrival.content.getbuffer() as view:
            return digest_of(view[start:])
    # Read and not mapped: every page of a map that was touched counts as memory of this process.
    arrival.content.seek(start)
    return digest_of_stream(iter(lambda: arrival.content.read(_BLOCK), b""))


@contextmanager
def _view(arrival: Arrival) -> Iterator[memoryview]:
    """The bytes of an arrival without a copy: the buffer of a BytesIO, or a map of the file."""
    content = arrival.content
    if isinstance(content, io.BytesIO):
        with content.getbuffer() as view:
            yield view
    elif arrival.size == 0:
        yield memoryview(b"")
    else:
        with mmap.mmap(content.fileno(), arrival.size, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            yield view


def _receipt(kept: Kept, entered: Entered) -> Receipt:
    if entered.outcome is not Outcome.QUARANTINED:
        return _about(kept.description, entered.outcome, kept.name, entered.warnings)
    error = Conflict(f"{entered.reason}; this copy is safe in quarantine")
    receipt = _about(kept.description, entered.outcome, kept.name, entered.warnings)
    return replace(receipt, error=error, quarantine=entered.quarantine)


def _about(description: Description, outcome: Outcome, name: str, warnings: tuple[str, ...] = ()) -> Receipt:
    return Receipt(
        outcome,
        name,
        description.study,
        description.series,
        description.uid,
        description.sop_class,
        description.warnings + warnings,
    )
