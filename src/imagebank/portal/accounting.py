"""An accounting of disclosures as a table for spreadsheets and as a document to hand out."""

import csv
import io
from collections.abc import Iterator
from html import escape
from typing import Final

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle, getSampleStyleSheet
from reportlab.lib.units import mm
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from imagebank.actions.disclosure import Accounting, Disclosure

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
_WIDTHS_MM: Final = (28, 32, 26, 28, 52, 40, 15, 22, 20, 14)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
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
    to = io.StringIO()
    writer = csv.writer(to)
    writer.writerow(COLUMNS)
    for one in made.disclosures:
        writer.writerow([_harmless(cell) for cell in _cells(one)])
    return to.getvalue().encode("utf-8-sig")


def _harmless(cell: str | int) -> str | int:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell


def as_pdf(made: Accounting) -> bytes:
    """A4 across. Its font has the letters of western Europe; others are shown as question marks."""
    style = getSampleStyleSheet()
    small = ParagraphStyle("cell", style["Normal"], fontSize=7, leading=8.5, splitLongWords=True)
    head = [_paragraph(name.capitalize(), small) for name in COLUMNS]
    body = [[_paragraph(str(cell), small) for cell in _cells(one)] for one in made.disclosures]
    table = Table([head, *body], [width * mm for width in _WIDTHS_MM], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("GRID", (0, 0), (-1, -1), 0.25, colors.grey),
                ("BACKGROUND", (0, 0), (-1, 0), colors.whitesmoke),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    said = f"Patient {made.patient.identifier}, issued by {made.patient.issuer or 'nobody named'}. "
    said += f"From {made.since:%Y-%m-%d %H:%M} to {made.until:%Y-%m-%d %H:%M}, made {made.made_at:%Y-%m-%d %H:%M}. "
    to = io.BytesIO()
    document = SimpleDocTemplate(
        to,
        pagesize=landscape(A4),
        title="Accounting of disclosures",
        author="Imagebank",
        **dict.fromkeys(("leftMargin", "rightMargin", "topMargin", "bottomMargin"), 10 * mm),
    )
    document.build(
        [
            Paragraph("Accounting of disclosures", style["Heading1"]),
            _paragraph(said + _NOTE, style["Normal"]),
            Spacer(1, 4 * mm),
            table if body else _paragraph("Nothing was disclosed in this period.", style["Normal"]),
        ]
    )
    return to.getvalue()


def _paragraph(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(escape(text.encode("cp1252", "replace").decode("cp1252")), style)
