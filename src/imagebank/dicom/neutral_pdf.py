"""PDF documents without what acts by itself, for people's eyes. Runs in a sandbox child.

Scripts, programs that are started, forms that are sent and media that play are called otherwise, so that no viewer knows
them; everything else stays. What is kept is not changed: this is a copy.
"""

import io
import re
from collections.abc import Sequence
from contextlib import closing
from typing import Any, Final

import pypdfium2

# ISO 32000 12.6.4: actions that do more than move about in the document; 12.7.8: forms of XML.
_ACTIVE: Final = re.compile(
    rb"/(?=(?:JavaScript|JS|Launch|SubmitForm|ImportData|GoToR|GoToE|RichMedia|Rendition|XFA)(?:[\s/<>\[\](){}%\0]|$)).",
    re.DOTALL,
)
# Names may be written with codes for letters, and lie in streams of objects that are compressed (7.3.5, 7.5.7).
_HIDING: Final = re.compile(rb"/ObjStm|/Encrypt|/[^\s/<>\[\](){}%]*#[0-9A-Fa-f]{2}")
_STREAM: Final = re.compile(rb"(\bstream\r?\n.*?endstream)", re.DOTALL)
_IDENTITY: Final = re.compile(rb"/ID\s*\[\s*<([0-9A-Fa-f]*)>\s*<([0-9A-Fa-f]*)>\s*\]")
_REMOVE_SECURITY: Final = 3


def neutral(_header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: a copy of the document in which nothing acts; no copy where nothing does. The same for the same."""
    data = bytes(payload)
    if not _ACTIVE.search(data) and not _HIDING.search(data):
        return {"is_changed": False}, ()
    plain = _plain(data)
    if not _ACTIVE.search(plain):
        return {"is_changed": False}, ()
    return {"is_changed": True}, [_renamed(plain)]


def _plain(data: bytes) -> bytes:
    """The document with every object and every name written out; as it is where nobody can open it."""
    try:
        with closing(pypdfium2.PdfDocument(data)) as pdf, io.BytesIO() as stream:
            pdf.save(stream, flags=_REMOVE_SECURITY)
            return _IDENTITY.sub(_same_each_time, stream.getvalue())
    except pypdfium2.PdfiumError:
        return data


def _same_each_time(found: re.Match[bytes]) -> bytes:
    """PDFium writes another identity with each copy, of which ranges may be asked for one by one."""
    return re.sub(rb"<[0-9A-Fa-f]*>", lambda one: b"<" + b"0" * (len(one[0]) - 2) + b">", found[0])


def _renamed(data: bytes) -> bytes:
    """Of the same length, so that every object stays where the document says. Streams are compressed, and stay."""
    pieces = _STREAM.split(data)
    pieces[::2] = [_ACTIVE.sub(b"/_", piece) for piece in pieces[::2]]
    return b"".join(pieces)


def warm() -> None:
    """Make one copy, so that nothing is loaded after the sandbox has closed itself."""
    with closing(pypdfium2.PdfDocument.new()) as pdf, io.BytesIO() as stream:
        pdf.new_page(8, 8)
        pdf.save(stream)
        neutral({}, memoryview(stream.getvalue() + b"\n%/JS "))
