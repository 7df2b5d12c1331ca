"""What the holder of a card takes along: what the card opens, as long as it does, and nothing where it is for looking."""

from datetime import timedelta

import pytest

from cards_here import ADA, DESK, a_card, bank, filled
from imagebank.actions import cards, exporting, holders, reports, rights
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import Principal, Role
from imagebank.model.export import Wish
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid

__all__ = ["bank", "filled"]


def redeemed(bank: Bank, issued: cards.Issued) -> Principal:
    return rights.principal(bank, holders.withdrawal_name(issued.card.id, 1), Role.RECIPIENT, "north")


def files(bank: Bank, who: Principal) -> list[str]:
    begun = exporting.begin(bank, Wish.parse(["1.1"], "pictures"), who)
    while not begun.is_ready:
        begun = exporting.go_on(bank, begun.name, who, 60)
    found = exporting.opened(bank, begun.name, who)
    data = b"".join(found.read(0, found.size))
    return [name for name in ("0001.jpg", "report 1-1.txt") if name.encode() in data]


def test_a_card_gives_what_it_opens_with_or_without_reports(bank: Bank) -> None:
    reports.keep(
        bank,
        Report("north", ADA, bank.now(), "F", "R1", study=Uid("1.1")),
        Body("", "", (Part("text/plain", b"x"),)),
        "RIS",
    )

    assert files(bank, redeemed(bank, a_card(bank, DESK))) == ["0001.jpg", "report 1-1.txt"]
    assert files(bank, redeemed(bank, a_card(bank, DESK, reports=False))) == ["0001.jpg"]


def test_a_card_that_is_frozen_ends_an_export_and_one_for_looking_begins_none(bank: Bank) -> None:
    issued = a_card(bank, DESK)
    who = redeemed(bank, issued)
    begun = exporting.begin(bank, Wish.parse(["1.1"]), who)
    exporting.go_on(bank, begun.name, who, 60)
    cards.freeze(bank, issued.card.id, DESK)
    later = who.at(bank.now() + timedelta(seconds=1))
    with pytest.raises(NotFound):
        exporting.opened(bank, begun.name, later)
    with pytest.raises(NotFound):
        exporting.begin(bank, Wish.parse(["1.1"]), later)
    with pytest.raises(NotAllowed, match="for looking"):
        exporting.begin(bank, Wish.parse(["1.1"]), redeemed(bank, a_card(bank, DESK, taking=False)))
