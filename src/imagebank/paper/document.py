"""Documents of headings, paragraphs and tables, such as a statement, with names in every script."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from imagebank.errors import Invalid
from imagebank.paper.language import direction
from imagebank.paper.typeset import PaperSize, set_apart, written

MOST_ROWS: Final = 5000


@dataclass(frozen=True, slots=True)
class Heading:
    """What the blocks below it are about."""

    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Whole sentences, in the language of the document."""

    text: str


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head, and its part of the width beside those of the others."""

    head: str
    share: float = 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows with a cell for each column, as people or systems wrote them."""

    columns: tuple[Column, ...]
    rows: Sequence[Sequence[str]]


Block = Heading | Paragraph | Table


@dataclass(frozen=True, slots=True)
class Document:
    """What is printed below a title. Titles, headings, heads and paragraphs are translated already."""

    title: str
    blocks: tuple[Block, ...]
    is_across: bool = False
    """Whether the paper lies on its long side."""


def document_pdf(document: Document, language: str, paper: PaperSize = PaperSize.A4) -> bytes:
    """A document on numbered pages; the heads of a table stand on each.

    Raises Invalid for more rows than `MOST_ROWS`, and Unavailable when it cannot be set.
    """
    if sum(len(block.rows) for block in document.blocks if isinstance(block, Table)) > MOST_ROWS:
        raise Invalid(
            "a printed document has at most {most} lines; ask for a shorter time, or for a table", most=MOST_ROWS
        )
    values = {
        "language": language,
        "direction": direction(language),
        "paper": paper,
        "title": document.title,
        "across": document.is_across,
        "blocks": [_values(block) for block in document.blocks],
    }
    return set_apart("document", values)


def _values(block: Block) -> Mapping[str, Any]:
    match block:
        case Heading(text):
            return {"kind": "heading", "text": text}
        case Paragraph(text):
            return {"kind": "paragraph", "text": text}
        case Table(columns, rows):
            return {
                "kind": "table",
                "heads": [column.head for column in columns],
                "shares": [column.share for column in columns],
                "rows": [[written(cell) for cell in row] for row in rows],
            }
