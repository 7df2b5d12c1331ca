"""Text of documents, and what they say of themselves. Runs in a sandbox child.

PDFium is native code, and neither it nor the parser of XML is trusted with anything but the bytes.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any, Final
from xml.etree import ElementTree as ET

import pypdfium2

from imagebank.dicom.kind import Kind
from imagebank.errors import Invalid, Unsupported

MOST_PAGES: Final = 200
_LONGEST_WORD: Final = 256
_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]+")
_BLANKS: Final = re.compile(r"[ \t]+")
_PDF_WORDS: Final = {"title", "author", "subject", "keywords", "creator", "producer", "creationdate"}
_HL7: Final = "{urn:hl7-org:v3}"
# CDA R2 4.2: what the header has of the patient and of what the document is about.
_CDA_VALUES: Final = {
    "patient_id": ("recordTarget/patientRole/id", "extension"),
    "patient_root": ("recordTarget/patientRole/id", "root"),
    "birth_date": ("recordTarget/patientRole/patient/birthTime", "value"),
    "sex": ("recordTarget/patientRole/patient/administrativeGenderCode", "code"),
    "creationdate": ("effectiveTime", "value"),
    "performed": ("documentationOf/serviceEvent/effectiveTime", "value"),
    "performed_from": ("documentationOf/serviceEvent/effectiveTime/low", "value"),
    "encounter": ("componentOf/encompassingEncounter/id", "extension"),
    "order": ("inFulfillmentOf/order/id", "extension"),
    "kind": ("code", "displayName"),
}
_CDA_NAMES: Final = {
    "patient_name": "recordTarget/patientRole/patient/name",
    "author_name": "author/assignedAuthor/assignedPerson/name",
}


def document(header: dict[str, Any], payload: memoryview) -> tuple[dict[str, Any], Sequence[bytes]]:
    """Sandbox task: the text of a document of `kind`, at most `letters` of its first `pages`, and its `info`.

    Raises Invalid for one that is broken, Unsupported for one that needs a password or is no document.
    """
    kind, letters = Kind(header["kind"]), int(header["letters"])
    if kind is Kind.PDF:
        info, pages = _pdf(bytes(payload), min(int(header["pages"]), MOST_PAGES))
    elif kind is Kind.CDA:
        info, pages = _clinical(bytes(payload))
    else:
        raise Unsupported("it is no document that has text")
    text, left = "", letters
    for page in pages:
        text += tidy(page)[:left] + "\n"
        left = letters - len(text)
        if left <= 0:
            break
    words = {name: tidy(value)[:_LONGEST_WORD] for name, value in info.items() if value.strip()}
    return {"info": words}, [text.strip().encode("utf-8", "replace")]


def tidy(text: str) -> str:
    """Lines as a person reads them: without what cannot be printed, blanks one by one."""
    lines = (_BLANKS.sub(" ", _UNPRINTABLE.sub(" ", line)).strip() for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def _pdf(data: bytes, pages: int) -> tuple[dict[str, str], Iterator[str]]:
    try:
        pdf = pypdfium2.PdfDocument(data)
        info = {name.lower(): value for name, value in pdf.get_metadata_dict().items()}
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unsupported("it can be opened with a password alone; save it without one and send it anew") from error
        raise Invalid("it begins as a PDF and cannot be read as one; send it anew") from error
    return {name: info[name] for name in _PDF_WORDS & info.keys()}, _pages(pdf, pages)


def _pages(pdf: Any, pages: int) -> Iterator[str]:
    with closing(pdf):
        for number in range(min(len(pdf), pages)):
            try:
                yield pdf[number].get_textpage().get_text_bounded()
            except pypdfium2.PdfiumError:
                continue  # one page that is broken does not take the others with it


def _clinical(data: bytes) -> tuple[dict[str, str], Iterator[str]]:
    try:
        # No file and no network can be reached from here, and memory is bounded: what a document declares harms nobody.
        root = ET.fromstring(data)  # noqa: S314
    except (ET.ParseError, ValueError, LookupError) as error:
        raise Invalid("it begins as a clinical document and is no well-formed XML; send it anew") from error
    info = {}
    for name, (path, attribute) in _CDA_VALUES.items():
        found = root.find(_path(path))
        info[name] = found.get(attribute, "") if found is not None else ""
    for name, path in _CDA_NAMES.items():
        found = root.find(_path(path))
        info[name] = _person(found) if found is not None else ""
    info["title"] = "".join(root.findtext(f"{_HL7}title") or "")
    body = root.find(f"{_HL7}component")
    return info, iter((info["title"], "\n".join(body.itertext() if body is not None else ())))


def _path(path: str) -> str:
    return "/".join(_HL7 + step for step in path.split("/"))


def _person(name: Any) -> str:
    """A name of HL7 (PN) as DICOM writes it (PS3.5 6.2): family, given, middle, prefix, suffix."""
    parts = {tag: [(one.text or "").strip() for one in name.findall(_HL7 + tag)] for tag in _NAME_PARTS}
    given = parts["given"]
    groups = (parts["family"], given[:1], given[1:], parts["prefix"], parts["suffix"])
    plain = "^".join(" ".join(filter(None, group)) for group in groups).rstrip("^")
    return plain or " ".join("".join(name.itertext()).split())


_NAME_PARTS: Final = ("family", "given", "prefix", "suffix")
_ENCODINGS: Final = ("ascii", "cp1252", "iso8859_15", "latin_1", "utf_16", "utf_16_le")


def warm() -> None:
    """Load what a document may need, so that nothing is opened after the sandbox has closed itself."""
    for name in _ENCODINGS:
        codecs.lookup(name)
    with closing(pypdfium2.PdfDocument.new()) as pdf:
        pdf.new_page(8, 8).get_textpage().get_text_bounded()
    # Of the encodings, the parser asks Python for this one, and loads what it needs for that.
    ET.fromstring(b'<?xml version="1.0" encoding="windows-1252"?><a/>')  # noqa: S314 - our own words
