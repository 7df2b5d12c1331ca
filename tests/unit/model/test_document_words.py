"""What labels in a text tell, in four languages."""

import pytest

from imagebank.actions.reading_names import reading
from imagebank.model.document_words import of_person, proposals_of_text
from imagebank.model.file_names import Reading
from imagebank.model.proposal import Proposal, ProposalSource

BUILT_IN = reading(None)
DOCUMENT = ProposalSource.DOCUMENT


def told(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in proposals_of_text(BUILT_IN, text, DOCUMENT, "text"):
        found.setdefault(one.field, one.value)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "Patient: Diaz, Ana  MRN: 4711  DOB: 1980-02-03  Sex: F\nExam date: March 1, 2026 10:15\nAccession No.: A-12",
        (
            "Name: Diaz, Ana\nPatienten-Nr.: 4711\nGeb. 03.02.1980\nGeschlecht: weiblich\n"
            "Untersuchungsdatum: 1. März 2026 10:15\nUntersuchungsnummer: A-12"
        ),
        (
            "Paciente: Diaz, Ana\nNHC: 4711 Sexo: mujer\nFecha de nacimiento: 3 de febrero de 1980\n"
            "Fecha del estudio: 01.03.2026 10:15 Nº de acceso: A-12"
        ),
        (
            "Nom du patient : Mme Diaz, Ana\nIPP : 4711 Sexe : F\nNée le 3 février 1980\n"
            "Date de l'examen : 1 mars 2026 à 10h15\nN° d'examen : A-12"
        ),
    ],
)
def test_whose_a_document_is_and_of_when(text: str) -> None:
    assert told(text) == {
        "patient_name": "Diaz^Ana",
        "patient_id": "4711",
        "birth_date": "1980-02-03",
        "sex": "F",
        "taken_at": "2026-03-01T10:15:00",
        "accession_number": "A-12",
    }


def test_a_value_may_stand_below_its_label() -> None:
    assert told("Patient ID\n4711\nName\nDr. Jo Roe\nSex\nVisit\nV-9") == {
        "patient_id": "4711",
        "patient_name": "Roe^Jo",
        "encounter": "V-9",
    }
    assert told("Patient ID") == {}


def test_words_that_label_nothing_are_read_over() -> None:
    assert told("The patient was well. No date was set, and the order of things is unclear.") == {}
    assert told("Born in Rome. Patient ID: none. DOB: unknown. Sex: unclear. Name: 17. Side: ?") == {}


def test_what_is_written_behind_a_label_is_evidence() -> None:
    (found,) = proposals_of_text(BUILT_IN, "Examination: OCT of the macula", DOCUMENT, "text of the document", 0.5)

    assert found == Proposal(
        "description", "OCT of the macula", DOCUMENT, "text of the document: Examination: OCT of the macula", 0.35
    )


def test_a_day_that_may_be_a_month_is_less_sure() -> None:
    found = list(proposals_of_text(BUILT_IN, "DOB: 03/02/1980", DOCUMENT, "text"))

    assert [(one.value, one.confidence) for one in found] == [("1980-02-03", 0.425), ("1980-03-02", 0.425)]
    assert "other way round" in found[0].evidence


def test_without_labels_nothing_is_read() -> None:
    assert list(proposals_of_text(Reading(), "MRN: 4711", DOCUMENT, "text")) == []


@pytest.mark.parametrize(
    ("text", "value", "confidence"),
    [
        ("Diaz, Ana", "Diaz^Ana", 1),
        ("Ana María Diaz", "Diaz^Ana María", 0.75),
        ("Diaz", "Diaz", 0.5),
        ("O'Brien-Smith, Jo (f)", "O'Brien-Smith^Jo", 1),
    ],
)
def test_a_name_is_written_as_dicom_does(text: str, value: str, confidence: float) -> None:
    (found,) = of_person("patient_name", text, DOCUMENT, "", 1)

    assert (found.value, found.confidence) == (value, confidence)


def test_what_is_no_name_is_none() -> None:
    assert list(of_person("patient_name", "4711", DOCUMENT, "", 1)) == []
    assert list(of_person("patient_name", "Dr.", DOCUMENT, "", 1)) == []


def test_a_line_of_nothing_but_labels_ends() -> None:
    assert told("date " * 59 + "\n" + "DOB: " * 59) == {}
