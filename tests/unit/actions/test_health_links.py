"""A card as a health link: what it opens, for whom, how often, and when it stops."""

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from cards_here import ADA, DESK, KEEPER, OTHERS, a_card, bank, filled, holder, holds, seen, wrong
from imagebank.actions import access, cards, enrol, health_links
from imagebank.actions.health_links import NotThePasscode, Opened, Wish
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid, NotFound, TooOften
from imagebank.model.access import Scope
from imagebank.model.card import TRIES
from imagebank.model.event import Act
from imagebank.model.health_link import Access, Flag, HealthLink, read, text_of

__all__ = ["bank", "filled"]

ORIGIN = "https://bank.example.org"
ALL = Scope(organizations=None)


def made(bank: Bank, issued: cards.Issued, **wish: object) -> HealthLink:
    return health_links.make(bank, issued.card.id, replace(Wish(), **wish), ORIGIN, KEEPER)  # type: ignore[arg-type]


def secret_of(link: HealthLink) -> str:
    return link.url.rpartition("/")[2]


def follow(bank: Bank, link: HealthLink, passcode: str | None, **given: bool) -> Opened:
    return health_links.follow(bank, secret_of(link), "Dr Varga", passcode, "10.0.0.1", **given)


def test_a_link_opens_what_its_card_opens_and_is_a_withdrawal(bank: Bank) -> None:
    issued = a_card(bank, studies=("1.1",), label="CT for Dr Varga")
    link = made(bank, issued)
    opened = follow(bank, link, issued.pin)
    (withdrawal,) = bank.index.cards.withdrawals(issued.card.id, ALL)
    (event,) = [one for one in bank.index.events(ALL) if one.act is Act.REDEEMED]

    assert seen(bank, opened.principal) == ["1.1"]
    assert opened.key == link.key
    assert (withdrawal.name, withdrawal.purpose, withdrawal.address) == ("Dr Varga", "SMART Health Link", "10.0.0.1")
    assert event.principal == f"card-{issued.card.id}.1"
    holder = access.bearer(bank, opened.token)
    assert holder is not None
    assert seen(bank, holder) == ["1.1"]


def test_a_link_says_what_the_standard_wants(bank: Bank) -> None:
    issued = a_card(bank, label="for me alone")
    link = made(bank, issued, label="CT for Dr Varga")

    assert link == read(text_of(link))
    assert link.flags == {Flag.LONG_TERM, Flag.PASSCODE}
    assert (link.label, link.expires_at) == ("CT for Dr Varga", issued.card.ends_at.replace(microsecond=0))
    assert len(link.url) <= 128
    assert len(secret_of(link)) == 43


def test_what_is_kept_tells_neither_address_nor_key(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    kept = bank.index.cards.link_of(issued.card.id, ALL)

    assert kept is not None
    assert kept.digest not in (secret_of(link).encode(), link.key)
    assert bank.index.cards.link(link.key, ALL) is None
    assert bank.index.cards.link_of(issued.card.id, Scope.of("north")) is None


def test_a_wrong_passcode_counts_against_the_card_for_life(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    left = []
    for _ in range(TRIES - 1):
        with pytest.raises(NotThePasscode) as refused:
            follow(bank, link, wrong(issued.pin))
        left.append(refused.value.remaining)
    with pytest.raises(NotFound):
        follow(bank, link, wrong(issued.pin))
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)

    assert left == [4, 3, 2, 1]


@pytest.mark.parametrize("passcode", [None, "", "letters"])
def test_what_can_be_no_passcode_is_refused_and_costs_nothing(bank: Bank, passcode: str | None) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    with pytest.raises(NotThePasscode) as refused:
        follow(bank, link, passcode)

    assert refused.value.remaining == TRIES
    follow(bank, link, issued.pin)


def test_tries_at_once_are_no_more_than_a_card_has(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    compared: list[int] = []

    def guess() -> None:
        try:
            follow(bank, link, wrong(issued.pin))
        except NotThePasscode as error:
            compared.append(error.remaining)
        except BankError:
            pass

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    card = bank.index.cards.card(issued.card.id, ALL)

    assert card is not None
    assert card.tries_left == 0
    assert len(compared) < TRIES
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)


def test_frozen_taken_back_and_ended_cards_open_nothing_and_kill_the_token(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    token = follow(bank, link, issued.pin).token
    cards.freeze(bank, issued.card.id, KEEPER)
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)
    assert access.bearer(bank, token) is None

    cards.thaw(bank, issued.card.id, KEEPER)
    follow(bank, link, issued.pin)
    assert access.bearer(bank, token) is not None

    later = replace(bank, now=lambda: bank.now() + timedelta(days=400))
    with pytest.raises(NotFound):
        follow(later, link, issued.pin)
    cards.revoke(bank, issued.card.id, KEEPER)
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)
    assert access.bearer(bank, token) is None
    with pytest.raises(Conflict):
        made(bank, issued)


