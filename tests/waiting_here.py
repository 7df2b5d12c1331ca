"""A study of which a report and a document wait, in a bank whose site delays reports of pathology."""

from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset

from bank import keep
from cards_here import ADA, of
from imagebank.actions import reports
from imagebank.bank import Bank
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_file
from make_pdf import a_pdf

STUDY, IMAGES, LETTER = Uid("1.1"), Uid("1.1.1"), Uid("1.1.5")
WHY = "a doctor tells you first"
DELAYS = [{"types": ["pathology"], "hours": 72, "reason": WHY}]
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
BODY = Body("Biopsy", "House", (Part("text/plain", b"a carcinoma"),))


def a_report(bank: Bank, number: str = "R1", **given: Any) -> Report:
    one = Report("north", ADA, bank.now(), "F", number, study=STUDY, types=("section:sp",))
    return replace(one, **given)


def a_letter(**given: Any) -> bytes:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "11526-1", "LN", "Pathology study"
    given = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": LETTER, **given}
    return a_file(
        SOPClassUID=PDF,
        PatientID="ADA",
        Modality="DOC",
        SeriesDescription="Adenocarcinoma",
        InstitutionalDepartmentName="Pathology",
        ConceptNameCodeSequence=[code],
        EncapsulatedDocument=a_pdf(),
        MIMETypeOfEncapsulatedDocument="application/pdf",
        **given,
    )


def fill(bank: Bank) -> None:
    """Images of Ada's with a letter of pathology beside them, and a report."""
    images = a_file(StudyInstanceUID=STUDY, SeriesInstanceUID=IMAGES, PatientID="ADA", PatientName="Haddad^Ada")
    keep(bank, images, a_letter(), source=of("north"))
    reports.keep(bank, a_report(bank), BODY, "RIS")
