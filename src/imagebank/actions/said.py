"""What is said of a study that stands in no header: names of files, reports, and the text of documents in objects."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from imagebank.actions import notes, reports, retrieve
from imagebank.bank import Bank
from imagebank.dicom.document_text import text_of
from imagebank.errors import Invalid, NotFound
from imagebank.model.access import Scope
from imagebank.model.imaging import Selection
from imagebank.model.report import CANCELLED, Report
from imagebank.model.search import REPORT, Line, Weight
from imagebank.model.uid import Uid

_HERE: Final = Scope(organizations=None)
"""Nobody reads here: what is written stays in the bank."""
_DOCUMENT: Final = "00420011"
_HOLDERS: Final = {
    "1.2.840.10008.5.1.4.1.1.104.1": "PDF",  # Encapsulated PDF Storage
    "1.2.840.10008.5.1.4.1.1.104.2": "CDA",  # Encapsulated CDA Storage
}
_LARGEST: Final = 64 << 20
_LONGEST: Final = 256 << 10
_PIECE: Final = re.compile(r"\S.{0,239}(?!\S)|\S{1,240}")
"""As much of a text as is shown around a hit, ending where a word does."""

Source = Callable[[Bank, Uid], Iterable[Line]]
"""Says something of a study that is in no header."""


def file_names(bank: Bank, study: Uid) -> Iterator[Line]:
    """What the files were called that its objects came in."""
    for instance in bank.index.instances(Selection(study=study), _HERE):
        try:
            name = notes.note_at(bank, instance.location).name
        except (NotFound, Invalid):
            continue  # gone since it was listed, or damaged; `imagebank verify` tells
        if name:
            yield Line(Weight.DESCRIPTION, "File name", name)


def reported(bank: Bank, study: Uid) -> Iterator[Line]:
    """What its reports say, each in its newest version; nothing of one that was cancelled.

    All of it weighs what the rest does: who may find and not get objects is told nothing of a report.
    """
    for report in _newest(bank.index.orders.reports(study, _HERE)):
        body = reports.body_of(bank, report)
        if body is None or report.status == CANCELLED:
            continue
        label = f"{REPORT}{report.event_at:%Y%m%d}"
        for said in (body.title, body.author, *(part.title for part in body.parts)):
            yield from lines(label, said)
        for part in body.parts:
            yield from lines(label, part.text or text_of(bank.sandbox, part.content))


def documents(bank: Bank, study: Uid) -> Iterator[Line]:
    """What is written in the PDF and CDA documents among its objects."""
    for instance in bank.index.instances(Selection(study=study), _HERE):
        kind = _HOLDERS.get(instance.sop_class)
        if kind is None:
            continue
        try:
            held = retrieve.bulk(bank, instance, _DOCUMENT)
            data = b"".join(held.read(0, held.size)) if held.size <= _LARGEST else b""
        except (NotFound, Invalid):
            continue
        yield from lines(f"{kind} document", text_of(bank.sandbox, data))


SOURCES: Final[tuple[Source, ...]] = (file_names, reported, documents)


def _newest(versions: Iterable[Report]) -> Iterator[Report]:
    """The first of the versions of each report; one without a number stands for itself."""
    seen: set[tuple[str, str]] = set()
    for report in versions:
        key = (report.organization, report.number or f"\0{report.id}")
        if key not in seen:
            seen.add(key)
            yield report


def lines(label: str, text: str) -> Iterator[Line]:
    """A text as lines that can be shown around a hit, as of the rest of what is said."""
    for line in text[:_LONGEST].splitlines():
        yield from (Line(Weight.REST, label, piece) for piece in _PIECE.findall(line))
