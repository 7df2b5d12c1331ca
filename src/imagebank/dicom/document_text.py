"""The text of documents, read where untrusted bytes belong."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from imagebank.dicom.kind import HEAD, Kind, kind_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, Unsupported

MOST_LETTERS: Final = 200_000
"""How much text is read of one document."""
_TASK: Final = "imagebank.dicom.open_document:document"
_ALL_PAGES: Final = 200
_DOCUMENTS: Final = frozenset({Kind.PDF, Kind.CDA})


@dataclass(frozen=True, slots=True)
class DocumentText:
    """The text of a document, and what it says of itself, by name (`title`, `author`, `creationdate`, …)."""

    text: str = ""
    info: Mapping[str, str] = field(default_factory=dict)


def text_of(sandbox: Sandbox, data: bytes) -> str:
    """The text of a PDF or a clinical document, at most `MOST_LETTERS`; empty for what has none or cannot be read.

    Raises Unavailable when no decoder is free.
    """
    try:
        return read_document(sandbox, data).text
    except (Invalid, Unsupported):
        return ""


def read_document(sandbox: Sandbox, data: bytes, pages: int = _ALL_PAGES, letters: int = MOST_LETTERS) -> DocumentText:
    """Text and info of the first pages of a PDF, or of a clinical document; empty for a file of another kind.

    Raises Invalid for one that is broken, Unsupported for one that needs a password.
    """
    kind = kind_of(data[:HEAD])
    if kind not in _DOCUMENTS:
        return DocumentText()
    answer, text = sandbox.call(_TASK, {"kind": kind.value, "pages": pages, "letters": letters}, data)
    return DocumentText(bytes(text).decode(), answer["info"])
