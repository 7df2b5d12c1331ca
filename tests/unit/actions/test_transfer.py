"""Sending studies elsewhere: once each, under what permits it, with a receipt, going on where it broke."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import cards, consent, destinations, devices, redeem, rights, transfer
from imagebank.actions.card_reach import Reach
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotAllowed, NotFound, Unavailable
from imagebank.model.access import RIGHTS, Device, Principal, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.transfer import Destination, State
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
DOCTOR = Principal("Dr Varga", Role.CLINICIAN, "north", RIGHTS[Role.CLINICIAN], Scope.of("north"))
KEEPER = Principal("keeper", Role.ADMIN, "north", RIGHTS[Role.ADMIN], ALL)
OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
ADA = PatientId("north", "ADA")
STUDIES = (Uid("1.1"), Uid("1.2"))


@dataclass
class Place:
    """A place that takes what it is sent, until it has `room` for no more; some of it not at all."""

    room: int = 1000
    refuses: tuple[str, ...] = ()
    before: Callable[[], None] = lambda: None
    taken: list[str] = field(default_factory=list)

    def send(
        self,
        bank: Bank,
        principal: Principal,
        place: Destination,
        instances: Sequence[Instance],
        address: str,
        taken: Callable[[Instance], None],
    ) -> list[str]:
        self.before()
        for one in instances:
            if not self.room:
                raise Unavailable("the place is full")
            if one.uid not in self.refuses:
                self.room -= 1
                self.taken.append(str(one.uid))
                taken(one)
        return [f"{one.uid} was refused" for one in instances if one.uid in self.refuses]


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Two studies of Ada's, with sixty and two images."""
    with open_test_bank(tmp_path, organization="north") as opened:
        files = [
            a_file(StudyInstanceUID="1.1", SOPInstanceUID=f"1.1.{n}", PatientID="ADA", rows=2, columns=2)
            for n in range(60)
        ]
        files += [
            a_file(StudyInstanceUID="1.2", SOPInstanceUID=f"1.2.{n}", PatientID="ADA", rows=2, columns=2)
            for n in range(2)
        ]
        keep(opened, *files, source=replace(SOURCE, organization="north"))
        rights_of_device = frozenset({Right.STORE})
        devices.add(
            opened, Device("PACS", "127.0.0.1", 11113, tls=False, rights=rights_of_device, organization="south")
        )
        destinations.offer(opened, Destination("South", device="PACS", for_recipients=True))
        destinations.offer(opened, Destination(" Harbour ", url="https://harbour.example/dicom-web/"), "s3cret")
        yield opened


def doctor(bank: Bank) -> Principal:
    return rights.principal(bank, "Dr Varga", Role.CLINICIAN, "north")


def a_recipient(bank: Bank) -> tuple[str, Principal]:
    """A card with both studies that lets them be taken along, and who has redeemed it."""
    issued = cards.issue(bank, cards.Wanted(Reach(studies=STUDIES)), KEEPER)
    claim = redeem.Claim(issued.number, issued.pin, "Dr Kato", "Quay Street", "second opinion")
    name = f"card-{issued.card.id}.{redeem.for_program(bank, claim).withdrawal.number}"
    return issued.card.id, rights.principal(bank, name, Role.RECIPIENT, "north")


def revoke(bank: Bank, card: str) -> None:
    cards.revoke(bank, card, KEEPER)


def looking_only(bank: Bank, card: str) -> None:
    cards.change(bank, card, cards.Changes(taking=False), KEEPER)


def work(bank: Bank, place: Place, name: str) -> None:
    transfer.work({"device": place.send, "url": place.send}, bank, {"transfer": name})


def state(bank: Bank, name: str) -> tuple[State, int]:
    found, _ = transfer.kept(bank, name, KEEPER)
    return found.state, found.sent


def told(bank: Bank) -> list[str]:
    found = [one.detail for one in bank.index.events(ALL, 1000) if one.act is Act.DECIDED]
    return [detail.partition(": ")[2] for detail in found if detail.startswith("transfer")]


def test_studies_are_sent_once_with_a_receipt(bank: Bank) -> None:
    place = Place()
    made = transfer.ask(bank, STUDIES, "South", doctor(bank), "10.0.0.7")
    assert (made.total, made.state) == (62, State.WAITING)

    work(bank, place, made.id)
    work(bank, place, made.id)

    found, objects = transfer.kept(bank, made.id, doctor(bank))
    assert (found.state, found.sent, found.reason) == (State.DONE, 62, "")
    assert sorted(place.taken) == sorted(str(one.instance) for one in objects)
    assert all(one.digest.startswith("blake3:") and one.sent_at for one in objects)
    done = f"done, 62 of 62, {transfer.digest_of(objects)}"
    assert sorted(told(bank)) == sorted([done, done, "to South", "to South"])
    assert [one.id for one in transfer.listed(bank, doctor(bank))] == [made.id]
    assert [one.id for one in transfer.listed(bank, KEEPER)] == [made.id]


