"""The end of an account: what ends with it, what stays, and what happens when it is closed twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, account, cards, closing, enrol, holders, persons, requests
from imagebank.actions.card_reach import Reach
from imagebank.actions.enrol import Wanted
from imagebank.bank import Bank
from imagebank.errors import Conflict, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope, Session
from imagebank.model.card import State
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.notice import Mailbox
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.request import Kind
from make import a_file
from unit.actions.people_here import after, events

DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
ADA, LEO = PatientId("north", "ADA"), PatientId("north", "LEO")
PASSWORD = "seven grey herons at dusk"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north", age_of_majority=90) as opened:
        for uid, patient in (("1.1", ADA), ("1.2", LEO)):
            keep(
                opened,
                a_file(StudyInstanceUID=uid, PatientID=patient.identifier),
                source=replace(SOURCE, organization="north"),
            )
            persons.hear(opened, Identity(patient, PersonName(f"{patient.identifier}^A"), "20150302"))
        yield opened


def signed_in(bank: Bank, sheet: enrol.Sheet) -> tuple[Session, Principal]:
    cookie = account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), PASSWORD)
    found, who = access.opened(bank, cookie), access.session(bank, cookie)
    assert found is not None
    assert who is not None
    return found, who


def test_what_an_account_is_and_gave_ends_with_it_and_images_stay(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), DESK)
    enrol.enrol(bank, Wanted(LEO, Relation.PARENT, sheet.account), DESK)
    found, ada = signed_in(bank, sheet)
    carer = enrol.enrol(bank, Wanted(ADA, Relation.CARER), ada)
    father = enrol.enrol(bank, Wanted(LEO, Relation.PARENT), DESK)
    card, thrown = (cards.issue(bank, cards.Wanted(Reach(patient=LEO)), ada).card for _ in range(2))
    cards.revoke(bank, thrown.id, ada)
    with bank.index.begin() as tx:
        tx.notices.put_mailbox(Mailbox(found.account, "ada@example.org", bank.now()))

    closing.close(bank, found, ada, erase=True)

    kept = bank.index.people.account(ada.name)
    assert kept is not None
    assert (kept.is_locked, kept.password, bank.index.notices.mailbox(kept.id)) == (True, "", None)
    assert enrol.held_of(bank, ADA) == []
    assert [one.principal for one in enrol.held_of(bank, LEO)] == [father.account]
    assert carer.account != ada.name
    assert cards.kept(bank, card.id, DESK).state is State.TAKEN_BACK
    assert bank.index.provisions(Scope(None), principal=holders.card_name(card.id))[0].revoked_at is not None
    asked = requests.queue(bank, DESK)
    assert sorted((one.request.kind, one.request.patient.identifier) for one in asked) == [
        (Kind.ERASE, "ADA"),
        (Kind.ERASE, "LEO"),
    ]
    assert len(bank.index.instances(Selection(), Scope(None))) == 2
    assert [detail for _, detail, _ in events(bank, Act.ENROLLED)].count(closing.CLOSED) == 2
    with pytest.raises(NotFound):
        enrol.reissue(bank, ada.name, DESK)


def test_closed_twice_at_once_it_ends_once(bank: Bank) -> None:
    found, ada = signed_in(bank, enrol.enrol(bank, Wanted(ADA), DESK))

    def closed(_: int) -> bool:
        try:
            closing.close(bank, found, ada, erase=True)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(closed, range(4)))

    assert done.count(True) == 1
    assert len(requests.queue(bank, DESK)) == 1


def test_two_proxies_close_theirs_each_and_the_third_goes_on(bank: Bank) -> None:
    enrol.enrol(bank, Wanted(ADA), DESK)
    two = [signed_in(bank, enrol.enrol(bank, Wanted(ADA, Relation.REPRESENTATIVE), DESK)) for _ in range(2)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: closing.close(bank, *one), two))

    assert [one.terms for one in enrol.held_of(bank, ADA)] == [Relation.OWNER]
    assert requests.queue(bank, DESK) == []


def test_who_has_not_proven_anew_or_is_staff_closes_nothing(bank: Bank) -> None:
    found, ada = signed_in(bank, enrol.enrol(bank, Wanted(ADA), DESK))

    with pytest.raises(NotAllowed):
        closing.close(after(bank, hours=1), found, ada)
    with pytest.raises(NotAllowed):
        closing.close(bank, found, DESK)
    assert len(enrol.held_of(bank, ADA)) == 1


def test_who_signed_in_elsewhere_gives_back_what_they_held(bank: Bank) -> None:
    enrol.enrol(bank, Wanted(ADA, account="ada@example.org"), DESK)
    cookie = access.sign_in_by_token(bank, access.issue_token(bank, Role.PATIENT, name="ada@example.org"))
    found, ada = access.opened(bank, cookie), access.session(bank, cookie)
    assert found is not None
    assert ada is not None

    closing.close(bank, found, ada)

    assert enrol.held_of(bank, ADA) == []
    assert access.session(bank, cookie) is None


def test_an_account_that_holds_nothing_is_closed_too(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA), DESK)
    found, ada = signed_in(bank, sheet)
    enrol.end(bank, sheet.holding.id, DESK)

    closing.close(bank, found, ada)

    assert (ada.name, closing.CLOSED, "") in events(bank, Act.ENROLLED)
