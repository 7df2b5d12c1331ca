"""A statement as a table for spreadsheets and as a document to print, in the words of its page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from imagebank.http import csv_lines
from imagebank.paper.document import Column, Document, Paragraph, Table, document_pdf
from imagebank.portal import here
from imagebank.portal.language import gettext, moment, noted, spoken
from imagebank.portal.statement_words import Seal, Told

_COLUMNS: Final = (
    (noted("When"), 26),
    (noted("What happened"), 52),
    (noted("More"), 62),
    (noted("Who"), 34),
    (noted("From where"), 34),
)


def as_csv(told: Sequence[Told]) -> bytes:
    """Every entry, the newest first, with where it stands in the ledger."""
    columns = [*(gettext(name) for name, _ in _COLUMNS), gettext("Entry")]
    return csv_lines.as_csv(columns, ([one.at.isoformat(), *_cells(one), one.number] for one in told))


def _cells(one: Told) -> list[str]:
    return [one.what, one.more, one.who, one.where]


def _printed(one: Told) -> list[str]:
    return [f"{one.at:%Y-%m-%d} {here.clock(one.at)}", *_cells(one)]


def as_pdf(told: Sequence[Told], seal: Seal | None, now: datetime) -> bytes:
    """A4 across, in the language of the page. Raises Invalid when there are too many entries to be printed."""
    said = gettext("Everything that happened to your images, newest first. Printed on %(at)s.") % {"at": moment(now)}
    if seal is not None:
        words = {"number": seal.number, "digest": seal.digest, "at": moment(seal.at)}
        said += " " + gettext("The ledger was sealed last by checkpoint %(number)s, %(digest)s, on %(at)s.") % words
    said += " " + gettext("Times are those of the zone %(zone)s.") % {"zone": here.zone_name()}
    columns = tuple(Column(gettext(name), share) for name, share in _COLUMNS)
    nothing = Paragraph(gettext("Nothing has happened yet."))
    table = Table(columns, [_printed(one) for one in told]) if told else nothing
    return document_pdf(Document(gettext("Statement"), (Paragraph(said), table), is_across=True), spoken())
