"""Documents with tables: every script, many pages, and bounds."""

import pypdfium2
import pytest

from imagebank.errors import Invalid, Unavailable
from imagebank.paper.document import MOST_ROWS, Column, Document, Heading, Paragraph, Table, document_pdf
from imagebank.paper.typeset import PaperSize, set_apart

COLUMNS = (Column("When"), Column("Who", 2))
UID = "1.2.840.113619.2.55.3.604688119.868.1234567890.467.1234567890"


def test_a_document_has_its_blocks_on_numbered_pages_with_the_heads_on_each() -> None:
    rows = [(f"2026-03-{1 + at % 28:02}", f"Dr Varga {at}") for at in range(120)] + [("", "عائشة"), ("", "山田 太郎")]
    blocks = (Paragraph("Times are UTC."), Heading("March"), Table(COLUMNS, rows))
    pdf = document_pdf(Document("Statement", blocks), "en", PaperSize.LETTER)
    pages = [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(pdf)]

    assert b"pdfuaid:part" in pdf, "every letter has a font"
    assert len(pages) > 1
    assert all("Who" in page and f"{number} / {len(pages)}" in page for number, page in enumerate(pages, 1))
    assert "Statement" in pages[0]
    assert "Times are UTC." in pages[0]
    assert "山田 太郎" in pages[-1]


def test_what_is_long_is_broken_and_nothing_is_read_as_markup() -> None:
    columns = tuple(Column(f"c{at}") for at in range(8))
    row = (UID, "x" * 200, "#let a = 1", "$x$ *bold* _it_", "<b>Dr</b> & \x00", "//", "", "= Title")
    document = pypdfium2.PdfDocument(document_pdf(Document("Long", (Table(columns, [row]),), is_across=True), "en"))
    found = document[0].get_textpage()
    width, height = document[0].get_size()
    text = "".join(found.get_text_range().split())

    assert width > height
    assert all(found.get_rect(at)[2] < width - 30 for at in range(found.count_rects()))
    assert "#leta=1" in text
    assert "<b>Dr</b>&" in text
    assert "=Title" in text


def test_more_rows_than_can_be_printed_are_refused() -> None:
    with pytest.raises(Invalid):
        document_pdf(Document("Long", (Table(COLUMNS, [("", "")] * (MOST_ROWS + 1)),)), "en")


def test_a_document_that_cannot_be_set_is_said_to_be_so() -> None:
    with pytest.raises(Unavailable):
        set_apart("document", {})
