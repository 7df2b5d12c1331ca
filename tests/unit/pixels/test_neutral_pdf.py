"""Documents are shown without what acts in them by itself, and otherwise as they are."""

import pypdfium2
import pytest

from imagebank.dicom.sandbox import Sandbox
from make_pdf import a_pdf, with_a_hidden_script, with_a_script, written_out

TASK = "imagebank.dicom.neutral_pdf:neutral"


def neutral(sandbox: Sandbox, data: bytes) -> bytes | None:
    """The copy; None where none was needed."""
    answer, copy = sandbox.call(TASK, {}, data)
    return bytes(copy) if answer["is_changed"] else None


@pytest.mark.parametrize(
    "document",
    [
        with_a_script(),
        with_a_script(b"<</S/Java#53cript/J#53(app.alert\\(1\\))>>"),
        with_a_script(b"<</S/Launch/F(cmd.exe)>>"),
        with_a_script(b"<</S/SubmitForm/F(http://elsewhere.example)>>"),
        with_a_hidden_script(),
    ],
    ids=["plain", "written in codes", "a program", "a form", "hidden"],
)
def test_what_acts_is_called_otherwise(sandbox: Sandbox, document: bytes) -> None:
    copy = neutral(sandbox, document)
    assert copy is not None
    plain = written_out(copy)

    assert len(pypdfium2.PdfDocument(copy)) == 1
    assert not any(name in plain for name in (b"/JavaScript", b"/JS", b"/Launch", b"/SubmitForm"))
    assert b"/OpenAction" in plain
    assert neutral(sandbox, document) == copy


@pytest.mark.parametrize("document", [a_pdf(), a_pdf(b"(a text about /JSX and /Launching)"), a_pdf(root=b"/A#42 1")])
def test_a_document_in_which_nothing_acts_is_shown_as_it_is(sandbox: Sandbox, document: bytes) -> None:
    assert neutral(sandbox, document) is None


def test_a_picture_in_it_stays_whatever_letters_its_bytes_make(sandbox: Sandbox) -> None:
    copy = neutral(
        sandbox,
        a_pdf(
            b"<</S/JavaScript/JS(x)>>",
            b"<</Length 8/Filter/DCTDecode>>stream\n/JS /JS \nendstream",
            root=b"/OpenAction 4 0 R/Metadata 5 0 R",
        ),
    )

    assert copy is not None
    assert b"stream\r\n/JS /JS" in copy


def test_what_nobody_can_open_is_made_harmless_as_it_is(sandbox: Sandbox) -> None:
    copy = neutral(sandbox, b"%PDF-1.7 broken /JS (x)")

    assert copy == b"%PDF-1.7 broken /_S (x)"
