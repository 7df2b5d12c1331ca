"""Bringing in what a card of another bank opens: what is asked of that bank, what is kept, and how it goes on and ends."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import fetching, other_bank, persons, reconciling, reports
from imagebank.actions.arrival import Arrival
from imagebank.actions.other_bank import Web
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, TooOften, Unavailable
from imagebank.model import card_number
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.fetch import Fetch
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import Kind, Wanted
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
DOCTOR = Principal("Dr Okafor", Role.CLINICIAN, "quay", RIGHTS[Role.CLINICIAN], Scope.of("quay"))
KEEPER = Principal("keeper", Role.ADMIN, "quay", RIGHTS[Role.ADMIN], ALL)
NUMBER = card_number.make()
WANTED = fetching.Wanted("https://north.example/redeem#x", NUMBER, "730215", "", "Quay Street", "Treatment")
STUDY = "1.5"


@dataclass
class There:
    """Another bank: a study with a series of three images, and one of one."""

    status: int = 200
    taking: bool = True
    studies: tuple[str, ...] = (STUDY,)
    answer: bytes = b""
    listing: int = 200
    rows: list[dict[str, Any]] | None = None
    ends_at: datetime = datetime(2100, 1, 1, tzinfo=UTC)
    away_after: int = 100
    broken: bytes = b""
    reports: list[dict[str, Any]] = field(default_factory=list)
    documents: dict[str, bytes] = field(default_factory=dict)
    tells_reports: type[BankError] | None = None
    posted: list[dict[str, str]] = field(default_factory=list)
    got: list[str] = field(default_factory=list)

    def ask(self, address: str, body: bytes | None, _headers: Mapping[str, str]) -> tuple[int, bytes]:
        if body is not None:
            self.posted.append({"to": address, **json.loads(body)})
            told = {"token": "t", "expires_at": self.ends_at.isoformat(), "taking": self.taking}
            told |= {"studies": [{"uid": one} for one in self.studies]}
            return self.status, self.answer or json.dumps(told).encode()
        return self.listing, json.dumps(named() if self.rows is None else self.rows).encode()

    def files(self, _bank: Bank, address: str, _headers: Mapping[str, str]) -> Iterator[Arrival]:
        path = address.partition("/studies/")[2]
        self.got.append(path)
        wanted = [
            uid for series, uid in IMAGES if path in (f"1.5/series/{series}", f"1.5/series/{series}/instances/{uid}")
        ]
        for uid in wanted:
            if self.away_after == 0:
                raise Unavailable("it is away")
            self.away_after -= 1
            data = self.broken or image(uid)
            yield Arrival(BytesIO(data), len(data))

    def document(self, address: str, _headers: Mapping[str, str]) -> bytes:
        path = address.partition("/studies/1.5/reports")[2]
        if not path and self.tells_reports:
            raise self.tells_reports("no")
        return self.documents[path] if path else json.dumps({"reports": self.reports}).encode()

    @property
    def web(self) -> Web:
        return Web(self.ask, self.files, self.document)


IMAGES = (("1.5.1", "1.5.1.1"), ("1.5.1", "1.5.1.2"), ("1.5.1", "1.5.1.3"), ("1.5.2", "1.5.2.1"))


def image(uid: str) -> bytes:
    return a_file(
        StudyInstanceUID=STUDY, SeriesInstanceUID=uid[:5], SOPInstanceUID=uid, PatientID="ADA", rows=2, columns=2
    )


def named() -> list[dict[str, Any]]:
    return [{"0020000E": {"Value": [series]}, "00080018": {"Value": [uid]}} for series, uid in IMAGES]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="quay") as opened:
        yield opened


def work(bank: Bank, there: There, made: Fetch) -> Fetch:
    fetching.work(there.web, bank, {"fetch": made.id})
    return fetching.kept(bank, made.id, DOCTOR)


def test_a_card_is_shown_once_and_its_pin_is_not_kept(bank: Bank) -> None:
    there = There()
    made = fetching.ask(bank, there.web, replace(WANTED, code=" 123 "), DOCTOR, "10.0.0.7")

    (posted,) = there.posted
    assert posted == {
        "to": "https://north.example/api/v1/redeem",
        "number": NUMBER,
        "pin": "730215",
        "name": "Dr Okafor",
        "institution": "Quay Street",
        "purpose": "Treatment",
        "code": "123",
    }
    assert "730215" not in repr(WANTED) + repr(made)
    assert bank.seal.unseal(made.secret) == b"t"

    found = work(bank, there, made)
    assert (found.state, found.kept, found.total, found.secret) == (State.DONE, 4, 4, b"")
    assert there.got == ["1.5/series/1.5.1", "1.5/series/1.5.2"]
    assert work(bank, there, made).state is State.DONE
    assert len(there.got) == 2
    fetching.work(there.web, bank, {"fetch": "unknown"})


def test_what_broke_goes_on_with_what_is_missing(bank: Bank) -> None:
    keep(bank, image("1.5.1.2"), source=replace(SOURCE, organization="quay", issuer="north.example"))
    there = There(away_after=1)
    made = fetching.ask(bank, there.web, WANTED, DOCTOR)
    with pytest.raises(Unavailable):
        work(bank, there, made)
    found = fetching.kept(bank, made.id, DOCTOR)
    assert (found.state, found.kept, found.total, found.reason) == (State.WAITING, 2, 4, "it is away")

    there.away_after = 9
    assert work(bank, there, made).state is State.DONE
    assert there.got[2:] == ["1.5/series/1.5.1/instances/1.5.1.3", "1.5/series/1.5.2"]


def test_a_long_one_lets_others_work(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    there = There()
    made = fetching.ask(bank, there.web, WANTED, DOCTOR)
    monkeypatch.setattr(fetching, "_AT_A_TIME", timedelta(0))
    assert work(bank, there, made).state is State.WAITING
    monkeypatch.undo()
    assert work(bank, there, made).state is State.DONE


def test_it_stops_with_the_card_and_keeps_what_came(bank: Bank) -> None:
    there = There(ends_at=datetime(2020, 1, 1, tzinfo=UTC), away_after=2)
    made = fetching.ask(bank, there.web, WANTED, DOCTOR)
    found = work(bank, there, made)
    assert (found.state, "time has ended" in found.reason) == (State.STOPPED, True)


def test_the_clock_of_the_other_bank_may_be_far_behind(bank: Bank) -> None:
    there = There(ends_at=datetime(2020, 1, 1, tzinfo=UTC))

    assert work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR)).state is State.DONE


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (There(listing=401), "taken the card back"),
        (There(listing=204), "taken the card back"),
        (There(rows=[{"0020000E": {"Value": []}}]), "without its UIDs"),
    ],
)
def test_what_stops_it(bank: Bank, there: There, words: str) -> None:
    found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))
    assert (found.state, words in found.reason) == (State.STOPPED, True)


def test_two_workers_end_it_once(bank: Bank) -> None:
    there = There()
    made = fetching.ask(bank, there.web, WANTED, DOCTOR)

    def files(_bank: Bank, address: str, headers: Mapping[str, str]) -> Iterator[Arrival]:
        work(bank, there, made)
        yield from there.files(bank, address, headers)

    fetching.work(Web(there.ask, files, there.document), bank, {"fetch": made.id})
    told = [one.detail for one in bank.index.events(ALL, 99) if one.detail.startswith(f"fetch {made.id}: done")]
    assert told == [f"fetch {made.id}: done, 4 of 4 from north.example"]


def test_what_is_too_much_stops_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_bank, "PAGE", 4)
    monkeypatch.setattr(other_bank, "MOST_OBJECTS", 8)
    there = There()
    found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))
    assert (found.state, "is not brought in" in found.reason) == (State.STOPPED, True)


def test_what_cannot_be_read_is_said_at_the_end(bank: Bank) -> None:
    there = There(broken=b"no image")
    found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))
    assert (found.state, found.kept) == (State.DONE, 0)
    assert found.reason.startswith("4 images were not taken in")


def a_report(key: int = 7, **given: Any) -> dict[str, Any]:
    """A version as another bank tells it: a text and a PDF."""
    parts = [{"part": 0, "type": "text/plain", "text": "No bleed"}, {"part": 1, "type": "application/pdf"}]
    told = {"report": key, "number": "R1", "status": "final", "at": "2026-01-10T09:00:00+00:00", "parts": parts}
    return {**told, "is_readable": True, "title": "CT head", "author": "Dr Varga", **given}


def told(bank: Bank) -> list[tuple[str, str, str, list[bytes]]]:
    """The reports of the study as they are here: whose, number, status, and what their parts are."""
    return [
        (
            str(one.report.patient.identifier),
            one.report.number,
            one.report.status,
            [part.content for part in one.body.parts],
        )
        for one in reports.of_study(bank, Uid(STUDY), KEEPER)
        if one.body is not None
    ]


def test_reports_come_along_in_all_their_versions_and_go_with_who_it_is_found_to_be(bank: Bank) -> None:
    newer = a_report(8, status="corrected", at="2026-01-11T09:00:00+00:00", parts=[])
    there = There(reports=[newer, a_report()], documents={"/7/parts/1": b"%PDF-1.7"})
    for _ in range(2):
        found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))
        assert (found.state, found.reason) == (State.DONE, "")
    number = "north.example R1"
    brought = [("ADA", number, "C", []), ("ADA", number, "F", [b"No bleed", b"%PDF-1.7"])]
    assert told(bank) == brought

    ours = PatientId("quay", "4711")
    persons.hear(bank, Identity(ours, PersonName("Varga^Ada")))
    (task,) = reconciling.page(bank, Wanted(kind=Kind.MEDIA), KEEPER).tasks
    reconciling.identify(bank, task.id, KEEPER, ours)
    assert told(bank) == [("4711", *rest) for _, *rest in brought]
    reconciling.undo(bank, task.id, KEEPER)
    assert told(bank) == brought


@pytest.mark.parametrize(
    "odd",
    [
        {"is_readable": False},
        {"status": "odd"},
        {"at": "2026-01-10T09:00:00"},
        {"parts": [{"part": 1, "type": "text/html"}]},
        {"parts": [{"part": 9, "type": "application/pdf"}]},
    ],
)
def test_reports_that_cannot_be_read_are_said_at_the_end(bank: Bank, odd: dict[str, Any]) -> None:
    there = There(reports=[a_report(**odd), a_report(8, number="", parts=[])], documents={"/7/parts/9": b"<html>"})
    found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))

    assert (found.state, found.kept, found.reason) == (State.DONE, 4, "1 reports could not be read")
    assert [number for _, number, _, _ in told(bank)] == [""]


@pytest.mark.parametrize(
    ("there", "state", "words"),
    [
        (There(tells_reports=NotFound), State.STOPPED, "taken the card back"),
        (There(tells_reports=Invalid), State.DONE, "1 reports could not be read"),
        (There(broken=b"no image", reports=[a_report()]), State.DONE, "4 images were not taken in"),
    ],
)
def test_where_no_reports_are_told_images_stay_as_they_came(bank: Bank, there: There, state: State, words: str) -> None:
    found = work(bank, there, fetching.ask(bank, there.web, WANTED, DOCTOR))

    assert (found.state, words in found.reason) == (state, True)


def test_a_bank_that_fails_is_asked_again(bank: Bank) -> None:
    there = There(listing=500)
    made = fetching.ask(bank, there.web, WANTED, DOCTOR)
    with pytest.raises(Unavailable, match="status 500"):
        work(bank, there, made)


@pytest.mark.parametrize(
    ("there", "error", "words"),
    [
        (There(status=403), NotAllowed, "a code is wanted"),
        (There(status=404), NotFound, "do not open anything"),
        (There(status=429), TooOften, "north.example has heard"),
        (There(status=302), Unavailable, "as an Imagebank does"),
        (There(answer=b"<html>"), Unavailable, "as an archive does"),
        (There(taking=False), NotAllowed, "looking only"),
        (There(studies=()), NotFound, "opens no studies"),
    ],
)
def test_refusals_stand_in_the_ledger(bank: Bank, there: There, error: type[BankError], words: str) -> None:
    with pytest.raises(error, match=words):
        fetching.ask(bank, there.web, WANTED, DOCTOR)
    told = [one.detail for one in bank.index.events(ALL, 9) if one.act is Act.DECIDED]
    assert told == [f"fetch: north.example: {error.__name__}"]
    assert fetching.listed(bank, DOCTOR) == []


@pytest.mark.parametrize(
    "wrong", [{"address": "http://north.example"}, {"number": "123"}, {"pin": "x"}, {"institution": " "}]
)
def test_what_is_mistyped_is_not_sent(bank: Bank, wrong: dict[str, str]) -> None:
    there = There()
    with pytest.raises(Invalid):
        fetching.ask(bank, there.web, replace(WANTED, **wrong), DOCTOR)
    assert there.posted == []


def test_others_know_nothing_of_it(bank: Bank) -> None:
    made = fetching.ask(bank, There().web, WANTED, DOCTOR)
    assert [one.id for one in fetching.listed(bank, DOCTOR)] == [made.id]
    assert [one.id for one in fetching.listed(bank, KEEPER)] == [made.id]
    with pytest.raises(NotFound):
        fetching.kept(bank, made.id, replace(DOCTOR, name="Dr Kato"))
    with pytest.raises(NotAllowed):
        fetching.ask(bank, There().web, WANTED, replace(DOCTOR, rights=RIGHTS[Role.REFERRER]))
