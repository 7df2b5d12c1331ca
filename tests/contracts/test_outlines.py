"""Studies as wholes, and reports by their digests, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.described import at
from contracts.indexes import put
from imagebank.model.access import Scope
from imagebank.model.identity import Identity
from imagebank.model.imaging import Digest, Location
from imagebank.model.outline import Held, Wanted
from imagebank.model.person import PatientId
from imagebank.model.report import Report
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL, NORTH, SOUTH = Scope(None), Scope.of("north"), Scope.of("south")
N1, N2, S1 = PatientId("north", "P1"), PatientId("north", "P2"), PatientId("south", "P1")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPORT = Report(
    "north", N1, AT, "F", "R1", "A2", None, Digest("blake3", b"1"), AT, Location("seg", 4096, 4096, 10)
)  # fmt: skip


@pytest.fixture
def filled(index: SQLIndex) -> SQLIndex:
    put(index, "1.1", "north", "P1", StudyDate="20240101", received=1)
    put(index, "1.1", "north", "P1", StudyDate="20240101", received=100)
    put(index, "1.2", "north", "P1", StudyDate="20260101", AccessionNumber="A2", Modality="MR", received=50)
    put(index, "1.3", "south", "P1", StudyDate="20250101", received=10)
    put(index, "1.4", "north", "", StudyDate=None, received=20)
    with index.begin() as tx:
        tx.persons.put_identity(Identity(N1, own="1" * 32), [])
    return index


def told(found: list[Held]) -> list[str]:
    return [str(one.study) for one in found]


def test_studies_come_newest_first_with_whose_they_are(filled: SQLIndex) -> None:
    two, three, one, nobody = filled.histories.held(Wanted(), ALL)

    assert (one.study, one.organization, one.patient, one.record, one.updated_at) == (
        "1.1",
        "north",
        N1,
        "1" * 32,
        at(100),
    )
    assert (two.study, three.study, three.record) == ("1.2", "1.3", "")
    assert (nobody.patient, nobody.record) == (PatientId("north", ""), "")
    assert told(filled.histories.held(Wanted(), SOUTH)) == ["1.3"]
    assert filled.histories.held(Wanted(studies=(Uid("1.3"),)), NORTH) == []


def test_studies_are_chosen_by_what_is_asked(filled: SQLIndex) -> None:
    for wanted, expected in [
        (Wanted(patients=(N1, S1)), ["1.2", "1.3", "1.1"]),
        (Wanted(patients=()), []),
        (Wanted(patients=(PatientId("north", ""),)), []),
        (Wanted(studies=(Uid("1.1"), Uid("1.2"))), ["1.2", "1.1"]),
        (Wanted(accessions=("A2", "A9")), ["1.2"]),
        (Wanted(modalities=("MR",)), ["1.2"]),
        (Wanted(modalities=("MR", "CT"), limit=2, offset=1), ["1.3", "1.1"]),
        (Wanted(since="20250101"), ["1.2", "1.3"]),
        (Wanted(until="20250101"), ["1.1"]),
        (Wanted(updated_since=at(50)), ["1.2", "1.1"]),
        (Wanted(updated_before=at(50)), ["1.3", "1.4"]),
    ]:
        assert told(filled.histories.held(wanted, ALL)) == expected, wanted


def test_a_report_is_found_by_its_digest_where_its_study_is_seen(filled: SQLIndex) -> None:
    other = replace(REPORT, patient=N2, digest=Digest("blake3", b"2"))
    with filled.begin() as tx:
        for each in (REPORT, other):
            tx.orders.put_report(each, b"key")
    assert REPORT.digest is not None
    ((study, report),) = filled.histories.report(REPORT.digest, NORTH)

    assert (study, replace(report, id=0)) == ("1.2", REPORT)
    assert filled.histories.report(REPORT.digest, SOUTH) == []
    assert filled.histories.report(REPORT.digest, replace(ALL, reports=False)) == []
    assert other.digest is not None
    assert filled.histories.report(other.digest, ALL) == []
    with filled.begin() as tx:
        tx.persons.put_identity(Identity(N2, own="2" * 32, heard_at=AT + timedelta(1)), [])
        tx.persons.move(N2, "1" * 32)
    assert [study for study, _ in filled.histories.report(other.digest, ALL)] == ["1.2"]


def test_a_record_is_found_by_its_name_where_one_of_its_studies_is_seen(filled: SQLIndex) -> None:
    known = filled.persons.record_named("1" * 32, NORTH)

    assert known is not None
    assert known.identity.patient == N1
    assert filled.persons.record_named("1" * 32, SOUTH) is None
    assert filled.persons.record_named("3" * 32, ALL) is None
