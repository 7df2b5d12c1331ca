"""An accounting of disclosures as a table for spreadsheets and as a document to hand out."""

from collections.abc import Iterator
from typing import Final

from imagebank.actions.disclosure import Accounting, Disclosure
from imagebank.http import csv_lines
from imagebank.paper.document import Column, Document, Paragraph, Table, document_pdf
from imagebank.paper.language import ENGLISH

COLUMNS: Final = (
    "date",
    "recipient",
    "organization",
    "address",
    "study",
    "what",
    "number",
    "way",
    "purpose",
    "exempt",
)
_SHARES: Final = (28, 32, 26, 28, 52, 40, 15, 22, 20, 14)
_NOTE: Final = (
    "Exempt are disclosures for treatment, payment and operations, and those to the patient "
    "(45 CFR 164.528(a)(1)); they need not be accounted for. Times are UTC."
)


def rows(made: Accounting) -> Iterator[dict[str, str | int]]:
    """Each disclosure by column, for people."""
    for one in made.disclosures:
        yield dict(zip(COLUMNS, _cells(one), strict=True))


def _cells(one: Disclosure) -> tuple[str | int, ...]:
    return (
        f"{one.at:%Y-%m-%d %H:%M:%S}",
        one.recipient,
        one.organization,
        one.address,
        one.study,
        one.description,
        one.number,
        one.way,
        "" if one.purpose is None else one.purpose.value,
        "yes" if one.is_exempt else "no",
    )


def as_csv(made: Accounting) -> bytes:
    """Lines of CSV in UTF-8 with a byte order mark, which no spreadsheet takes for formulas."""
    return csv_lines.as_csv(COLUMNS, map(_cells, made.disclosures))


def as_pdf(made: Accounting) -> bytes:
    """A4 across, in English, with names in every script. Raises Invalid when it has too many lines to be printed."""
    said = f"Patient {made.patient.identifier}, issued by {made.patient.issuer or 'nobody named'}. "
    said += f"From {made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M}, made {made.made_at:%Y-%m-%d %H:%M}. "
    columns = tuple(Column(name.capitalize(), share) for name, share in zip(COLUMNS, _SHARES, strict=True))
    rows = [[str(cell) for cell in _cells(one)] for one in made.disclosures]
    table = Table(columns, rows) if rows else Paragraph("Nothing was disclosed in this period.")
    return document_pdf(
        Document("Accounting of disclosures", (Paragraph(said + _NOTE), table), is_across=True), ENGLISH
    )
