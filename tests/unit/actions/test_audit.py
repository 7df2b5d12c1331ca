"""What stands in the ledger of every look at a study."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import audit, search
from imagebank.actions.audit import CountedReads
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance, Selection
from imagebank.model.query import Condition, OneOf, Query
from make import a_file, a_series

ALL = Scope(organizations=None)
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], Scope.of("local"))
WAY = ("web", "192.0.2.7")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, *a_series(3), a_file())
        yield opened


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def looks(bank: Bank) -> list[Event]:
    """What was looked at, the oldest first."""
    return [event for event in reversed(bank.index.events(ALL)) if event.act is Act.VIEWED]


def test_the_first_look_at_each_study_is_in_the_ledger_when_it_returns(bank: Bank) -> None:
    reads = CountedReads(bank.index, bank.now)
    instances = held(bank)
    before = reads.count_again(DOCTOR, instances, *WAY)
    reads.count(DOCTOR, instances, *WAY)

    assert not before
    assert reads.count_again(DOCTOR, instances, *WAY)
    assert sorted(event.count for event in looks(bank)) == [1, 3]
    assert {event.study for event in looks(bank)} == {one.study for one in instances}
    assert {(event.principal, event.address, event.detail) for event in looks(bank)} == {("Dr Varga", *WAY[::-1])}


def test_later_looks_are_counted_and_written_together(bank: Bank) -> None:
    reads = CountedReads(bank.index, bank.now)
    one = held(bank)[:1]
    for _ in range(5):
        reads.count(DOCTOR, one, *WAY)
    before = len(looks(bank))
    reads.flush()
    reads.flush()

    assert before == 1
    assert [(event.count, event.detail) for event in looks(bank)] == [(1, "web"), (4, "web: more")]


def test_another_way_or_address_is_another_first_look(bank: Bank) -> None:
    reads = CountedReads(bank.index, bank.now)
    one = held(bank)[:1]
    for way, address in (WAY, ("C-GET", WAY[1]), (WAY[0], "192.0.2.8")):
        reads.count(DOCTOR, one, way, address)

    assert len(looks(bank)) == 3


class Forgetful(CountedReads):
    """Remembers two readers' studies at most."""

    _FORGET_AT = 1


def test_what_is_forgotten_to_save_memory_stands_in_the_ledger_again_at_its_next_look(bank: Bank) -> None:
    reads = Forgetful(bank.index, bank.now)
    instances = held(bank)
    reads.count(DOCTOR, instances, *WAY)
    reads.flush()
    reads.count(DOCTOR, instances[:1], *WAY)

    assert len(looks(bank)) == 3
    assert not reads.count_again(DOCTOR, instances, *WAY)


def test_the_banks_own_look_at_everything_stands_in_the_ledger_with_its_reason(bank: Bank) -> None:
    scope = audit.unbounded(bank, Scope.everything("verify"))

    assert scope == ALL
    (event,) = (event for event in bank.index.events(ALL) if event.act is Act.UNBOUNDED)
    assert (event.principal, event.detail) == ("imagebank", "verify")


def noted(bank: Bank, act: Act) -> list[tuple[int, str]]:
    """How often, and what: the oldest first."""
    return [(event.count, event.detail) for event in reversed(bank.index.events(ALL, limit=1000)) if event.act is act]


def by(bank: Bank, *keywords: str) -> Query:
    keys = (bank.catalogue.by_keyword[keyword] for keyword in keywords)
    return Query(Level.STUDY, tuple(Condition(key, OneOf(("SECRET",))) for key in keys))


def test_the_first_search_by_some_attributes_is_in_the_ledger_and_later_ones_are_counted(bank: Bank) -> None:
    for keywords in (["PatientName", "PatientID"], ["PatientID", "PatientName"], [], ["PatientID"]):
        search.searching(bank, DOCTOR, by(bank, *keywords), *WAY)
    before = noted(bank, Act.SEARCHED)
    bank.reads.flush()
    # The bank writes the counts by itself, too, once a second.
    again = (1, "web: study by PatientID, PatientName: more")

    assert [one for one in before if one != again] == [
        (1, "web: study by PatientID, PatientName"),
        (1, "web: study of any kind"),
        (1, "web: study by PatientID"),
    ]
    assert [one for one in noted(bank, Act.SEARCHED) if one[1].endswith(": more")] == [again]
    assert "SECRET" not in str(bank.index.events(ALL))


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at


def test_a_refusal_is_written_with_the_next_flush_and_then_once_a_minute_with_its_number(bank: Bank) -> None:
    watch = Watch()
    reads = CountedReads(bank.index, watch)

    def refuse(times: int) -> None:
        for _ in range(times):
            reads.refused("Dr Varga", "local", "no deletion", "192.0.2.7")
        reads.flush()

    refuse(1)
    refuse(5)
    first = noted(bank, Act.REFUSED)
    watch.at += timedelta(seconds=61)
    refuse(2)
    refuse(3)
    second = noted(bank, Act.REFUSED)
    reads.flush(is_last=True)

    assert first == [(1, "no deletion")]
    assert second == [(1, "no deletion"), (7, "no deletion")]
    assert noted(bank, Act.REFUSED)[2:] == [(3, "no deletion")]


def test_who_is_refused_once_and_goes_is_forgotten_after_a_minute(bank: Bank) -> None:
    watch = Watch()
    reads = CountedReads(bank.index, watch)
    for _ in range(3):
        reads.refused("", "", "unknown token", "192.0.2.7")
        reads.flush()
        watch.at += timedelta(seconds=61)
        reads.flush()

    assert noted(bank, Act.REFUSED) == [(1, "unknown token")] * 3


def test_a_flood_of_refusals_makes_few_lines_and_loses_no_count(bank: Bank) -> None:
    reads = CountedReads(bank.index, Watch())
    for number in range(40):
        reads.refused("", "", f"path {number}", "192.0.2.7")
    reads.flush()
    of_one = noted(bank, Act.REFUSED)
    for number in range(3000):
        reads.refused(f"AE{number}", "", "DIMSE: association rejected", f"2001:db8::{number:x}")
    reads.flush()
    of_all = noted(bank, Act.REFUSED)

    assert len(of_one) == 11
    assert of_one[-1] == (30, "further refusals")
    assert len(of_all) <= 201
    assert of_all[-1][1] == "refusals of many addresses"
    assert sum(count for count, _ in of_all) == 3040
