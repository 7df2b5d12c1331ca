"""Redeeming a card: for whom it opens what, and what costs a try."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bank import bearer
from cards_here import ADA, DESK, KEEPER, a_card, a_claim, bank, filled, holder, holds, seen, wrong
from imagebank.actions import access, account, cards, codes, enrol, health_links, notices, password, pins, redeem
from imagebank.actions.cards import Changes, Lent
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, TooOften
from imagebank.model import card_number
from imagebank.model.access import Role, Scope
from imagebank.model.card import TRIES, State
from imagebank.model.event import Act
from imagebank.model.notice import Kind
from unit.actions.people_here import after, events

__all__ = ["bank", "filled"]


def state(bank: Bank) -> State:
    (told,) = cards.listed(bank, KEEPER)
    return told.state


def tries_left(bank: Bank) -> int:
    (told,) = cards.listed(bank, KEEPER)
    return told.card.tries_left


def test_number_and_pin_open_what_the_card_says_for_a_browser(bank: Bank) -> None:
    issued = a_card(bank, modality="CT")
    opened = redeem.for_browser(bank, a_claim(issued, number=card_number.shown(issued.number).lower()), "192.0.2.7")

    who = access.session(bank, opened.secret)
    assert who is not None
    assert (who.name, who.role, who.organization) == (opened.name, Role.RECIPIENT, "north")
    assert opened.name == f"card-{issued.card.id}.1"
    assert seen(bank, who) == ["1.1"]
    assert opened.ends_at - bank.now() < timedelta(hours=bank.settings.session_hours)
    assert tries_left(bank) == TRIES


def test_and_for_a_program(bank: Bank) -> None:
    issued = a_card(bank, ends_at=bank.now() + timedelta(hours=1))
    opened = redeem.for_program(bank, a_claim(issued))

    who = access.bearer(bank, opened.secret)
    assert who is not None
    assert seen(bank, who) == ["1.1", "1.2"]
    assert opened.ends_at == issued.card.ends_at, "no longer than the card"
    assert access.bearer(after(bank, hours=1), opened.secret) is None
    assert bearer(opened.secret)["Authorization"].startswith("Bearer ib_")


def test_the_owner_reads_who_it_was_and_why(bank: Bank) -> None:
    issued = a_card(bank)
    redeem.for_browser(bank, a_claim(issued, name="  Dr  Chidi Okafor "), "192.0.2.7")
    redeem.for_program(bank, a_claim(issued, purpose="Second opinion"))

    second, first = cards.withdrawals(bank, issued.card.id, KEEPER)
    assert (first.number, first.name, first.institution, first.purpose, first.address) == (
        *(1, "Dr Chidi Okafor", "Quay Street Clinic"),
        *("Treatment", "192.0.2.7"),
    )
    assert (second.number, second.purpose) == (2, "Second opinion")
    assert [one[0] for one in events(bank, Act.REDEEMED)] == [f"card-{issued.card.id}.{n}" for n in (1, 2)]
    of_ada = bank.index.events(Scope(None), patient=issued.card.patient)
    assert [one.act for one in of_ada][:3] == [Act.REDEEMED, Act.REDEEMED, Act.CARD]


def test_a_card_for_one_use_opens_once_and_what_it_opened_stays_open(bank: Bank) -> None:
    issued = a_card(bank, uses=1)
    opened = redeem.for_browser(bank, a_claim(issued))

    with pytest.raises(NotFound):
        redeem.for_browser(bank, a_claim(issued))
    assert state(bank) is State.USED_UP
    assert access.session(bank, opened.secret) is not None


def test_who_has_redeemed_a_card_is_nobody_once_it_opens_nothing(bank: Bank) -> None:
    issued = a_card(bank)
    cookie = redeem.for_browser(bank, a_claim(issued)).secret
    token = redeem.for_program(bank, a_claim(issued)).secret

    def known() -> tuple[bool, bool]:
        return access.session(bank, cookie) is not None, access.bearer(bank, token) is not None

    cards.freeze(bank, issued.card.id, KEEPER)
    assert known() == (False, False)
    cards.thaw(bank, issued.card.id, KEEPER)
    assert known() == (True, True)
    cards.revoke(bank, issued.card.id, KEEPER)
    assert known() == (False, False)


def test_a_card_whose_giver_holds_the_images_no_more_is_refused_like_any_other(bank: Bank) -> None:
    holds(bank, ADA)
    issued = a_card(bank, holder(bank), patient=None, uses=1)
    enrol.end(bank, "ada-ADA", DESK)

    for way in (redeem.for_browser, redeem.for_program):
        with pytest.raises(NotFound) as refused:
            way(bank, a_claim(issued))
        assert str(refused.value) == redeem.REFUSED
    card = bank.index.cards.card(issued.card.id, Scope(organizations=None))
    assert card is not None
    assert (card.uses, card.tries_left) == (0, TRIES), "nothing was used"


@pytest.mark.parametrize(
    "given",
    [
        {"number": "7K2M 9QXD 4TRB H0VV"},
        {"number": "7K2M"},
        {"pin": "abc"},
        {"name": " "},
        {"institution": ""},
        {"purpose": "\x07"},
        {"name": "x" * 201},
    ],
)
def test_what_is_mistyped_or_left_out_costs_no_try(bank: Bank, given: dict[str, str]) -> None:
    issued = a_card(bank)

    for _ in range(redeem.PER_ADDRESS + 1):
        with pytest.raises(Invalid, match="no try was used"):
            redeem.for_browser(bank, a_claim(issued, **given))
    assert tries_left(bank) == TRIES
    redeem.for_browser(bank, a_claim(issued))


def spoil(bank: Bank, issued: cards.Issued, how: str) -> tuple[Bank, redeem.Claim]:
    """The bank and a claim that opens nothing for this reason."""
    claim, card = a_claim(issued), issued.card.id
    match how:
        case "unknown":
            claim = a_claim(issued, number=card_number.make())
        case "wrong":
            claim = a_claim(issued, pin=wrong(issued.pin))
        case "spent":
            cards.change(bank, card, Changes(uses=1), KEEPER)
            redeem.for_browser(bank, claim)
        case "frozen":
            cards.freeze(bank, card, KEEPER)
        case "expired":
            bank = after(bank, days=31)
        case "revoked":
            cards.revoke(bank, card, KEEPER)
        case "swallowed":
            for _ in range(TRIES):
                with pytest.raises(NotFound):
                    redeem.for_browser(bank, replace(claim, pin=wrong(issued.pin)))
    return bank, claim


WAYS = ("unknown", "wrong", "spent", "frozen", "expired", "revoked", "swallowed")


@pytest.mark.parametrize("how", WAYS)
def test_whatever_was_wrong_the_words_and_the_work_are_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    then, claim = spoil(bank, a_card(bank), how)
    hashed: list[str] = []
    really = password.matches

    def matches(expected: str, typed: str) -> bool:
        hashed.append(expected)
        return really(expected, typed)

    monkeypatch.setattr(password, "matches", matches)

    with pytest.raises(NotFound) as refused:
        redeem.for_browser(then, claim)
    assert str(refused.value) == redeem.REFUSED
    assert len(hashed) == 1, "a hash is computed whatever the number is"
    assert (hashed[0] == "") is (how != "wrong"), "and none is compared but of a card that works"


@pytest.mark.parametrize("how", [one for one in WAYS if one != "unknown"])
def test_the_owner_is_told_of_each_refusal_at_a_card_of_theirs(bank: Bank, how: str) -> None:
    issued = a_card(bank)
    then, claim = spoil(bank, issued, how)
    before = len(events(bank, Act.NOT_REDEEMED))
    with pytest.raises(NotFound):
        redeem.for_browser(then, claim, "192.0.2.7")

    told = [one for one in then.index.events(Scope(None), patient=issued.card.patient) if one.act is Act.NOT_REDEEMED]
    assert len(told) == before + 1
    assert (told[0].principal, told[0].address) == ("unknown", "192.0.2.7")


def test_tries_that_fail_are_counted_for_life_and_right_ones_are_not(bank: Bank) -> None:
    issued = a_card(bank)
    for number in range(TRIES - 1):
        with pytest.raises(NotFound):
            redeem.for_browser(bank, a_claim(issued, pin=wrong(issued.pin)))
        redeem.for_browser(bank, a_claim(issued))
        assert tries_left(bank) == TRIES - 1 - number

    with pytest.raises(NotFound):
        redeem.for_browser(after(bank, days=20), a_claim(issued, pin=wrong(issued.pin)))
    assert state(bank) is State.SWALLOWED


def test_many_wrong_tries_from_an_address_are_refused_unheard_and_right_ones_count_for_nothing(bank: Bank) -> None:
    issued = a_card(bank)
    for _ in range(3):
        redeem.for_browser(bank, a_claim(issued), "2001:db8::1")
    for number in range(redeem.PER_ADDRESS):
        with pytest.raises(NotFound):
            redeem.for_browser(bank, a_claim(issued, number=card_number.make()), f"2001:db8::{number:x}")

    for claim in (a_claim(issued), a_claim(issued, number=card_number.make())):
        with pytest.raises(TooOften):
            redeem.for_browser(bank, claim, "2001:db8::ffff")
    redeem.for_browser(bank, a_claim(issued), "2001:db8:0:1::1")
    redeem.for_browser(after(bank, minutes=16), a_claim(issued), "2001:db8::1")
    assert tries_left(bank) == TRIES


def test_so_are_many_from_everywhere(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redeem, "IN_ALL", 3)
    issued = a_card(bank)
    for number in range(3):
        with pytest.raises(NotFound):
            redeem.for_browser(bank, a_claim(issued, number=card_number.make()), f"192.0.2.{number}")

    with pytest.raises(TooOften):
        redeem.for_browser(bank, a_claim(issued), "192.0.2.9")


@pytest.mark.parametrize("how", ["used up", "frozen"])
def test_a_card_that_stops_between_its_pin_and_its_use_is_refused(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    issued = a_card(bank, uses=1)
    really = pins.matches

    def matches(*given: Any) -> bool:
        if how == "frozen":
            cards.freeze(bank, issued.card.id, KEEPER)
        else:
            with bank.index.begin() as tx:
                tx.cards.spend(issued.card.id, bank.now())
        return really(*given)

    monkeypatch.setattr(pins, "matches", matches)
    with pytest.raises(NotFound) as refused:
        redeem.for_browser(bank, a_claim(issued))
    assert str(refused.value) == redeem.REFUSED
    assert cards.withdrawals(bank, issued.card.id, KEEPER) == []


def test_a_stolen_database_opens_nothing(bank: Bank) -> None:
    issued = a_card(bank)
    (card,) = bank.index.cards.cards(Scope(None))

    assert not password.matches(card.pin, issued.pin), "without the bank's key the PIN cannot even be tried"
    assert pins.matches(bank, card.pin, issued.pin)
    with pytest.raises(BankError):
        redeem.for_browser(bank, a_claim(issued, number=card.number.hex()[:16]))


def mailing(bank: Bank) -> Bank:
    """The bank where it sends mail."""
    return replace(bank, settings=replace(bank.settings, smtp="127.0.0.1:2525", smtp_from="bank@example.org"))


def mailed(bank: Bank) -> str:
    """The code that waits to be mailed."""
    job = bank.jobs.claim([codes.JOB], bank.now() + timedelta(minutes=1), 60)
    assert job is not None
    return codes.opened(bank, job.payload["code"])


def test_where_the_owner_names_an_address_only_who_reads_its_mail_goes_on(bank: Bank) -> None:
    bank = mailing(bank)
    issued = a_card(bank, email="okafor@example.org", uses=1)
    with pytest.raises(NotFound):
        redeem.for_browser(bank, a_claim(issued, pin=wrong(issued.pin)))
    with pytest.raises(redeem.CodeWanted) as asked:
        redeem.for_browser(bank, a_claim(issued))
    assert "okafor" not in str(asked.value)
    code = mailed(bank)

    with pytest.raises(NotFound):
        redeem.for_browser(bank, a_claim(issued, code=wrong(code)))
    (told,) = cards.listed(bank, KEEPER)
    assert (told.card.uses, told.card.tries_left) == (0, TRIES - 1), "only the wrong PIN cost a try"
    assert redeem.for_browser(bank, a_claim(issued, code=code)).withdrawal.number == 1


def test_no_link_goes_round_the_code(bank: Bank) -> None:
    issued = a_card(mailing(bank), email="okafor@example.org")

    with pytest.raises(Conflict):
        health_links.make(bank, issued.card.id, health_links.Wish(), "https://bank.example", KEEPER)


def test_what_is_no_address_is_not_taken(bank: Bank) -> None:
    with pytest.raises(Invalid):
        a_card(mailing(bank), email="okafor")


def test_who_holds_the_records_is_told_of_uses_and_of_wrong_pins(bank: Bank) -> None:
    account.add(bank, "ada", Role.PATIENT, organization="north")
    holds(bank, ADA)
    found = bank.index.people.account("ada")
    assert found is not None
    issued = a_card(bank, holder(bank), patient=None)
    redeem.for_browser(bank, a_claim(issued))
    for _ in range(TRIES):
        with pytest.raises(NotFound):
            redeem.for_browser(bank, a_claim(issued, pin=wrong(issued.pin)))

    told = [(one.kind, one.number) for one in notices.listed(bank, found.id, 10)]
    assert sorted(told) == sorted([(Kind.SHARED, 1), (Kind.PIN_REFUSED, TRIES - 1), (Kind.SWALLOWED, 1)])


def test_who_shares_and_until_when_is_told_to_who_has_redeemed_a_card(bank: Bank) -> None:
    issued = a_card(bank)
    redeem.for_browser(bank, a_claim(issued))
    opened = redeem.for_browser(bank, a_claim(issued))
    for name, called in (("mira", "Mira Varga"), ("7", "")):
        account.add(bank, name, Role.PATIENT, called)
        holds(bank, ADA, name=name)
    of_mira, of_number = (
        redeem.for_browser(bank, a_claim(a_card(bank, holder(bank, name), patient=None))) for name in ("mira", "7")
    )

    assert cards.lent(bank, opened.name) == Lent("", opened.ends_at, is_from_staff=True)
    assert opened.ends_at < issued.card.ends_at
    assert cards.lent(bank, of_mira.name) == Lent("Mira Varga", of_mira.ends_at)
    assert cards.lent(bank, of_number.name) == Lent("", of_number.ends_at)
    soon = bank.now() + timedelta(minutes=5)
    cards.change(bank, issued.card.id, Changes(ends_at=soon), KEEPER)
    assert cards.lent(bank, opened.name) == Lent("", soon, is_from_staff=True)
    assert [cards.lent(bank, name) for name in ("card-c0ffee.1", f"card-{issued.card.id}.9", "ada")] == [None] * 3