def test_what_waits_already_is_not_sent_twice(bank: Bank) -> None:
    first = transfer.ask(bank, STUDIES, "South", doctor(bank))
    again = transfer.ask(bank, STUDIES[::-1], "South", doctor(bank))
    others = [
        transfer.ask(bank, STUDIES[1:], "South", doctor(bank)),
        transfer.ask(bank, STUDIES, "Harbour", doctor(bank)),
        transfer.ask(bank, STUDIES, "South", replace(doctor(bank), role=Role.REFERRER)),
    ]
    work(bank, Place(), first.id)

    assert again.id == first.id
    assert len({first.id, *(one.id for one in others)}) == 4
    assert transfer.ask(bank, STUDIES, "South", doctor(bank)).id != first.id


def test_a_broken_transfer_goes_on_where_it_broke(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES, "Harbour", doctor(bank))
    full = Place(room=55)

    with pytest.raises(Unavailable):
        work(bank, full, made.id)
    assert state(bank, made.id) == (State.WAITING, 55)
    rest = Place()
    work(bank, rest, made.id)

    assert state(bank, made.id) == (State.DONE, 62)
    assert not set(full.taken) & set(rest.taken)


def test_what_is_refused_is_tried_again_until_the_place_was_away_for_days(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES[1:], "South", doctor(bank))
    with pytest.raises(Unavailable, match=r"1 images were not taken: 1\.2\.0 was refused"):
        work(bank, Place(refuses=("1.2.0",)), made.id)
    found, _ = transfer.kept(bank, made.id, doctor(bank))
    assert found.reason == "1 images were not taken: 1.2.0 was refused"

    later = replace(bank, now=lambda: made.made_at + transfer.GIVEN_UP + timedelta(seconds=1))
    work(later, Place(refuses=("1.2.0",)), made.id)

    assert state(bank, made.id) == (State.STOPPED, 1)


def test_it_stops_when_what_permitted_it_ends_between_two_studies(bank: Bank) -> None:
    card, recipient = a_recipient(bank)
    made = transfer.ask(bank, STUDIES, "South", recipient)
    clock = iter([bank.now(), *(bank.now() + timedelta(minutes=n) for n in range(1, 100))])
    ticking = replace(bank, now=lambda: next(clock))
    place = Place(before=lambda: revoke(bank, card))

    work(ticking, place, made.id)

    assert state(bank, made.id) == (State.STOPPED, 60)
    assert {uid.rpartition(".")[0] for uid in place.taken} == {"1.1"}
    found, _ = transfer.kept(bank, made.id, KEEPER)
    assert "has ended" in found.reason


def test_a_card_that_allows_looking_only_meanwhile_sends_no_more(bank: Bank) -> None:
    card, recipient = a_recipient(bank)
    first, second = (transfer.ask(bank, some, "South", recipient) for some in (STUDIES, STUDIES[1:]))
    place = Place(before=lambda: looking_only(bank, card))

    work(bank, place, first.id)
    work(bank, place, second.id)

    assert (state(bank, first.id), state(bank, second.id)) == ((State.STOPPED, 60), (State.STOPPED, 0))
    assert {uid.rpartition(".")[0] for uid in place.taken} == {"1.1"}


def test_recipients_of_cards_know_the_places_that_are_offered_to_them_and_no_others(bank: Bank) -> None:
    _, recipient = a_recipient(bank)
    assert [one.name for one in destinations.offered_to(bank, recipient)] == ["South"]
    assert [one.name for one in destinations.offered_to(bank, doctor(bank))] == ["Harbour", "South"]
    with pytest.raises(NotFound, match="there is no destination Harbour"):
        transfer.ask(bank, STUDIES, "Harbour", recipient)
    made = transfer.ask(bank, STUDIES, "South", recipient)
    destinations.offer(bank, Destination("South", device="PACS"))

    work(bank, Place(), made.id)

    assert state(bank, made.id) == (State.STOPPED, 0)


def test_what_may_not_be_seen_any_more_before_it_began_is_not_sent(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES, "South", doctor(bank))
    no = Provision("", Kind.CONSENT, False, ADA, bank.now() - timedelta(days=1))
    consent.decide(bank, no, OFFICER)
    place = Place()

    work(bank, place, made.id)

    assert (state(bank, made.id), place.taken) == ((State.STOPPED, 0), [])


