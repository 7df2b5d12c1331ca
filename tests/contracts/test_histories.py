"""All of some patient records together, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts.described import a_kept
from contracts.indexes import put
from imagebank.model.access import Scope
from imagebank.model.exam import Held, Said
from imagebank.model.imaging import Digest, Found, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.region import Code
from imagebank.model.report import Report
from imagebank.model.search import document
from imagebank.model.timeline import Place
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL, NORTH = Scope(None), Scope.of("north")
N1, S1, NOBODY = PatientId("north", "P1"), PatientId("south", "P1"), PatientId("north", "")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPORT = Report(
    "north", N1, AT, "F", "R1", "A1", None, Digest("blake3", b"1"), AT, Location("seg", 4096, 4096, 10)
)  # fmt: skip


@pytest.fixture
def filled(index: SQLIndex) -> SQLIndex:
    """Two studies of a record of north, one of south, one of another patient, and one of nobody."""
    put(index, "1.1", "north", "P1", StudyDate="20240101", BodyPartExamined="KNEE")
    put(index, "1.1", "north", "P1", StudyDate="20240101", series="1.1.2", BodyPartExamined="HAND")
    put(index, "1.2", "north", "P1", StudyDate="20260101", AccessionNumber="A2")
    put(index, "1.3", "south", "P1", StudyDate="20250101")
    put(index, "1.4", "north", "P2", StudyDate="20250101")
    put(index, "1.5", "north", "", StudyDate="20250101")
    return index


def studies(found: list[Found]) -> list[str]:
    return [one.attributes["0020000D"]["Value"][0] for one in found]


def test_whose_a_study_is_is_told_to_who_sees_it(filled: SQLIndex) -> None:
    asked = (("1.1", NORTH), ("1.3", NORTH), ("1.3", ALL), ("1.5", ALL), ("1.9", ALL))

    assert [filled.histories.patient_of(Uid(uid), scope) for uid, scope in asked] == [N1, None, S1, NOBODY, None]


def test_series_of_several_records_come_with_their_studies_newest_first(filled: SQLIndex) -> None:
    both = filled.histories.series([N1, S1], ALL)

    assert studies(both) == ["1.2", "1.3", "1.1", "1.1"]
    assert sorted(one.attributes["00180015"]["Value"][0] for one in both[2:]) == ["HAND", "KNEE"]
    assert studies(filled.histories.series([N1, S1], NORTH)) == ["1.2", "1.1", "1.1"]
    assert filled.histories.series([NOBODY], ALL) == filled.histories.series([], ALL) == []


def test_exams_are_told_with_what_headers_say_of_them_where_somebody_looked(filled: SQLIndex) -> None:
    said = Said(modalities=("XR",), codes=(Code("1", "99X", "Knee"),))
    with filled.begin() as tx:
        versions = {one: version for _, one, version in filled.series_of(Selection(study=Uid("1.1")), ALL)}
        assert tx.words.put(replace(document(Uid("1.1"), []), said=said), versions)

    assert filled.histories.exams([N1, S1], ALL) == [
        Held(Uid("1.2"), "20260101", "north", None),
        Held(Uid("1.3"), "20250101", "south", None),
        Held(Uid("1.1"), "20240101", "north", said),
    ]
    assert [one.study for one in filled.histories.exams([N1, S1], NORTH)] == ["1.2", "1.1"]
    assert filled.histories.exams([NOBODY], ALL) == []


def test_rows_of_studies_say_what_is_asked_of_them_and_of_their_series(filled: SQLIndex) -> None:
    keys = frozenset(("00180015", "00100020", "00181030"))
    asked = [Uid("1.1"), Uid("1.3"), Uid("1.9")]
    told = filled.histories.rows(asked, keys, ALL)

    assert [study for study, _ in told] == ["1.1", "1.1", "1.3"]
    assert all(set(one) <= keys for _, one in told)
    assert sorted(one["00180015"]["Value"][0] for _, one in told[:2]) == ["HAND", "KNEE"]
    assert {one["00100020"]["Value"][0] for _, one in told[:2]} == {"P1"}
    assert [study for study, _ in filled.histories.rows(asked, keys, NORTH)] == ["1.1", "1.1"]
    assert filled.histories.rows([], keys, ALL) == []


def test_reports_come_with_the_studies_that_they_are_about(filled: SQLIndex) -> None:
    later = replace(REPORT, status="C", event_at=AT.replace(hour=13), digest=Digest("blake3", b"2"))
    by_uid = replace(REPORT, number="R2", study=Uid("1.2"), accession="", digest=Digest("blake3", b"3"))
    of_other = replace(REPORT, patient=PatientId("north", "P2"), digest=Digest("blake3", b"4"))
    elsewhere = replace(REPORT, organization="south", patient=S1, study=Uid("1.1"), digest=Digest("blake3", b"5"))
    unnamed = replace(REPORT, accession="", digest=Digest("blake3", b"6"))
    with filled.begin() as tx:
        for one in (REPORT, later, by_uid, of_other, elsewhere, unnamed):
            tx.orders.put_report(one, b"key")
    found = [(str(uid), one.number, one.status) for uid, one in filled.histories.reports([N1, S1], ALL)]

    assert found[0] == ("1.1", "R1", "C")
    assert sorted(found[1:]) == [("1.1", "R1", "F"), ("1.2", "R2", "F")]
    assert replace(dict(filled.histories.reports([N1], NORTH))[Uid("1.2")], id=0) == by_uid
    assert filled.histories.reports([N1], Scope.of("south")) == []


def test_series_come_in_pages_of_studies(filled: SQLIndex) -> None:
    first = filled.histories.series([N1, S1], ALL, most=2)
    place = filled.histories.place_of(Uid("1.3"), ALL)
    second = filled.histories.series([N1, S1], ALL, place, most=2)

    assert place == Place("20250101", "101500.000000", Uid("1.3"))
    assert (studies(first), studies(second)) == (["1.2", "1.3"], ["1.1", "1.1"])
    assert studies(filled.histories.series([N1, S1], NORTH, place)) == ["1.1", "1.1"]
    assert studies(filled.histories.series([N1, S1], NORTH, most=1)) == ["1.2"]
    assert filled.histories.place_of(Uid("1.3"), NORTH) is filled.histories.place_of(Uid("1.9"), ALL) is None


def test_a_place_is_told_by_day_then_time_then_number(filled: SQLIndex) -> None:
    for study, time in (("1.6", "1100"), ("1.7", "1000"), ("1.8", "1000")):
        with filled.begin() as tx:
            tx.enter(
                [
                    a_kept(
                        study=study,
                        organization="north",
                        patient="P3",
                        issuer="north",
                        StudyDate="2025",
                        StudyTime=time,
                    )
                ]
            )
    some = [PatientId("north", "P3")]
    behind = [
        studies(filled.histories.series(some, ALL, filled.histories.place_of(Uid(uid), ALL)))
        for uid in ("1.6", "1.7", "1.8")
    ]

    assert behind == [["1.7", "1.8"], ["1.8"], []]


def test_accession_numbers_are_told_of_every_study_that_is_seen(filled: SQLIndex) -> None:
    assert sorted(filled.histories.accessions([N1, S1], ALL)) == [("1.1", "A1"), ("1.2", "A2"), ("1.3", "A1")]
    assert [str(uid) for uid, _ in filled.histories.accessions([N1, S1], Scope.of("south"))] == ["1.3"]


def test_what_headers_say_comes_in_parts_the_last_that_came_first(filled: SQLIndex) -> None:
    assert filled.histories.said(ALL, None, 9) == []
    said = Said(("CT",), ("CT HEAD",))
    with filled.begin() as tx:
        for study in ("1.1", "1.2", "1.3"):
            series = filled.series_of(Selection(study=Uid(study)), ALL)
            tx.words.put(replace(document(Uid(study), {}, {}), said=said), {one: version for _, one, version in series})
    first = filled.histories.said(ALL, None, 2)
    rest = filled.histories.said(ALL, first[-1][0], 2)

    assert [(patient, words) for _, patient, _, words in (*first, *rest)] == [(S1, said), (N1, said), (N1, said)]
    assert [patient for _, patient, _, _ in filled.histories.said(NORTH, None, 9)] == [N1, N1]
