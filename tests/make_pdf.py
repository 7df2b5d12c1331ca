"""PDF documents, as small as they can be."""

import io
import zlib
from contextlib import closing

import pypdfium2
from pypdfium2.raw import FPDF_NO_INCREMENTAL


def a_pdf(*more: bytes, root: bytes = b"", box: bytes = b"0 0 200 200", trailer: bytes = b"") -> bytes:
    """One empty page. `root` is added to the catalogue, `more` are objects from number 4 on."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R" + root + b">>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[" + box + b"]>>",
        *more,
    ]
    made, places = b"%PDF-1.7\n", []
    for number, one in enumerate(objects, 1):
        places.append(len(made))
        made += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    return made + b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (
        len(objects) + 1,
        trailer,
        start,
    )


def with_a_password() -> bytes:
    """A document that nobody can open: no password leads to what it was locked by (ISO 32000 7.6.3)."""
    lock = b"<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>" % (b"5a" * 32, b"a5" * 32)
    return a_pdf(lock, trailer=b"/Encrypt 4 0 R/ID[<00><00>]")


SCRIPT = b"<</S/JavaScript/JS(app.alert\\(1\\))>>"


def with_a_script(script: bytes = SCRIPT) -> bytes:
    """A document that runs a script when it is opened."""
    return a_pdf(script, root=b"/OpenAction 4 0 R")


def with_a_hidden_script() -> bytes:
    """The same, the script in a compressed stream of objects (ISO 32000 7.5.7), found by a stream of places (7.5.8)."""
    inner = b"4 0 " + SCRIPT
    packed = zlib.compress(inner)
    stream = b"<</Type/ObjStm/N 1/First 4/Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R/OpenAction 4 0 R>>",
        2: b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        3: b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>",
        5: stream,
    }
    made, rows = b"%PDF-1.7\n", {0: (0, 0, 65535), 4: (2, 5, 0)}
    for number, one in objects.items():
        rows[number] = (1, len(made), 0)
        made += b"%d 0 obj\n%s\nendobj\n" % (number, one)
    rows[6] = (1, len(made), 0)
    table = b"".join(
        bytes((kind,)) + place.to_bytes(4, "big") + more.to_bytes(2, "big")
        for kind, place, more in (rows[number] for number in range(7))
    )
    head = b"<</Type/XRef/Size 7/W[1 4 2]/Root 1 0 R/Length %d>>" % len(table)
    start = len(made)
    return made + b"6 0 obj\n%s\nstream\n%s\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % (head, table, start)


def written_out(data: bytes) -> bytes:
    """The document with every object in plain text."""
    with closing(pypdfium2.PdfDocument(data)) as pdf, io.BytesIO() as stream:
        pdf.save(stream, flags=FPDF_NO_INCREMENTAL)
        return stream.getvalue()