def test_another_link_takes_the_place_of_the_first(bank: Bank) -> None:
    issued = a_card(bank)
    first, second = made(bank, issued), made(bank, issued)
    with pytest.raises(NotFound):
        follow(bank, first, issued.pin)

    assert follow(bank, second, issued.pin).key == second.key != first.key


def test_a_link_without_passcode_opens_by_itself(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued, passcode=False, updates=False)

    assert link.flags == frozenset()
    assert seen(bank, follow(bank, link, None).principal) == ["1.1", "1.2"]


def test_a_link_to_one_file_is_asked_for_as_such_alone(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued, passcode=False, is_file=True)
    with pytest.raises(NotFound):
        follow(bank, link, None)

    assert link.flags == {Flag.FILE, Flag.LONG_TERM}
    assert follow(bank, link, None, is_file=True).key == link.key
    with pytest.raises(Invalid):
        made(bank, issued, is_file=True)
    with pytest.raises(NotFound):
        follow(bank, made(bank, issued), issued.pin, is_file=True)


def test_a_use_is_spent_with_every_time_that_it_is_followed(bank: Bank) -> None:
    issued = a_card(bank, uses=1)
    link = made(bank, issued)
    follow(bank, link, issued.pin)
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)


def test_a_recipient_says_who_they_are(bank: Bank) -> None:
    link = made(bank, a_card(bank))
    for recipient in ("", "  ", "\x00", "x" * 201):
        with pytest.raises(Invalid, match="who you are"):
            health_links.follow(bank, secret_of(link), recipient, "1")


def test_a_link_that_is_followed_again_and_again_has_to_wait(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_links, "POLLS", 2)
    link = made(bank, a_card(bank), passcode=False)
    for _ in range(2):
        follow(bank, link, None)
    with pytest.raises(TooOften):
        follow(bank, link, None)


def test_nobody_makes_a_link_of_another_s_card(bank: Bank) -> None:
    issued = a_card(bank)
    with pytest.raises(BankError):
        health_links.make(bank, issued.card.id, Wish(), ORIGIN, OTHERS)
    with pytest.raises(NotFound):
        health_links.make(bank, "f" * 16, Wish(), ORIGIN, KEEPER)
    with pytest.raises(Invalid, match="128"):
        health_links.make(bank, issued.card.id, Wish(access=Access.NONE), "https://" + "x" * 90, KEEPER)


def test_a_card_that_asks_for_a_code_by_mail_is_no_health_link(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    with bank.index.begin() as tx:
        tx.cards.change(issued.card.id, email="varga@clinic.example.org")
    with pytest.raises(NotFound):
        follow(bank, link, issued.pin)
    with pytest.raises(Conflict, match="e-mail"):
        made(bank, issued)


def test_a_file_waits_an_hour_and_is_got_once(bank: Bank) -> None:
    issued = a_card(bank, uses=1)
    link = made(bank, issued)
    opened = follow(bank, link, issued.pin)
    first, late, stopped = (health_links.leave(bank, opened, text) for text in ("one", "two", "three"))
    later = replace(bank, now=lambda: bank.now() + timedelta(hours=1))

    assert health_links.fetch(bank, first) == b"one"
    for secret, when in ((first, bank), (late, later), ("unknown", bank)):
        with pytest.raises(NotFound):
            health_links.fetch(when, secret)
    with bank.index.begin() as tx:
        tx.cards.sweep_links(later.now())
    with pytest.raises(NotFound):
        health_links.fetch(bank, late)
    again = health_links.leave(bank, opened, "four")
    cards.revoke(bank, issued.card.id, KEEPER)
    for secret in (stopped, again):
        with pytest.raises(NotFound):
            health_links.fetch(bank, secret)


def test_nothing_is_got_by_a_link_whose_giver_holds_the_images_no_more(bank: Bank) -> None:
    holds(bank, ADA)
    issued = a_card(bank, holder(bank), patient=None)
    link = health_links.make(bank, issued.card.id, Wish(), ORIGIN, holder(bank))
    waiting = health_links.leave(bank, follow(bank, link, issued.pin), "sealed")
    enrol.end(bank, "ada-ADA", DESK)

    with pytest.raises(NotFound):
        health_links.fetch(bank, waiting)
    with pytest.raises(NotFound, match="opens nothing"):
        follow(bank, link, issued.pin)


def test_a_card_that_stops_while_its_pin_is_compared_is_no_wrong_passcode(bank: Bank) -> None:
    issued = a_card(bank)
    link = made(bank, issued)
    with bank.index.begin() as tx:
        tx.cards.change(issued.card.id, tries_left=1)
    with pytest.raises(NotFound):
        follow(bank, link, wrong(issued.pin))
