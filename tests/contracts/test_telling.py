"""Cursors over the ledger, and searches of it, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from contracts.described import a_kept
from imagebank.model.access import Scope
from imagebank.model.attribute import catalogue
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Checkpoint, Sought
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage.database import open_database
from imagebank.storage.index import SQLIndex
from imagebank.storage.migrate import migrate

ALL = Scope(organizations=None)
START = datetime(2026, 1, 1, tzinfo=UTC)
ADA = PatientId("north", "ADA")


@contextmanager
def opened(address: str) -> Iterator[SQLIndex]:
    database = open_database(address)
    migrate(database)
    index = SQLIndex(database, catalogue(), pseudonym=lambda patient: f"hidden {patient.identifier}")
    try:
        yield index
    finally:
        index.close()


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with opened(address) as made:
        yield made


def record(index: SQLIndex, *details: str, at: datetime = START, patient: PatientId | None = None) -> None:
    with index.begin() as tx:
        tx.record(
            [Event(at, Act.CHANGED, "somebody", "north", "10.0.0.5", detail=each, patient=patient) for each in details]
        )


def untold(index: SQLIndex, limit: int = 100) -> list[str]:
    return [line.detail for line in index.untold(ALL, limit)]


def tell(index: SQLIndex, number: int) -> None:
    with index.begin() as tx:
        for line in index.untold(ALL, number):
            tx.mark_told({line.lane: line.position})


def checkpoint(index: SQLIndex, number: int, at: datetime, *, waits: bool) -> None:
    with index.begin() as tx:
        micros = int(at.timestamp() * 1_000_000)
        made = Checkpoint(number, micros, tuple(tx.ends_of_lanes()), "", "")
        tx.put_checkpoint(made, waits_for_telling=waits)


def test_what_was_told_is_passed_over_lane_by_lane(index: SQLIndex, address: str) -> None:
    record(index, "one", "two", "three")
    with opened(address) as other:
        record(other, "four", "five")
        tell(index, 2)
        left = untold(index)
        record(index, "six")
        after = untold(index)

    assert len(left) == 3
    assert sorted(after) == sorted([*left, "six"])
    assert untold(index, 1) == after[:1]


def test_a_cursor_never_goes_back(index: SQLIndex) -> None:
    record(index, "one", "two", "three")
    (lane,) = {line.lane for line in index.untold(ALL, 1)}
    for position in (2, 1):
        with index.begin() as tx:
            tx.mark_told({lane: position})

    assert untold(index) == ["three"]


def test_telling_begins_where_the_ledger_ends_once(index: SQLIndex) -> None:
    record(index, "before")
    for detail in ("one", "two"):
        with index.begin() as tx:
            tx.begin_telling("errand")
        record(index, detail)

    assert untold(index) == ["one", "two"]


def test_an_errand_has_one_holder_until_its_time_is_over(index: SQLIndex) -> None:
    def take(holder: str, minute: int) -> bool:
        now = START + timedelta(minutes=minute)
        with index.begin() as tx:
            return tx.take_errand("errand", holder, now, now + timedelta(minutes=2))

    assert not take("us", 0)
    with index.begin() as tx:
        tx.begin_telling("errand")

    assert [take("us", 0), take("them", 1), take("us", 1), take("them", 2), take("them", 3)] == [
        *(True, False, True, False),
        True,
    ]


@pytest.mark.parametrize("waits", [True, False])
def test_a_quiet_lane_is_kept_until_it_was_told_only_where_somebody_is_told(index: SQLIndex, waits: bool) -> None:
    record(index, "one")
    checkpoint(index, 1, START + timedelta(days=3), waits=waits)
    left = untold(index)
    tell(index, 1)
    checkpoint(index, 2, START + timedelta(days=3), waits=waits)

    assert left == (["one"] if waits else [])
    assert untold(index) == []


def test_lines_are_found_page_by_page_newest_first(index: SQLIndex) -> None:
    for day in range(3):
        record(index, f"{day} a", f"{day} b", at=START + timedelta(days=day))
    found, after = [], None
    while page := index.lines(Sought(after=after, limit=4), ALL):
        found += [line.detail for line in page]
        after = page[-1].at, page[-1].lane, page[-1].position

    assert found == ["2 a", "2 b", "1 a", "1 b", "0 a", "0 b"]


def test_lines_are_found_by_person_time_act_and_place(index: SQLIndex) -> None:
    record(index, "ada's", patient=ADA)
    record(index, "nobody's", at=START + timedelta(days=1))

    def found(**wanted: object) -> list[str]:
        return [line.detail for line in index.lines(Sought(**wanted), ALL)]  # type: ignore[arg-type]

    start = int(START.timestamp() * 1_000_000)
    assert found(patient=ADA) == found(until=start + 1) == ["ada's"]
    assert found(since=start + 1) == ["nobody's"]
    assert found(acts=frozenset({Act.VIEWED})) == found(principal="other") == found(study="1.2") == []
    assert found(acts=frozenset({Act.CHANGED}), address="10.0.0.5", principal="somebody") == ["nobody's", "ada's"]


def test_the_patients_of_studies_are_known_by_their_pseudonyms(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1", uid="1.1.1.1", patient="ADA"), a_kept(study="1.2", uid="1.2.1.1", patient="BOB")])

    found = index.patients_of([Uid("1.1"), Uid("1.3")], ALL)

    assert {name: patient.identifier for name, patient in found.items()} == {"hidden ADA": "ADA"}
    assert index.patients_of([Uid("1.1")], Scope.nothing()) == index.patients_of([], ALL) == {}
