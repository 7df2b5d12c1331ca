"""What stands in the ledger of every look at a study."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from imagebank.actions import audit
from imagebank.actions.audit import CountedReads
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Instance, Selection
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
    before = reads.is_known(DOCTOR, instances, *WAY)
    reads.count(DOCTOR, instances, *WAY)

    assert not before
    assert reads.is_known(DOCTOR, instances, *WAY)
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
    assert not reads.is_known(DOCTOR, instances, *WAY)


def test_the_banks_own_look_at_everything_stands_in_the_ledger_with_its_reason(bank: Bank) -> None:
    scope = audit.unbounded(bank, Scope.everything("verify"))

    assert scope == ALL
    (event,) = (event for event in bank.index.events(ALL) if event.act is Act.UNBOUNDED)
    assert (event.principal, event.detail) == ("imagebank", "verify")
