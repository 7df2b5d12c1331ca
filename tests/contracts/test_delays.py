"""Which reports wait, and their release, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from contracts.described import a_kept
from imagebank.model.access import Asker, Purpose, Role, Scope
from imagebank.model.contributed import record_in
from imagebank.model.delay import Delay
from imagebank.model.imaging import Digest, Location, Selection
from imagebank.model.person import PatientId
from imagebank.model.report import Report, Waiting
from imagebank.model.search import Facet, Line, Marks, Nearness, Weight, Wish, document, marks_for
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL = Scope(None)
ADA = PatientId("north", "P1")
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
REPORT = Report(
    "north", ADA, AT, "F", "R1", "", Uid("1.1"), Digest("blake3", b"1"), AT, Location("seg", 4096, 4096, 10), types=("sp", "x")
)  # fmt: skip
DELAYS = (Delay(("sp",), 72, "first"), Delay((), 2, "all"))


@pytest.fixture
def filled(index: SQLIndex) -> SQLIndex:
    """A study with images, and a series of documents that came an hour later; and a report of it."""
    images = a_kept(study="1.1", organization="north", patient="P1", issuer="north")
    letter = a_kept(study="1.1", series="1.1.2", uid="1.1.2.1", organization="north", patient="P1", issuer="north")
    letter = replace(letter, received_at=AT, description=replace(letter.description, types=("sp",)))
    with index.begin() as tx:
        tx.enter([images, letter])
        tx.orders.put_report(REPORT, b"key")
    return index


def waiting(index: SQLIndex, hours: float, scope: Scope = ALL, delays: tuple[Delay, ...] = DELAYS) -> list[Waiting]:
    return index.histories.waiting([ADA], delays, AT + timedelta(hours=hours), scope)


def test_what_waits_is_told_until_its_time(filled: SQLIndex) -> None:
    found = waiting(filled, 71)

    assert {(one.study, one.which.organization, one.until, one.reason) for one in found} == {
        ("1.1", "north", AT + timedelta(hours=72), "first")
    }
    assert {one.which.name for one in found} == {"R1", "1.1.2"}
    assert waiting(filled, 72) == []
    assert waiting(filled, 1, Scope.of("south")) == []
    assert waiting(filled, 1, replace(ALL, reports=False)) == []
    assert waiting(filled, 1, delays=()) == []
    assert filled.histories.waiting([], DELAYS, AT, ALL) == []
    assert len(waiting(filled, 1, delays=(Delay((), 2, "all"),))) == 2
    assert waiting(filled, 1, delays=(Delay(("p",), 2, "no whole word"),)) == []


def test_what_people_add_themselves_waits_for_nothing(index: SQLIndex) -> None:
    record = record_in("0123")
    letter = a_kept(study="1.1", organization=record.issuer, patient=record.identifier, issuer=record.issuer)
    with index.begin() as tx:
        tx.enter([replace(letter, received_at=AT, description=replace(letter.description, types=("sp",)))])

    assert index.histories.waiting([record], DELAYS, AT, ALL) == []


def test_a_series_that_was_there_before_waits_as_its_first_object(index: SQLIndex) -> None:
    named: Any = {"study": "1.1", "series": "1.1.2", "organization": "north", "patient": "P1", "issuer": "north"}
    first, second = a_kept(**named, uid="1.1.2.1"), a_kept(**named, uid="1.1.2.2")
    described = replace(second.description, types=("sp",))
    with index.begin() as tx:
        tx.enter([replace(first, received_at=AT - timedelta(hours=70))])
        tx.enter([replace(second, received_at=AT, description=described)])

    assert [one.until for one in waiting(index, 0)] == [AT + timedelta(hours=2)]
    assert waiting(index, 2) == []


def test_versions_wait_as_the_first_one_and_a_release_is_of_all(filled: SQLIndex) -> None:
    late: Any = {"received_at": AT + timedelta(hours=70), "event_at": AT + timedelta(hours=70)}
    others = (
        replace(REPORT, status="C", digest=Digest("blake3", b"2"), **late),
        replace(REPORT, number="R2", digest=Digest("blake3", b"3"), **late),
        replace(REPORT, number="", digest=Digest("blake3", b"4"), **late),
    )
    with filled.begin() as tx:
        for one in others:
            tx.orders.put_report(one, b"key")
    assert {one.which.name for one in waiting(filled, 73)} == {"R2", str(others[2].digest)}
    with filled.begin() as tx:
        for named in waiting(filled, 71):
            tx.orders.release(named.which)
        tx.orders.put_report(replace(REPORT, status="A", digest=Digest("blake3", b"5"), **late), b"key")

    assert waiting(filled, 71) == []


def test_a_scope_under_delays_shows_nothing_that_waits(filled: SQLIndex) -> None:
    asker = Asker("ada", Role.PATIENT, "north", Purpose.PATIENT_REQUEST, AT + timedelta(hours=71))
    bound = Scope(None, asker=asker, delays=DELAYS)
    later = replace(bound, asker=replace(asker, at=AT + timedelta(hours=73)))

    assert [len(filled.histories.reports([ADA], scope)) for scope in (ALL, bound, later)] == [1, 0, 1]
    assert [len(filled.orders.reports(Uid("1.1"), scope)) for scope in (ALL, bound, later)] == [1, 0, 1]
    assert [len(filled.histories.series([ADA], scope)) for scope in (ALL, bound, later)] == [2, 1, 2]
    # Who nobody is, is bound by nothing: there is no moment to count from.
    assert len(filled.histories.reports([ADA], replace(bound, asker=None))) == 1


def test_a_study_of_which_something_waits_is_found_by_no_word(filled: SQLIndex) -> None:
    lines = [Line(Weight.REST, "Report", "a carcinoma")]
    written = document(Uid("1.1"), lines, {Facet.DEPARTMENT: ("Pathology",)})
    versions = {one: version for _, one, version in filled.series_of(Selection(Uid("1.1")), ALL)}
    with filled.begin() as tx:
        assert tx.words.put(written, versions)
    asker = Asker("ada", Role.PATIENT, "north", Purpose.PATIENT_REQUEST, AT + timedelta(hours=71))
    bound = Scope(None, asker=asker, delays=DELAYS, patients=frozenset({ADA}))
    later = replace(bound, asker=replace(asker, at=AT + timedelta(hours=73)))
    sought, anything = marks_for(Wish("carcinoma"), Nearness.TEXT), marks_for(Wish(), Nearness.TEXT)

    def named(scope: Scope, marks: Marks) -> list[bool]:
        return [(Facet.DEPARTMENT, "Pathology") in hit.values for _, hit in filled.words.graded([marks], scope, 9)]

    assert [named(scope, sought) for scope in (ALL, bound, later)] == [[True], [], [True]]
    assert [named(scope, anything) for scope in (ALL, bound, later)] == [[True], [False], [True]]
    assert [len(filled.words.hits(sought, scope, 9)) for scope in (ALL, bound, later)] == [1, 0, 1]
    assert [one.said is not None for one in filled.histories.exams([ADA], bound)] == [False]
