"""The text of documents and what they say of themselves, read in a sandbox."""

import io

import pytest
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas

from imagebank.dicom.document_text import MOST_LETTERS, DocumentText, read_document, text_of
from imagebank.dicom.sandbox import Sandbox
from imagebank.errors import Invalid, Unsupported
from samples import sample_data

CDA = """<?xml version="1.0" encoding="{encoding}"?>
<ClinicalDocument xmlns="urn:hl7-org:v3"><id root="1.2.3"/><code displayName="Eye report"/>
<title>Befund Müller</title><effectiveTime value="20260301101500+0100"/>
<recordTarget><patientRole><id root="1.2.3.4" extension="4711"/><patient>
<name><prefix>Dr.</prefix><given>Ana</given><given>Eva</given><family>Díaz</family></name>
<administrativeGenderCode code="F"/><birthTime value="19800203"/></patient></patientRole></recordTarget>
<author><assignedAuthor><assignedPerson><name>Jo Roe</name></assignedPerson></assignedAuthor></author>
<componentOf><encompassingEncounter><id extension="V-9"/></encompassingEncounter></componentOf>
<component><structuredBody><component><section><title>Findings</title>
<text>Both eyes <content>clear</content>.</text></section></component></structuredBody></component></ClinicalDocument>"""


def a_pdf(*pages: str, password: str = "", **info: str) -> bytes:
    stream = io.BytesIO()
    canvas = Canvas(stream, encrypt=StandardEncryption(password) if password else None)
    canvas.setTitle(info.get("title", ""))
    canvas.setAuthor(info.get("author", ""))
    for page in pages:
        lines = canvas.beginText(72, 700)
        lines.textLines(page)
        canvas.drawText(lines)
        canvas.showPage()
    canvas.save()
    return stream.getvalue()


def test_a_pdf_is_read_page_by_page(sandbox: Sandbox) -> None:
    found = read_document(sandbox, a_pdf("Patient: Ana Díaz\nMRN 4711", "Second page", title="Eye", author="Roe"))

    assert found.text == "Patient: Ana Díaz\nMRN 4711\nSecond page"
    assert (found.info["title"], found.info["author"]) == ("Eye", "Roe")
    assert found.info["creationdate"].startswith("D:")
    assert read_document(sandbox, a_pdf("One", "Two"), pages=1).text == "One"


def test_the_text_of_a_sample_is_found(sandbox: Sandbox) -> None:
    text = text_of(sandbox, (sample_data() / "non-dicom" / "pdf" / "ecg-12-lead-report.pdf").read_bytes())

    assert "birthdate: 23 Jan 1971" in text
    assert "ECG date: 25 Jan 2013 09:54" in text


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1", "windows-1252", "utf-16"])
def test_a_clinical_document_is_read_in_its_encoding(sandbox: Sandbox, encoding: str) -> None:
    data = CDA.format(encoding=encoding).encode(encoding)
    if encoding == "utf-16":
        assert read_document(sandbox, data) == DocumentText()  # is not known for what it is
        return
    found = read_document(sandbox, data)

    assert found.text == "Befund Müller\nFindings\nBoth eyes\nclear\n."
    assert found.info == {
        "patient_id": "4711",
        "patient_root": "1.2.3.4",
        "patient_name": "Díaz^Ana^Eva^Dr.",
        "birth_date": "19800203",
        "sex": "F",
        "creationdate": "20260301101500+0100",
        "author_name": "Jo Roe",
        "encounter": "V-9",
        "kind": "Eye report",
        "title": "Befund Müller",
    }


def test_what_has_no_text_has_none(sandbox: Sandbox) -> None:
    assert text_of(sandbox, b"") == ""
    assert text_of(sandbox, b"\xff\xd8\xff\xe0 no document") == ""
    assert text_of(sandbox, b"%PDF-1.7 and nothing else") == ""
    assert text_of(sandbox, a_pdf("secret", password="x")) == ""
    assert text_of(sandbox, b"<ClinicalDocument>") == ""


def test_what_is_broken_or_locked_is_refused_in_words(sandbox: Sandbox) -> None:
    with pytest.raises(Unsupported, match="password"):
        read_document(sandbox, a_pdf("secret", password="x"))
    with pytest.raises(Invalid, match="cannot be read as one"):
        read_document(sandbox, b"%PDF-1.7 and nothing else")
    with pytest.raises(Invalid, match="well-formed"):
        read_document(sandbox, b"<ClinicalDocument>")


def test_text_is_bounded(sandbox: Sandbox) -> None:
    page = "\n".join(f"line {number} of a very long document" for number in range(50))

    assert MOST_LETTERS - 50 < len(text_of(sandbox, a_pdf(*[page] * 150))) <= MOST_LETTERS


def test_entities_of_a_document_do_not_grow_without_bounds(sandbox: Sandbox) -> None:
    rows = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10 if n else "ha" * 99}">' for n in range(9))
    bomb = f"<!DOCTYPE ClinicalDocument [{rows}]><ClinicalDocument>&e8;</ClinicalDocument>"

    assert text_of(sandbox, bomb.encode()) == ""
