"""What HL7 says of patients and persons: demographics, merges, links, and their end."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import keep
from hl7 import Client, adt, calling, code, listening, omi, oru, pid
from imagebank.actions import letters, persons, reports
from imagebank.bank import Bank
from imagebank.cli.console import operator
from imagebank.model.access import Scope
from imagebank.model.identity import Deed, Linked
from imagebank.model.message import Peer
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted
from make import a_file

ALL = Scope(None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bank, Client]]:
    with listening(tmp_path) as (opened, server), calling(server.port) as client:
        yield opened, client


@pytest.fixture
def bank(site: tuple[Bank, Client]) -> Bank:
    return site[0]


@pytest.fixture
def his(site: tuple[Bank, Client]) -> Client:
    return site[1]


def send(his: Client, *messages: bytes) -> list[str]:
    return [code(his.send(one)) for one in messages]


def record(bank: Bank, identifier: str, issuer: str = "local") -> Linked:
    found = bank.index.persons.identity(PatientId(issuer, identifier), ALL)
    assert found is not None
    return found


def deeds(bank: Bank) -> list[Deed]:
    return [one.deed for one in reversed(bank.index.persons.decisions(ALL, 99))]


def test_demographics_are_heard_and_an_older_word_does_not_undo_a_newer_one(bank: Bank, his: Client) -> None:
    newer = adt("A31", patient=pid("P1", "Roe^Jane~やまだ^^^^^^^P", "19700102"), at="20260302")
    answers = send(his, newer, adt("A28", patient=pid("P1", "Old^Jane"), at="20260301"), newer)

    heard = record(bank, "P1").identity
    assert answers == ["AA"] * 3
    assert (heard.name.alphabetic, heard.name.phonetic, heard.birth_date, heard.sex) == (
        "Roe^Jane", "やまだ", "19700102", "F",
    )  # fmt: skip
    assert (heard.address, heard.phone) == ("1 Main St, Town, 1000, HU", "+36 1 234")


@pytest.mark.parametrize("event", ["A40", "A47"])
def test_an_identifier_gives_way_to_another_and_a_repeat_changes_nothing(bank: Bank, his: Client, event: str) -> None:
    merge = adt(event, "MRG|P2", patient=pid("P1"), at="20260302")
    again = adt(event, "MRG|P2", patient=pid("P1"), at="20260302")
    answers = send(his, adt("A28", patient=pid("P2")), omi(patient=pid("P2")), merge, merge, again)

    assert answers == ["AA"] * 5
    assert record(bank, "P2").person == record(bank, "P1").person
    assert deeds(bank) == [Deed.MERGE]
    assert [one.patient.id.identifier for one in bank.index.orders.orders(Wanted(), ALL)] == ["P1"]


def test_a_merge_can_be_undone(bank: Bank, his: Client) -> None:
    send(his, adt("A40", "MRG|P2", patient=pid("P1")))
    (decision,) = bank.index.persons.decisions(ALL, 9)
    persons.undo(bank, operator(bank), decision.id)

    assert record(bank, "P2").person != record(bank, "P1").person


def test_records_are_linked_and_unlinked(bank: Bank, his: Client) -> None:
    second = pid("P2", "Roe^Rob", "19800101", "M")
    linked = send(his, adt("A24", second), adt("A24", second))
    together = record(bank, "P1").person == record(bank, "P2").person
    unlinked = send(his, adt("A37", second), adt("A37", second))

    assert (linked, unlinked, together) == (["AA", "AA"], ["AA", "AA"], True)
    assert record(bank, "P1").person != record(bank, "P2").person
    assert deeds(bank) == [Deed.LINK, Deed.UNLINK]


def test_nobody_merges_the_records_of_another_issuer(bank: Bank, his: Client) -> None:
    theirs = "PID|1||X1^^^SOUTH^MR||Doe^Jane"
    answers = send(his, adt("A40", "MRG|X2^^^SOUTH", patient=theirs), adt("A24", pid("P2"), patient=theirs))

    assert answers == ["AE", "AE"]
    assert deeds(bank) == []


def test_after_a_merge_reports_under_the_new_identifier_are_with_the_studies_of_the_old_one(
    bank: Bank, his: Client
) -> None:
    keep(bank, a_file(StudyInstanceUID="1.2.3", PatientID="P2", AccessionNumber="A1"))
    send(his, oru(patient=pid("P1")))
    before = reports.of_study(bank, Uid("1.2.3"), operator(bank))
    send(his, adt("A40", "MRG|P2", patient=pid("P1")))
    after = reports.of_study(bank, Uid("1.2.3"), operator(bank))

    assert (len(before), len(after)) == (0, 1)


def test_nobody_says_who_a_patient_of_another_organization_is(bank: Bank, his: Client) -> None:
    letters.add_peer(bank, Peer("SOUTH", "", "10.9.9.9", "SOUTH"))
    theirs = adt("A31", patient="PID|1||X1^^^SOUTH^MR||Doe^Jane")
    nobodys = adt("A31", patient="PID|1||X1^^^REGISTRY^MR||Doe^Jane")

    assert send(his, theirs, nobodys) == ["AE", "AA"]
    assert bank.index.persons.identity(PatientId("SOUTH", "X1"), ALL) is None
    assert record(bank, "X1", "REGISTRY").identity.name.alphabetic == "Doe^Jane"
