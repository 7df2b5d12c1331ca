"""What an account holds, as its owner sees it: people, images, who looked, and who stands in the lines about them."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import owners
from bank import SOURCE, keep, open_test_bank
from cards_here import KEEPER, a_card, a_claim, holder, holds
from imagebank.actions import account, actors, emergency, own, persons, redeem, statement
from imagebank.actions.actors import Sort
from imagebank.actions.enrol import Wanted as Enrolled
from imagebank.actions.statement import Theme, Wanted
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import Principal, Role
from imagebank.model.event import Act, Event
from imagebank.model.identity import Identity
from imagebank.model.ledger import Line
from imagebank.model.notice import Mailbox
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.timeline import Page, Part
from imagebank.model.uid import Uid
from make import a_file
from owners import ADA, DOCTOR, HAND, HEAD, LEO, OFFICER, OTHER

pytestmark = pytest.mark.usefixtures("quick_hashes")
ADA_TOO, NOBODY = PatientId("south", "ADA"), PatientId("north", "NIL")


@pytest.fixture
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("own"), **owners.SETTINGS) as opened:
        owners.furnish(opened)
        yield opened


@pytest.fixture
def ada(bank: Bank) -> Principal:
    return owners.who(bank, owners.mother(bank))


def test_the_owner_comes_first_and_everybody_by_name(bank: Bank, ada: Principal) -> None:
    found = own.people(bank, ada)

    assert [(one.name.alphabetic, one.relation) for one in found] == [
        ("Haddad^Amina", Relation.OWNER),
        ("Haddad^Leo", Relation.PARENT),
    ]
    assert own.chosen(found, "") == found
    assert own.chosen(found, found[1].key) == found[1:]
    assert (own.called(bank, ada), own.called(bank, DOCTOR), own.called(bank, holder(bank))) == ("Amina Haddad", "", "")
    with pytest.raises(NotFound):
        own.chosen(found, "0" * 32)
    with pytest.raises(NotAllowed):
        own.people(bank, DOCTOR)


def test_holds_of_linked_records_are_of_one_person_and_a_record_of_nobody_has_no_name(bank: Bank) -> None:
    persons.hear(bank, Identity(ADA_TOO, PersonName("Haddad^Amina"), "19840512"))
    persons.link(bank, KEEPER, ADA, ADA_TOO, "the same passport")
    holds(bank, ADA)
    holds(bank, ADA_TOO, id="too")
    holds(bank, NOBODY)
    found = own.people(bank, holder(bank))

    assert [(one.name.alphabetic, len(one.holdings)) for one in found] == [("Haddad^Amina", 2), ("", 1)]
    assert found[0].records == {ADA, ADA_TOO}


def test_images_are_those_of_the_people_who_are_shown(bank: Bank, ada: Principal) -> None:
    mine, leos = own.people(bank, ada)

    def shown(*held: own.Held, **given: Any) -> list[str]:
        return [str(one.uid) for one in own.images(bank, ada, held, "portal", **given).entries]

    assert shown(mine, leos) == [HEAD, HAND]
    assert shown(leos) == [HAND]
    assert shown(mine, leos, part=Page(1)) == [HEAD]
    assert own.image(bank, ada, Uid(HAND)).parts == (Part("HAND", "L", "DX"),)
    assert own.parts_by_study(bank, ada, [Uid(HAND), Uid(OTHER)]) == {HAND: (Part("HAND", "L", "DX"),)}
    assert own.parts_by_study(bank, ada, []) == {}
    with pytest.raises(NotFound):
        own.image(bank, ada, Uid(OTHER))


def test_of_whom_a_study_is_follows_from_number_and_issuer(bank: Bank) -> None:
    theirs = "1.2.826.0.1.3680043.10.7.14"
    keep(bank, a_file(StudyInstanceUID=theirs, PatientID="ADA"), source=replace(SOURCE, organization="south"))
    for number, patient in enumerate((ADA, ADA_TOO, LEO)):
        holds(bank, patient, id=f"hold {number}")
    who = holder(bank)
    held = own.people(bank, who)

    def of(study: str, identifier: str) -> PatientId | None:
        found = own.whose(bank, who, held, Uid(study), identifier)
        return found.patient if found else None

    assert (of(HEAD, "ADA"), of(theirs, "ADA"), of(HAND, "LEO"), of(OTHER, "EVE")) == (ADA, ADA_TOO, LEO, None)


def test_who_looked_lately_is_told_but_for_oneself_and_costs_no_line(bank: Bank, ada: Principal) -> None:
    held = own.people(bank, ada)
    owners.look(bank, HEAD)
    owners.look(bank, OTHER)
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.VIEWED, ada.name, "north", study=Uid(HEAD), patient=ADA)])
    before = len(list(bank.index.ledger(owners.DESK.scope)))

    assert [line.principal for line in own.looks(bank, ada, held)] == ["Dr Varga"]
    assert own.looks(bank, ada, held[1:]) == []
    assert own.looks(bank, ada, []) == []
    assert len(list(bank.index.ledger(owners.DESK.scope))) == before


def a_line(name: str) -> Line:
    return Line("lane", 1, 0, Act.VIEWED, name, "north", "", "", 1, "")


def test_people_are_told_by_the_names_that_they_are_known_by(bank: Bank, ada: Principal) -> None:
    account.activate(bank, account.add(bank, "varga", Role.CLINICIAN, "Dr Ines Varga"), owners.PASSWORD)
    father = owners.who(bank, owners.opened(bank, Enrolled(LEO, Relation.PARENT), name="Karim Haddad"))
    issued = a_card(bank, ada, patient=ADA)
    redeem.for_program(bank, a_claim(issued))
    who = actors.who(bank, ada)

    def told(name: str) -> tuple[Sort, str]:
        found = who(a_line(name))
        return found.sort, found.name

    assert told(ada.name) == (Sort.SELF, ada.name)
    assert told(father.name) == (Sort.HOLDER, "Karim Haddad")
    assert told("varga") == (Sort.STAFF, "Dr Ines Varga")
    assert told("the viewer") == (Sort.STAFF, "the viewer")
    assert told("imagebank") == (Sort.BANK, "")
    assert told(f"card-{issued.card.id}.1") == (Sort.CARD, "Dr Chidi Okafor")
    assert who(a_line(f"card-{issued.card.id}.1")).organization == "Quay Street Clinic"
    assert told(f"card-{issued.card.id}.9") == (Sort.CARD, "")


def test_an_emergency_carries_its_reason_and_what_came_of_its_review(bank: Bank, ada: Principal) -> None:
    one = emergency.break_glass(bank, ADA, "unconscious, bleeding on arrival", DOCTOR)
    emergency.review(bank, one.id, "justified", OFFICER)
    wanted = Wanted(themes=frozenset({Theme.EMERGENCY, Theme.LOOK}))
    found = {entry.line.act: entry.about for entry in statement.statement(bank, wanted, ada).entries}
    about = found[Act.EMERGENCY]

    assert about is not None
    assert (about.reason, about.review) == ("unconscious, bleeding on arrival", "justified")


def test_who_acts_for_a_person_sees_who_holds_their_records_and_a_carer_their_own_hold(
    bank: Bank, ada: Principal
) -> None:
    carer = owners.who(bank, owners.opened(bank, Enrolled(ADA, Relation.CARER), name="Rosa Lind"))
    holds(bank, ADA, Relation.CARER, name="elsewhere")
    mine = own.people(bank, ada)[0]

    found = own.who_has_access(bank, ada, mine)
    assert [(one.name, one.is_self, one.may_end) for one in found] == [
        ("Amina Haddad", True, True),
        ("", False, True),
        ("Rosa Lind", False, True),
    ]
    theirs = own.who_has_access(bank, carer, own.people(bank, carer)[0])
    assert [(one.name, one.is_self, one.may_end) for one in theirs] == [("Rosa Lind", True, True)]


def test_mail_goes_to_the_address_of_an_account(bank: Bank, ada: Principal) -> None:
    owner = bank.index.people.account(ada.name)
    assert owner is not None
    assert own.mailbox(bank, ada) is None
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(owner.id, "amina@mail.example", bank.now()))
    found = own.mailbox(bank, ada)

    assert found is not None
    assert found.address == "amina@mail.example"
    assert own.mailbox(bank, holder(bank)) is None
