"""The ledger for those whom it concerns: told outside line by line, and searched by who may."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, ledger, remove, trail
from imagebank.actions.rights import principal
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, Unavailable
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.audited import Entry
from imagebank.model.event import Act, Event
from imagebank.model.imaging import Selection
from imagebank.model.ledger import Sought
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from make import a_file

ALL = Scope(organizations=None)
ADA = PatientId("north", "ADA")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north", atna_host="127.0.0.1:1") as opened:
        trail.begin_telling(opened)
        yield opened


def officer(bank: Bank) -> Principal:
    return principal(bank, "officer", Role.PRIVACY_OFFICER, "north")


def ada_comes(bank: Bank) -> None:
    keep(bank, a_file(PatientID="ADA", AccessionNumber="A7"), source=replace(SOURCE, organization="north"))


def record(bank: Bank, *details: str) -> None:
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.CHANGED, "somebody", "local", detail=detail) for detail in details])


def waiting(bank: Bank, limit: int = 100, holder: str = "us") -> list[Entry]:
    return trail.untold(bank, holder, limit)


def said(entries: list[Entry]) -> list[str]:
    return [entry.line.detail for entry in entries]


def test_what_was_told_is_not_told_again_and_the_rest_is(bank: Bank) -> None:
    record(bank, "one", "two", "three")
    first = waiting(bank, 2)
    trail.told(bank, first)
    trail.told(bank, first[:1])

    assert said(first) == ["one", "two"]
    assert said(waiting(bank)) == ["three"]

    trail.told(bank, waiting(bank))

    assert waiting(bank) == []


def test_what_happened_before_anybody_was_told_stays_here(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        record(bank, "before")
        trail.begin_telling(bank)
        record(bank, "after")
        trail.begin_telling(bank)

        assert said(waiting(bank)) == ["after"]


def test_only_one_at_a_time_tells(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        trail.begin_telling(bank)
        record(bank, "one")
        ours, theirs = waiting(bank), waiting(bank, holder="them")
        later = replace(bank, now=lambda: bank.now() + trail.LEASE + timedelta(seconds=1))

        assert (said(ours), theirs, said(waiting(later, holder="them"))) == (["one"], [], ["one"])


def test_an_entry_tells_whose_study_it_is_and_what_is_in_it(bank: Bank) -> None:
    ada_comes(bank)
    (entry,) = waiting(bank)

    assert entry.patient == ADA
    assert entry.accession == "A7"
    assert entry.sop_classes == ("1.2.840.10008.5.1.4.1.1.2",)


def test_of_a_patient_who_is_gone_there_is_only_the_pseudonym(bank: Bank) -> None:
    ada_comes(bank)
    remove.remove(bank, Selection(), principal(bank, "root", Role.ADMIN, "north"))
    entries = [entry for entry in waiting(bank) if entry.line.study]

    assert len(entries) == 2
    assert [entry.patient for entry in entries] == [None, None]
    assert all(entry.line.person for entry in entries)


def test_a_decision_is_told_with_whom_it_is_about(bank: Bank) -> None:
    now = bank.now()
    wanted = Provision("", Kind.CONSENT, permits=False, patient=ADA, starts_at=now)
    consent.decide(bank, wanted, officer(bank))
    with bank.index.begin() as tx:
        tx.record([Event(now, Act.DECIDED, "officer", "north", detail="emergency " + "0" * 32, patient=ADA)])
    entries = waiting(bank)

    assert [entry.patient for entry in entries] == [ADA, None]


def test_the_end_of_a_lane_is_remembered_until_it_was_told(bank: Bank) -> None:
    record(bank, "one")
    later = replace(bank, now=lambda: bank.now() + timedelta(days=3))
    ledger.checkpoint(later)
    with open_test_bank(bank.settings.data.parent) as other:
        record(other, "two")
    ledger.checkpoint(later)
    found = waiting(later)
    trail.told(later, found)
    record(later, "three")
    ledger.checkpoint(later)

    assert sorted(said(found)) == ["one", "two"]
    assert said(waiting(later)) == ["three"]


def test_who_reads_the_ledger_stands_in_it(bank: Bank) -> None:
    ada_comes(bank)
    found = trail.search(bank, Sought(patient=ADA), officer(bank), "10.0.0.9")
    newest = bank.index.events(ALL, limit=1)[0]

    assert [entry.line.act for entry in found] == [Act.UNBOUNDED, Act.DEPOSITED]
    assert (newest.act, newest.principal, newest.address) == (Act.UNBOUNDED, "officer", "10.0.0.9")
    assert newest.detail == "read the ledger"


def test_who_may_not_read_the_ledger_does_not(bank: Bank) -> None:
    with pytest.raises(NotAllowed):
        trail.search(bank, Sought(), principal(bank, "Dr Varga", Role.CLINICIAN, "north"))

    assert bank.index.events(ALL) == []


def micros(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000)


def test_lines_are_found_by_everything_that_is_known_of_them(bank: Bank) -> None:
    ada_comes(bank)
    record(bank, "token one", "token two")
    (deposit,) = [line for line in bank.index.ledger(ALL) if line.study]
    now = micros(bank.now())

    def number(**wanted: object) -> int:
        return len(bank.index.lines(Sought(**wanted), ALL))  # type: ignore[arg-type]

    assert number() == number(since=0, until=now + 1) == 3
    assert number(until=deposit.at) == number(since=now + 10**9) == number(acts=frozenset()) == 0
    assert number(acts=frozenset({Act.CHANGED})) == number(principal="somebody") == 2
    assert number(study=deposit.study) == number(patient=ADA) == number(address="127.0.0.1") == 1
    assert number(patient=PatientId("south", "ADA")) == 0
    assert bank.index.lines(Sought(), Scope.of("south")) == []


def test_lines_are_read_page_by_page(bank: Bank) -> None:
    record(bank, *(str(number) for number in range(7)))
    pages, after = [], None
    while page := bank.index.lines(Sought(after=after, limit=3), ALL):
        pages.append([line.detail for line in page])
        after = page[-1].at, page[-1].lane, page[-1].position

    assert [len(page) for page in pages] == [3, 3, 1]
    assert sorted(detail for page in pages for detail in page) == [str(number) for number in range(7)]


def test_what_does_not_fit_is_passed_over_on_every_page(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "_PAGE", 2)
    record(bank, *(str(number) for number in range(7)))

    def details(limit: int | None) -> list[str]:
        wanted = Sought(principal="somebody", limit=limit)
        return said(trail.search(bank, wanted, officer(bank), fits=lambda line: line.detail not in "036"))

    assert sorted(details(None)) == ["1", "2", "4", "5"]
    assert len(details(3)) == 3


def test_a_part_stops_also_when_the_ledger_cannot_be_written(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise Unavailable("the database does not answer")

    with trail.running(bank, "worker"):
        monkeypatch.setattr(bank.index, "begin", away)

    assert "worker stops could not be written" in caplog.text


def test_the_parts_of_the_server_say_when_they_start_and_stop(bank: Bank) -> None:
    with trail.running(bank, "worker"):
        pass

    assert [(entry.line.act, entry.line.detail) for entry in waiting(bank)] == [
        (Act.STARTED, "worker"),
        (Act.STOPPED, "worker"),
    ]
