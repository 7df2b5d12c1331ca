"""A page that stands in the archive for a file whose content nobody here can show, so that it is found and had back."""

from typing import Final

from imagebank.dicom.digest import digest_of
from imagebank.dicom.kind import Kind

_WIDEST: Final = 85
_OBJECTS: Final = (
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F1 4 0 R>>>>/Contents 5 0 R>>",
    "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding>>",
)


def page(kind: Kind, data: bytes, reason: str) -> bytes:
    """The page as PDF, the same for the same file. It has no word of the file itself."""
    lines = [
        "The file that belongs here is kept as it came, and is had back as this object's original file.",
        f"Kind: {kind.value}",
        f"Length: {len(data)} bytes",
        f"Digest: {digest_of(data).value.hex()}",
        "Its content is not shown:",
        *(reason[at : at + _WIDEST] for at in range(0, len(reason), _WIDEST)),
    ]
    written = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    text = f"BT /F1 10 Tf 18 TL 72 750 Td\n{written}ET"
    return _document([*_OBJECTS, f"<</Length {len(text)}>>\nstream\n{text}\nendstream"])


def _escaped(line: str) -> str:
    plain = line.encode("ascii", "replace").decode()
    return plain.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _document(objects: list[str]) -> bytes:
    """ISO 32000 7.5: objects, where each begins, and where to start."""
    made, places = "%PDF-1.4\n", []
    for number, one in enumerate(objects, 1):
        places.append(f"{len(made):010} 00000 n \n")
        made += f"{number} 0 obj\n{one}\nendobj\n"
    start = len(made)
    made += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{''.join(places)}"
    return f"{made}trailer\n<</Size {len(objects) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode("ascii")
