"""Cards: who gives them, what they open, and how they are frozen, changed and taken back."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bank import keep
from cards_here import (
    ADA,
    ADA_TOO,
    BOB,
    DESK,
    KEEPER,
    OTHERS,
    a_card,
    bank,
    filled,
    holder,
    holds,
    of,
    seen,
)
from imagebank import worker
from imagebank.actions import card_reach, cards, holders, persons, reindex, rights
from imagebank.actions.cards import Changes
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotAllowed, NotFound, Unsupported
from imagebank.model import card_number
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.card import NO_END, State
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.model.uid import Uid
from make import a_file
from unit.actions.people_here import events

__all__ = ["bank", "filled"]


def opened(bank: Bank, issued: cards.Issued) -> Principal:
    return rights.principal(bank, holders.withdrawal_name(issued.card.id, 1), Role.RECIPIENT, "north")


def test_a_card_of_the_desk_opens_what_there_is_now(bank: Bank) -> None:
    issued = a_card(bank, DESK, label="for the knee", recipient="Dr Okafor", purpose="second opinion", uses=2)
    keep(bank, a_file(StudyInstanceUID="1.9", PatientID="ADA"), source=of("north"))

    assert seen(bank, opened(bank, issued)) == ["1.1", "1.2"]
    assert card_number.read(issued.number) == issued.number
    assert len(issued.pin) == 6
    card = issued.card
    assert (card.patient, card.by, card.holder, card.uses_left) == (ADA, "desk", "", 2)
    assert (card.label, card.recipient, card.purpose) == ("for the knee", "Dr Okafor", "second opinion")
    assert card.ends_at - bank.now() > timedelta(days=29)
    assert (issued.opens.studies, issued.opens.future) == (("1.1", "1.2"), False)
    assert opened(bank, issued).scope.reports
    assert not opened(bank, issued).only_looks


def test_neither_number_nor_pin_is_kept(bank: Bank) -> None:
    issued = a_card(bank, pin="730215")

    kept = repr(bank.index.cards.cards(Scope(None)))
    assert issued.number not in kept
    assert "730215" not in kept
    assert all("730215" not in detail and issued.number not in detail for _, detail, _ in events(bank, Act.CARD))


def test_the_ledger_tells_it_of_the_patient(bank: Bank) -> None:
    issued = a_card(bank, DESK)
    cards.freeze(bank, issued.card.id, DESK, "192.0.2.7")

    assert [(who, what.partition(": ")[2], where) for who, what, where in events(bank, Act.CARD)] == [
        ("desk", "made", ""),
        ("desk", "frozen", "192.0.2.7"),
    ]
    assert len([one for one in bank.index.events(Scope(None), patient=ADA) if one.act is Act.CARD]) == 2


@pytest.mark.parametrize(
    ("reach", "expected"),
    [
        ({"studies": (Uid("1.2"), Uid("1.2"))}, ["1.2"]),
        ({"modality": "CT"}, ["1.1"]),
        ({"body_part": "KNEE"}, ["1.2"]),
        ({"since": "20260101"}, ["1.1"]),
        ({"until": "20260109"}, ["1.2"]),
        ({"since": "20250110", "until": "20260110"}, ["1.1", "1.2"]),
        ({"modality": "CT", "future": True}, ["1.1", "1.9"]),
        ({"future": True}, ["1.1", "1.2", "1.9"]),
        ({"since": "20260111", "future": True}, ["1.9"]),
    ],
)
def test_a_card_opens_what_it_says_and_a_standing_order_what_comes_later(
    bank: Bank, reach: dict[str, Any], expected: list[str]
) -> None:
    issued = a_card(bank, reports=False, taking=False, **reach)
    later = a_file(StudyInstanceUID="1.9", PatientID="ADA", Modality="CT", StudyDate="20260801")
    keep(bank, later, a_file(StudyInstanceUID="1.8", PatientID="BOB", Modality="CT"), source=of("north"))

    who = opened(bank, issued)
    assert seen(bank, who) == expected
    assert (who.scope.reports, who.only_looks) == (False, True)


@pytest.mark.parametrize(
    ("reach", "error"),
    [
        ({"studies": (Uid("1.3"),)}, NotFound),
        ({"studies": (Uid("1.1"), Uid("9.9"))}, NotFound),
        ({"studies": (Uid("1.1"),), "modality": "CT"}, Invalid),
        ({"studies": (Uid("1.1"),), "future": True}, Invalid),
        ({"studies": tuple(Uid(f"1.{n}") for n in range(501))}, Invalid),
        ({"modality": "US"}, NotFound),
        ({"modality": "ct scan"}, Invalid),
        ({"body_part": "the knee"}, Invalid),
        ({"since": "2026-01-01"}, Invalid),
        ({"since": "20260132"}, Invalid),
        ({"since": "20260102", "until": "20260101"}, Invalid),
        ({"patient": None}, Invalid),
        ({"patient": PatientId("north", "NOBODY")}, NotFound),
    ],
)
def test_what_a_card_cannot_open(bank: Bank, reach: dict[str, Any], error: type[BankError]) -> None:
    with pytest.raises(error):
        a_card(bank, **reach)
    assert cards.listed(bank, KEEPER) == []


@pytest.mark.parametrize(
    "given",
    [
        {"uses": 0},
        {"uses": 1001},
        {"pin": "1234"},
        {"pin": "19701130"},
        {"label": "x" * 201},
        {"recipient": "two\nlines"},
    ],
)
def test_what_no_card_is(bank: Bank, given: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        a_card(bank, **given)


@pytest.mark.parametrize("days", [-1, 0, 4000])
def test_a_card_ends_at_a_time_to_come(bank: Bank, days: int) -> None:
    with pytest.raises(Invalid):
        a_card(bank, ends_at=bank.now() + timedelta(days=days))


def test_no_code_is_promised_that_nobody_sends(bank: Bank) -> None:
    with pytest.raises(Unsupported):
        a_card(bank, email="okafor@example.org")


def test_more_than_five_hundred_studies_have_to_be_narrowed(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card_reach, "MOST_STUDIES", 1)

    with pytest.raises(Invalid, match="would open 2 studies, and one opens at most 1"):
        a_card(bank)
    assert a_card(bank, modality="CT").opens.studies == ("1.1",)


def test_of_studies_alone_the_desk_finds_the_patient(bank: Bank) -> None:
    keep(bank, a_file(StudyInstanceUID="1.7", PatientID=""), source=of("north"))

    assert a_card(bank, patient=None, studies=(Uid("1.2"), Uid("1.1"))).card.patient == ADA
    for studies, error in (
        ((Uid("1.1"), Uid("1.3")), NotFound),
        ((Uid("9.9"),), NotFound),
        ((Uid("1.7"),), Conflict),
    ):
        with pytest.raises(error):
            a_card(bank, patient=None, studies=studies)
    with pytest.raises(NotFound):
        a_card(bank, OTHERS, patient=None, studies=(Uid("1.1"),))


def test_linked_records_are_one_person(bank: Bank) -> None:
    for patient in (ADA, ADA_TOO):
        persons.hear(bank, Identity(patient, PersonName("Lovelace^Ada")))
    persons.link(bank, KEEPER, ADA, ADA_TOO, "the same passport")

    issued = a_card(bank, patient=None, studies=(Uid("1.4"), Uid("1.1")))
    assert issued.card.patient == ADA_TOO
    assert seen(bank, opened(bank, issued)) == ["1.1", "1.4"]


def test_staff_give_cards_for_their_own_organizations_patients(bank: Bank) -> None:
    assert a_card(bank, OTHERS, patient=ADA_TOO).opens.studies == ("1.4",)
    with pytest.raises(NotAllowed):
        a_card(bank, OTHERS)
    (own,) = cards.listed(bank, OTHERS)
    mine = a_card(bank, DESK)
    assert [one.card.id for one in cards.listed(bank, OTHERS)] == [own.card.id]
    assert {one.card.id for one in cards.listed(bank, KEEPER)} == {own.card.id, mine.card.id}
    assert [one.card.id for one in cards.listed(bank, KEEPER, ADA)] == [mine.card.id]
    for act in (cards.freeze, cards.kept, cards.withdrawals):
        with pytest.raises(NotFound):
            act(bank, mine.card.id, OTHERS)


@pytest.mark.parametrize("role", [Role.CLINICIAN, Role.REFERRER, Role.RECIPIENT, Role.SYSTEM])
def test_others_neither_give_nor_see_cards(bank: Bank, role: Role) -> None:
    issued = a_card(bank)
    who = Principal("somebody", role, "north", RIGHTS[role], Scope.of("north"))

    for act in (
        lambda: a_card(bank, who),
        lambda: cards.listed(bank, who),
        lambda: cards.kept(bank, issued.card.id, who),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_owners_give_cards_for_what_they_hold(bank: Bank) -> None:
    holds(bank, ADA)
    issued = a_card(bank, holder(bank), patient=None)

    assert (issued.card.patient, issued.card.holder, issued.opens.studies) == (ADA, "ada", ("1.1", "1.2"))
    for given in (
        {"patient": BOB},
        {"patient": None, "studies": (Uid("1.3"),)},
        {"studies": (Uid("9.9"),), "patient": None},
    ):
        with pytest.raises(NotFound):
            a_card(bank, holder(bank), **given)
    assert [one.state for one in cards.listed(bank, holder(bank))] == [State.WORKS]
    assert cards.kept(bank, issued.card.id, holder(bank)).card == issued.card
    assert cards.listed(bank, holder(bank), BOB) == []
    a_card(bank, patient=BOB)
    assert [one.card.id for one in cards.listed(bank, holder(bank))] == [issued.card.id]


def test_everything_of_an_owner_is_all_that_they_hold_as_owner(bank: Bank) -> None:
    holds(bank, ADA)
    holds(bank, ADA_TOO)
    holds(bank, BOB, Relation.PARENT)

    assert seen(bank, opened(bank, a_card(bank, holder(bank), patient=None, future=True))) == ["1.1", "1.2", "1.4"]
    assert seen(bank, opened(bank, a_card(bank, holder(bank), patient=BOB))) == ["1.3"]
    assert seen(bank, opened(bank, a_card(bank, holder(bank), patient=None, studies=(Uid("1.3"),)))) == ["1.3"]


def test_of_several_children_it_is_said_whose_the_card_is(bank: Bank) -> None:
    holds(bank, ADA, Relation.PARENT)
    assert a_card(bank, holder(bank), patient=None).card.patient == ADA
    holds(bank, BOB, Relation.REPRESENTATIVE)

    with pytest.raises(Invalid, match="say whose"):
        a_card(bank, holder(bank), patient=None)
    assert a_card(bank, holder(bank), patient=BOB).card.patient == BOB


def test_carers_and_accounts_that_hold_nothing_give_no_cards(bank: Bank) -> None:
    issued = a_card(bank)
    holds(bank, ADA, Relation.CARER)

    for name in ("ada", "eve"):
        with pytest.raises(NotAllowed):
            a_card(bank, holder(bank, name), patient=None)
        assert cards.listed(bank, holder(bank, name)) == []
        with pytest.raises(NotFound):
            cards.revoke(bank, issued.card.id, holder(bank, name))
    assert cards.listed(bank, Principal("ada", Role.PATIENT, "north", frozenset(), Scope.nothing())) == []


def test_a_parents_card_ends_no_later_than_what_the_parent_may(bank: Bank) -> None:
    until = bank.now() + timedelta(days=3)
    holds(bank, ADA, Relation.PARENT, ends_at=until)
    issued = a_card(bank, holder(bank), patient=None)

    assert issued.card.ends_at == until
    later = cards.change(bank, issued.card.id, Changes(ends_at=until + timedelta(days=9)), holder(bank))
    assert later.card.ends_at == until


def test_a_card_opens_nothing_once_its_giver_holds_nothing(bank: Bank) -> None:
    holds(bank, ADA, Relation.PARENT)
    issued = a_card(bank, holder(bank), patient=None)
    assert seen(bank, opened(bank, issued)) == ["1.1", "1.2"]

    with bank.index.begin() as tx:
        tx.revoke_provision("ada-ADA", bank.now())
    assert seen(bank, opened(bank, issued)) == []


def test_a_card_is_frozen_thawed_and_taken_back_at_the_next_request(bank: Bank) -> None:
    holds(bank, ADA)
    card, who = a_card(bank, holder(bank), patient=None), holder(bank)

    def after(told: cards.Told) -> tuple[State, list[str]]:
        return told.state, seen(bank, opened(bank, card))

    assert after(cards.freeze(bank, card.card.id, who)) == (State.FROZEN, [])
    assert after(cards.freeze(bank, card.card.id, who)) == (State.FROZEN, [])
    assert after(cards.thaw(bank, card.card.id, DESK)) == (State.WORKS, ["1.1", "1.2"])
    assert after(cards.revoke(bank, card.card.id, who)) == (State.TAKEN_BACK, [])
    assert after(cards.revoke(bank, card.card.id, who)) == (State.TAKEN_BACK, [])
    for act in (cards.thaw, cards.freeze):
        with pytest.raises(Conflict):
            act(bank, card.card.id, who)
    with pytest.raises(Conflict):
        cards.change(bank, card.card.id, Changes(label="again"), who)
    assert [what.partition(": ")[2] for _, what, _ in events(bank, Act.CARD)] == [
        "made",
        "frozen",
        "thawed",
        "taken back",
    ]


def test_a_card_is_changed_in_what_is_named_and_nothing_else(bank: Bank) -> None:
    issued = a_card(bank, label="old", recipient="Dr Okafor", future=True)
    until = bank.now() + timedelta(days=90)

    told = cards.change(bank, issued.card.id, Changes(ends_at=until, uses=3, label="new", taking=False), KEEPER)
    assert (told.card.ends_at, told.card.uses_left, told.card.label) == (until, 3, "new")
    assert (told.card.recipient, told.opens.reports, told.opens.taking) == ("Dr Okafor", True, False)
    assert opened(bank, issued).only_looks
    (provision,) = bank.index.provisions(Scope(None), principal=holders.card_name(issued.card.id))
    assert provision.ends_at == until
    assert cards.kept(bank, issued.card.id, KEEPER) == told
    told = cards.change(bank, issued.card.id, Changes(reports=False, taking=True), KEEPER)
    assert (told.opens.reports, told.opens.taking, told.card.uses_left) == (False, True, 3)
    assert cards.change(bank, issued.card.id, Changes(), KEEPER) == told
    for wanted in (Changes(uses=0), Changes(label="x" * 201), Changes(ends_at=bank.now())):
        with pytest.raises(Invalid):
            cards.change(bank, issued.card.id, wanted, KEEPER)
    with pytest.raises(NotFound):
        cards.change(bank, "c0ffee", Changes(), KEEPER)
    assert issued.card.uses_left == NO_END


def test_two_who_act_on_one_card_at_once_undo_nothing_of_each_other(bank: Bank) -> None:
    issued = a_card(bank)
    acts = [
        lambda: cards.change(bank, issued.card.id, Changes(label="mine"), KEEPER),
        lambda: cards.freeze(bank, issued.card.id, KEEPER),
        lambda: cards.change(bank, issued.card.id, Changes(taking=False), KEEPER),
    ]

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(act) for act in acts * 4]:
            done.result()
    told = cards.kept(bank, issued.card.id, KEEPER)
    assert (told.state, told.card.label, told.opens.taking) == (State.FROZEN, "mine", False)
    assert seen(bank, opened(bank, issued)) == []


def test_what_cards_open_comes_back_when_the_index_is_built_anew(bank: Bank) -> None:
    works, frozen = a_card(bank), a_card(bank)
    cards.freeze(bank, frozen.card.id, KEEPER)
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass
    with bank.index.begin() as tx:
        tx.revoke_provision(f"{works.card.id}.1", bank.now())
    reindex.reindex(bank)

    assert seen(bank, opened(bank, works)) == ["1.1", "1.2"]
    assert seen(bank, opened(bank, frozen)) == []


def test_the_cards_of_a_patient_whose_account_is_closed_are_forgotten(bank: Bank) -> None:
    issued, other = a_card(bank), a_card(bank, patient=BOB)
    with bank.index.begin() as tx:
        tx.close_account(ADA, [])

    assert [one.card.id for one in cards.listed(bank, KEEPER)] == [other.card.id]
    with pytest.raises(NotFound):
        cards.revoke(bank, issued.card.id, KEEPER)
