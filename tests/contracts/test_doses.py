"""What studies say of radiation, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.described import a_kept
from imagebank.model.access import Asker, Purpose, Role, Scope
from imagebank.model.delay import Delay
from imagebank.model.dose import Basis, Quantity, Reading
from imagebank.model.exam import Said
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId
from imagebank.model.search import document
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL, NORTH = Scope(None), Scope.of("north")
N1, S1 = PatientId("north", "P1"), PatientId("south", "P1")
TOLD = Reading(Quantity.DLP, 412.5, Basis.REPORT, "1.1.1", "1.1.1.1", events=("e1", "e2"))
SEEN = Reading(Quantity.ACTIVITY, 350.0, Basis.HEADER, "1.1.2", "1.1.2.1", "FDG", "F-18", is_derived=True)


@pytest.fixture
def filled(index: SQLIndex) -> SQLIndex:
    with index.begin() as tx:
        for study, organization in (("1.1", "north"), ("1.2", "north"), ("1.3", "south")):
            about = a_kept(study=study, organization=organization, issuer=organization, PatientBirthDate="19700101")
            tx.enter([about])
        tx.doses.put(Uid("1.1"), [TOLD, SEEN])
        tx.doses.put(Uid("1.3"), [])
        tx.doses.put(Uid("1.9"), [SEEN])
    return index


def readings(index: SQLIndex, scope: Scope) -> dict[str, tuple[Reading, ...]]:
    return {one.study: one.readings for one in index.doses.of_patients([N1, S1], scope)}


def test_readings_come_back_as_they_were_for_who_sees_the_study(filled: SQLIndex) -> None:
    assert readings(filled, ALL) == {"1.1": (TOLD, SEEN), "1.3": ()}
    assert readings(filled, NORTH) == {"1.1": (TOLD, SEEN)}
    assert filled.doses.of_patients([], ALL) == []
    (found,) = filled.doses.of_studies([Uid("1.1"), Uid("1.2"), Uid("1.3")], NORTH)
    assert (found.study, found.birth_date, found.readings) == ("1.1", "19700101", (TOLD, SEEN))
    assert filled.doses.of_studies([Uid("1.3")], NORTH) == filled.doses.of_studies([], ALL) == []


def test_what_headers_say_of_the_exam_comes_with_it(filled: SQLIndex) -> None:
    said = Said(modalities=("CT",), descriptions=("CT CHEST",))
    versions = {one: version for _, one, version in filled.series_of(Selection(study=Uid("1.1")), ALL)}
    before = filled.doses.of_studies([Uid("1.1")], ALL)
    with filled.begin() as tx:
        assert tx.words.put(replace(document(Uid("1.1"), []), said=said), versions)

    assert [one.said for one in before] == [None]
    assert [one.said for one in filled.doses.of_studies([Uid("1.1")], ALL)] == [said]


def test_what_a_report_says_is_for_who_sees_reports(filled: SQLIndex) -> None:
    assert readings(filled, replace(NORTH, reports=False)) == {"1.1": (SEEN,)}


def test_what_a_report_says_waits_with_the_reports_of_its_study(filled: SQLIndex) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    letter = a_kept(study="1.1", series="1.1.9", organization="north", patient="P1", issuer="north")
    letter = replace(letter, received_at=now, description=replace(letter.description, types=("sp",)))
    with filled.begin() as tx:
        tx.enter([letter])

    def scope(hours: float) -> Scope:
        asker = Asker("ada", Role.PATIENT, "north", Purpose.PATIENT_REQUEST, now + timedelta(hours=hours))
        return replace(ALL, asker=asker, delays=(Delay(("sp",), 72, "first"),))

    assert readings(filled, scope(71))["1.1"] == (SEEN,)
    assert readings(filled, scope(73))["1.1"] == (TOLD, SEEN)


def test_it_is_written_anew_and_goes_with_its_study(filled: SQLIndex) -> None:
    with filled.begin() as tx:
        tx.doses.put(Uid("1.1"), [SEEN])
    again = readings(filled, ALL)
    with filled.begin() as tx:
        tx.remove(Selection(study=Uid("1.1")), ALL)

    assert again["1.1"] == (SEEN,)
    assert readings(filled, ALL) == {"1.3": ()}


def test_studies_are_told_that_nobody_has_read(filled: SQLIndex) -> None:
    assert filled.doses.unread(9, ALL) == ["1.2"]
    assert filled.doses.unread(9, ALL, "1.2") == filled.doses.unread(9, Scope.of("south")) == []
    with filled.begin() as tx:
        tx.clear()
    assert filled.doses.unread(9, ALL) == []
