"""Reports that wait: no way of reading shows them to patients before their time, and everybody is told when that is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydicom.dataset import Dataset

from bank import keep as deposit
from bank import open_test_bank
from cards_here import ADA, KEEPER, holder, holds, of
from imagebank.actions import (
    finding,
    reporting,
    reports,
    retrieve,
    rights,
    timeline,
)
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.imaging import Selection
from imagebank.model.outline import Wanted
from imagebank.model.query import Condition, Like, OneOf, Query
from imagebank.model.report import Body, Part, Report
from imagebank.model.search import Wish
from imagebank.model.uid import Uid
from make import a_file

STUDY, IMAGES, LETTER = Uid("1.1"), Uid("1.1.1"), Uid("1.1.5")
WHY = "a doctor tells you first"
DELAYS = [{"types": ["pathology"], "hours": 72, "reason": WHY}]
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
BODY = Body("Biopsy", "House", (Part("text/plain", b"a carcinoma"),))
DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north", "south"))


def a_report(bank: Bank, number: str = "R1", **given: Any) -> Report:
    one = Report("north", ADA, bank.now(), "F", number, study=STUDY, types=("sp",))
    return replace(one, **given)


def a_letter() -> bytes:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "11526-1", "LN", "Pathology study"
    return a_file(
        StudyInstanceUID=STUDY,
        SeriesInstanceUID=LETTER,
        SOPClassUID=PDF,
        PatientID="ADA",
        Modality="DOC",
        SeriesDescription="Adenocarcinoma",
        ConceptNameCodeSequence=[code],
    )


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("delays"), organization="north", report_delays=DELAYS) as opened:
        images = a_file(StudyInstanceUID=STUDY, SeriesInstanceUID=IMAGES, PatientID="ADA", PatientName="Haddad^Ada")
        deposit(opened, images, a_letter(), source=of("north"))
        reports.keep(opened, a_report(opened), BODY, "RIS")
        finding.write(opened, STUDY)
        holds(opened, ADA)
        yield opened


def later(bank: Bank, **by: float) -> Bank:
    at = bank.now() + timedelta(**by)
    return replace(bank, now=lambda: at)


def recipient(bank: Bank) -> Principal:
    return rights.principal(bank, "card-c0ffee.1", Role.RECIPIENT, "north")


def _sees_document(bank: Bank, who: Principal) -> bool:
    return any(one.series == LETTER for one in bank.index.instances(Selection(STUDY), who.scope))


def _found_by(condition: str, value: str, level: Level) -> Callable[[Bank, Principal], bool]:
    def found(bank: Bank, who: Principal) -> bool:
        match = Like(value) if "*" in value else OneOf((value,))
        query = Query(level, (Condition(bank.catalogue.by_keyword[condition], match),))
        return bool([*bank.index.find(query, who.scope)]) or bool(bank.index.count(query, who.scope))

    return found


def _is_there(read: Callable[[Bank, Principal], object]) -> Callable[[Bank, Principal], bool]:
    def asked(bank: Bank, who: Principal) -> bool:
        try:
            return bool(read(bank, who))
        except NotFound:
            return False

    return asked


def _by_words(text: str) -> Callable[[Bank, Principal], bool]:
    return lambda bank, who: bool(finding.everything(bank, Wish(text), who, "api", 10).matches)


def _digest(bank: Bank) -> Any:
    (one,) = bank.index.orders.reports(STUDY, Scope(None))
    return one.digest


READERS: dict[str, Callable[[Bank, Principal], bool]] = {
    "reports of a study": lambda bank, who: bool(reports.of_study(bank, STUDY, who)),
    "part of a report": _is_there(lambda bank, who: reports.document(bank, STUDY, 1, 0, who)),
    "reports of a person": lambda bank, who: bool(reporting.of_patients(bank, who, [ADA], "x", "FHIR")),
    "report by its digest": _is_there(lambda bank, who: reporting.one(bank, who, _digest(bank), "FHIR")),
    "documents of a person": lambda bank, who: bool(reporting.documents(bank, who, Wanted((ADA,)), "x")),
    "reports of the timeline": lambda bank, who: any(
        entry.reports for entry in timeline.of_study(bank, who, STUDY, "api").entries
    ),
    "series of the timeline": lambda bank, who: any(
        part.modality == "DOC" for entry in timeline.of_study(bank, who, STUDY, "api").entries for part in entry.parts
    ),
    "objects": _sees_document,
    "one series": _is_there(lambda bank, who: retrieve.select(bank, Selection(series=LETTER), who.scope)),
    "metadata of a series": _is_there(lambda bank, who: bank.index.metadata(LETTER, who.scope)),
    "versions of series": lambda bank, who: bool(bank.index.series_of(Selection(series=LETTER), who.scope)),
    "series by a query": _found_by("Modality", "DOC", Level.SERIES),
    "objects by a query": _found_by("SOPClassUID", PDF, Level.INSTANCE),
    "a study by what its series say": _found_by("SeriesDescription", "adeno*", Level.STUDY),
    "words of a report": _by_words("carcinoma"),
    "words of a document": _by_words("adenocarcinoma"),
    "words like those of a document": _by_words("adenocarzinoma"),
}
"""Whether each way of reading shows a report, or something of it."""


@pytest.mark.parametrize("name", READERS)
def test_what_waits_is_read_by_staff_and_by_its_person_after_its_time(bank: Bank, name: str) -> None:
    reads, soon, after = READERS[name], later(bank, hours=71), later(bank, hours=73)

    assert reads(bank, KEEPER)
    assert reads(bank, DESK)
    assert not reads(bank, holder(bank))
    assert not reads(soon, holder(soon))
    assert reads(after, holder(after))
