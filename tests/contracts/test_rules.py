"""Versions of rules, what waits to be sent, and deposits in their order, on both databases."""

from datetime import UTC, datetime

from contracts.described import a_kept
from imagebank.model.access import Scope
from imagebank.model.rules import Text, Version
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL = Scope(organizations=None)
AT = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_version(number: int, rules: str = "# 山田\n") -> Version:
    return Version(number, Text(rules, (("t.csv", "a,b\n"),)), AT, "keeper", "page", f"d{number}")


def test_the_version_with_the_greatest_number_is_in_force(index: SQLIndex) -> None:
    assert index.rules.newest() == 0
    assert index.rules.version() is None
    with index.begin() as tx:
        tx.rules.lock()
        assert tx.rules.newest() is None
        for number in (2, 1):
            tx.rules.put_version(a_version(number))
        assert tx.rules.newest() == a_version(2)

    assert index.rules.newest() == 2
    assert index.rules.version() == a_version(2)
    assert index.rules.version(1) == a_version(1)
    assert index.rules.version(3) is None
    assert index.rules.versions(9) == [a_version(2), a_version(1)]
    assert index.rules.versions(1) == [a_version(2)]


def test_a_version_that_is_there_is_left_as_it_is(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.rules.put_version(a_version(1))
        tx.rules.put_version(a_version(1, "# other\n"))

    assert index.rules.version() == a_version(1)


def test_what_is_to_be_sent_waits_by_device_and_study(index: SQLIndex) -> None:
    one, two, three = Uid("1.1"), Uid("1.2"), Uid("1.3")
    with index.begin() as tx:
        tx.rules.route("A", Uid("1"), [two, one, one])
        tx.rules.route("A", Uid("2"), [three])
        tx.rules.route("B", Uid("1"), [one])

    assert index.rules.routed("A", Uid("1")) == [one, two]
    with index.begin() as tx:
        tx.rules.routed("A", Uid("1"), [one, Uid("9")])
    assert index.rules.routed("A", Uid("1")) == [two]
    assert index.rules.routed("A", Uid("2")) == [three]
    assert index.rules.routed("B", Uid("1")) == [one]


def test_deposits_come_newest_first_page_by_page_as_far_as_the_scope_reaches(index: SQLIndex) -> None:
    with index.begin() as tx:
        for number, organization in enumerate(("north", "south", "north"), 1):
            tx.enter([a_kept(study=f"1.{number}", uid=f"1.{number}.1", organization=organization, patient="P1")])

    first = index.rules.deposited(ALL, 2)
    rest = index.rules.deposited(ALL, 2, first[-1][0])

    assert [str(one.uid) for _, one in first + rest] == ["1.3.1", "1.2.1", "1.1.1"]
    assert [str(one.uid) for _, one in index.rules.deposited(Scope.of("south"), 9)] == ["1.2.1"]
    assert index.rules.deposited(Scope.nothing(), 9) == []
