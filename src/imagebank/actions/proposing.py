"""What may be so of a file that says nothing of itself: gathered from all that is known, and what is sure filled in.

Nothing is ever assigned to a person on a guess: whose a file is, that only who uploads it says, or an order or a visit
that they name.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from imagebank.actions import named_orders, reading_names
from imagebank.actions.named_orders import Named
from imagebank.bank import Bank
from imagebank.dicom import burned_in
from imagebank.dicom.document_text import read_document
from imagebank.dicom.file_words import FileWords, words_of
from imagebank.dicom.kind import Kind
from imagebank.errors import Invalid, Unsupported
from imagebank.model.access import Principal, Right
from imagebank.model.camera_words import of_camera
from imagebank.model.document_words import hl7_moment, proposals_of_header, proposals_of_text
from imagebank.model.file_names import Reading, proposals_of_name, taken
from imagebank.model.imaging import Receipt, Source
from imagebank.model.proposal import Proposal, ProposalSource, first_choices, ranked
from imagebank.model.upload import FIELDS, About

_PAGES: Final = 5
"""How many pages of a document are read: what it is stands at its beginning."""
_DOCUMENTS: Final = frozenset({Kind.PDF, Kind.CDA})
_DEVICE: Final = ("make", "model", "serial")
_TEXT: Final = "text of the document"
_HEAD: Final = "what the document says of itself"


@dataclass(frozen=True, slots=True)
class Proposed:
    """What is known of a file with all that is sure, and every proposal, also those that were filled in."""

    about: About
    proposals: tuple[Proposal, ...]


def propose(bank: Bank, name: str, data: bytes, kind: Kind, known: Named, source: Source) -> Proposed:
    """What may be so of one file; `known` is what was said and named. Raises Unavailable when no decoder is free.

    A proposal that says what was said already is none; one that contradicts it is there to be looked at.
    """
    words = words_of(bank.sandbox, data, kind)
    found = [*known.proposals, *_habits(bank, source), *_of_file(bank, name, data, kind, words)]
    said = values_of(known.about)
    proposals = ranked(one for one in found if one in known.proposals or one.value != said.get(one.field))
    sure = {field: one.value for field, one in first_choices(proposals).items() if one.is_sure}
    about = named_orders.filled(known.about, sure)
    return Proposed(replace(about, device=_device(words)), proposals)


def _device(words: FileWords) -> tuple[tuple[str, str], ...]:
    """What the file says of its device; a camera's own words before a program's."""
    said = {**words.xmp, **words.film, **words.exif}
    # PS3.5 6.2: an LO has 64 characters, and no backslash.
    return tuple((name, said[name].replace("\\", " ")[:64]) for name in _DEVICE if name in said)


def values_of(about: About) -> dict[str, str]:
    """What is known, by field, in the form that a proposal has."""
    known = {field: str(getattr(about, field, "") or "") for field in FIELDS} | {
        "patient_id": about.patient.identifier,
        "patient_issuer": about.patient.issuer,
        "patient_name": about.name,
        "accession_number": about.accession,
        "body_part": about.region.term if about.region else "",
        "taken_at": about.taken_at.isoformat() if about.taken_at else "",
    }
    return {field: value for field, value in known.items() if value}


def told(principal: Principal, receipts: Iterable[Receipt]) -> list[Receipt]:
    """Receipts with the proposals that somebody may be told: what an order or a visit says of a patient is for those who
    may find patients.
    """
    if Right.FIND in principal.rights:
        return list(receipts)
    kept_back = (ProposalSource.ORDER, ProposalSource.ENCOUNTER)
    return [
        replace(one, proposals=tuple(each for each in one.proposals if each.source not in kept_back))
        for one in receipts
    ]


def _habits(bank: Bank, source: Source) -> Iterator[Proposal]:
    """What is so as a rule of what comes from there."""
    for habit in _reading(bank).habits:
        is_theirs = habit.organization in ("", source.organization)
        if is_theirs and fnmatchcase(source.principal, habit.who or "*"):
            evidence = f"as a rule of {habit.who or habit.organization or 'this bank'}"
            for field, value in habit.values.items():
                yield from taken(field, value, ProposalSource.DEPARTMENT, evidence, habit.confidence)


def _reading(bank: Bank) -> Reading:
    return reading_names.reading(bank.settings.proposals_file)


def _of_file(bank: Bank, name: str, data: bytes, kind: Kind, words: FileWords) -> Iterator[Proposal]:
    reading, now = _reading(bank), bank.now()
    yield from proposals_of_name(reading, name)
    yield from of_camera(reading, words.exif, ProposalSource.EXIF, "Exif", now)
    yield from of_camera(reading, words.film, ProposalSource.EXIF, "head of the film", now)
    yield from of_camera(reading, words.xmp, ProposalSource.XMP, "XMP", now)
    if kind in _DOCUMENTS:
        yield from _of_document(bank, reading, data, kind)
    for letters in burned_in.letters_of(bank.sandbox, data, kind):
        called = f"letters in the picture at {letters.place}"
        share = 0.9 * letters.confidence
        yield from proposals_of_text(reading, letters.text, ProposalSource.BURNED_IN, called, share)


def _of_document(bank: Bank, reading: Reading, data: bytes, kind: Kind) -> Iterator[Proposal]:
    try:
        document = read_document(bank.sandbox, data, pages=_PAGES)
    except (Invalid, Unsupported):
        return  # whether it is taken at all is decided elsewhere
    yield from proposals_of_text(reading, document.text, ProposalSource.DOCUMENT, _TEXT)
    if kind is Kind.CDA:
        yield from proposals_of_header(document.info, "header of the document")
        return
    info = dict(document.info)
    info |= {"made_at": hl7_moment(info.get("creationdate", "")), "artist": info.get("author", "")}
    yield from of_camera(reading, info, ProposalSource.DOCUMENT, _HEAD, bank.now())