def test_who_lost_the_right_to_get_sends_nothing(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES, "South", doctor(bank))
    stripped = replace(bank, rights=replace(bank.rights, by_role={Role.CLINICIAN: frozenset({Right.FIND})}))

    work(stripped, Place(), made.id)

    assert state(bank, made.id) == (State.STOPPED, 0)


def test_a_place_that_is_withdrawn_gets_nothing(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES, "South", doctor(bank))
    destinations.withdraw(bank, "South")

    work(bank, Place(), made.id)

    assert state(bank, made.id) == (State.STOPPED, 0)
    with pytest.raises(NotFound):
        destinations.withdraw(bank, "South")


def test_its_owner_stops_it_and_nobody_else_knows_of_it(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES, "South", doctor(bank))
    others = [
        rights.principal(bank, name, role, organization)
        for name, role, organization in (
            ("Dr Kato", Role.CLINICIAN, "north"),
            ("Dr Varga", Role.CLINICIAN, "south"),
            ("Dr Varga", Role.REFERRER, "north"),
        )
    ]

    for other in others:
        with pytest.raises(NotFound):
            transfer.stop(bank, made.id, other)
        assert transfer.listed(bank, other) == []
    transfer.stop(bank, made.id, doctor(bank))
    with pytest.raises(NotFound):
        transfer.stop(bank, made.id, doctor(bank))
    work(bank, Place(), made.id)
    work(bank, Place(), "nothing")

    assert state(bank, made.id) == (State.STOPPED, 0)


def test_what_its_owner_stops_while_it_goes_out_stays_stopped(bank: Bank) -> None:
    made = transfer.ask(bank, STUDIES[1:], "South", doctor(bank))

    work(bank, Place(before=lambda: transfer.stop(bank, made.id, doctor(bank))), made.id)

    found, _ = transfer.kept(bank, made.id, doctor(bank))
    assert (found.state, found.sent, found.reason) == (State.STOPPED, 2, "you stopped it")


@pytest.mark.parametrize(
    ("studies", "place", "who", "error"),
    [
        (STUDIES, "Nowhere", DOCTOR, NotFound),
        ([Uid("1.9")], "South", DOCTOR, NotFound),
        (STUDIES, "South", replace(DOCTOR, scope=Scope.of("south")), NotFound),
        ((), "South", DOCTOR, Invalid),
        (STUDIES, "South", replace(DOCTOR, only_looks=True), NotAllowed),
        (STUDIES, "South", replace(DOCTOR, rights=frozenset()), NotAllowed),
    ],
)
def test_what_cannot_be_sent(
    bank: Bank, studies: Sequence[Uid], place: str, who: Principal, error: type[BankError]
) -> None:
    with pytest.raises(error):
        transfer.ask(bank, studies, place, who)
    assert told(bank) == []


@pytest.mark.parametrize(
    ("place", "error"),
    [
        (Destination(" ", device="PACS"), Invalid),
        (Destination("X"), Invalid),
        (Destination("X", device="PACS", url="https://x.example/dicom-web"), Invalid),
        (Destination("X", device="NOBODY"), NotFound),
        (Destination("X", url="http://x.example/dicom-web"), Invalid),
        (Destination("X", url="https://ada:pw@x.example/"), Invalid),
        (Destination("X", url="https://x.example:port/"), Invalid),
        (Destination("X", url="ftp://x.example/"), Invalid),
    ],
)
def test_places_that_cannot_be_offered(bank: Bank, place: Destination, error: type[BankError]) -> None:
    with pytest.raises(error):
        destinations.offer(bank, place)


def test_places_are_listed_by_name_with_their_secret_sealed(bank: Bank) -> None:
    harbour, south = destinations.offered(bank)

    assert (harbour.name, harbour.url, south.device) == ("Harbour", "https://harbour.example/dicom-web", "PACS")
    assert b"s3cret" not in harbour.secret
    assert bank.seal.unseal(harbour.secret) == b"s3cret"


def test_studies_of_nobody_are_sent_too(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, organization="north") as bank:
        keep(bank, a_file(StudyInstanceUID="1.1", PatientID=""), source=replace(SOURCE, organization="north"))
        destinations.offer(bank, Destination("Here", url="http://127.0.0.1:9/dicom-web"))
        made = transfer.ask(bank, [Uid("1.1")], "Here", doctor(bank))
        work(bank, Place(), made.id)

        assert state(bank, made.id) == (State.DONE, 1)
