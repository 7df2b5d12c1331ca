"""A page that stands in the archive for a file whose content nobody here can show, so that it is found and had back."""

import io
from typing import Final

from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from imagebank.dicom.digest import digest_of
from imagebank.dicom.kind import Kind

_LEFT, _TOP, _LINE = 72, A4[1] - 90, 20
_WIDEST: Final = 85


def page(kind: Kind, data: bytes, reason: str) -> bytes:
    """The page as PDF, the same for the same file. It has no word of the file itself."""
    lines = [
        "The file that belongs here is kept as it came. It is had back as the original file of this object.",
        f"Kind: {kind.value}",
        f"Length: {len(data)} bytes",
        f"Digest: {digest_of(data).value.hex()}",
        "Its content is not shown:",
    ]
    lines += [reason[at : at + _WIDEST] for at in range(0, len(reason), _WIDEST)]
    with io.BytesIO() as stream:
        canvas = Canvas(stream, A4, invariant=True)
        canvas.setTitle("A file that is kept as it came")
        for number, line in enumerate(lines):
            canvas.setFont("Helvetica", 10)
            canvas.drawString(_LEFT, _TOP - number * _LINE, line)
        canvas.save()
        return stream.getvalue()
