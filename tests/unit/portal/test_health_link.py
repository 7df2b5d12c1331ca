"""The pages of a health link: what to do with one, and making one of a card."""

import re
from html import unescape

import pytest

from cards_here import ADA, KEEPER, a_card, bank, filled, holder, holds
from imagebank.actions import access, cards
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.health_link import Access, Flag, HealthLink, read
from imagebank.portal import qr
from unit.portal.browsing import Browser, hidden_field

__all__ = ["bank", "filled"]

ALL = Scope(organizations=None)


@pytest.fixture
def browser(bank: Bank) -> Browser:
    found = Browser(web_application(bank))
    found.get(f"/sign-in/{access.sign_in_link(bank, Role.ADMIN, 'keeper', 'north')}")
    return found


def shown(text: str) -> HealthLink:
    found = re.search(r"<textarea[^>]*>([^<]*)</textarea>", text)
    assert found
    return read(unescape(found[1]))


def test_a_link_is_made_and_shown_with_its_code_once(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank, label="CT for <b>Dr Varga</b>")
    address = f"/desk/cards/{issued.card.id}/link"
    asked = browser.get(address)
    made = browser.post(address, {"csrf": hidden_field(asked, "csrf"), "passcode": "yes", "updates": "yes"})
    link = shown(made.text)

    assert "CT for &lt;b&gt;" in asked.text
    assert link.flags == {Flag.PASSCODE, Flag.LONG_TERM}
    assert link.label == "Medical images"
    assert "<svg" in made.text
    assert "no-store" in made.headers["cache-control"]
    assert "<textarea" not in browser.get(address).text


def test_the_owner_of_an_account_makes_one_of_their_own_card(bank: Bank) -> None:
    holds(bank, ADA)
    issued = a_card(bank, holder(bank), patient=None)
    owner = Browser(web_application(bank))
    owner.get(f"/sign-in/{access.sign_in_link(bank, Role.PATIENT, 'ada', 'north')}")
    address = f"/my/cards/{issued.card.id}/link"
    made = owner.post(address, {"csrf": hidden_field(owner.get(address), "csrf"), "passcode": "yes"})

    assert shown(made.text).flags == {Flag.PASSCODE}
    assert f'href="{address}"' in owner.get(address.removesuffix("/link")).text


def test_without_its_boxes_it_opens_by_itself_and_stays_as_it_is(bank: Bank, browser: Browser) -> None:
    address = f"/desk/cards/{a_card(bank).card.id}/link"
    made = browser.post(address, {"csrf": hidden_field(browser.get(address), "csrf")})

    assert shown(made.text).flags == frozenset()
    assert "without a PIN" in made.text


def test_how_a_program_gets_the_images_is_chosen_in_plain_words(bank: Bank, browser: Browser) -> None:
    address = f"/desk/cards/{a_card(bank).card.id}/link"
    asked = browser.get(address)
    token = hidden_field(asked, "csrf")

    def kept(chosen: str) -> Access:
        secret = shown(browser.post(address, {"csrf": token, "access": chosen}).text).url.rpartition("/")[2]
        found = bank.index.cards.link(bank.seal.digest("address of a health link", secret.encode()), ALL)
        assert found is not None
        return found.access

    assert 'value="endpoint" checked' in asked.text
    assert [kept(each) for each in ("", "endpoint", "file", "none")] == [
        Access.ENDPOINT,
        Access.ENDPOINT,
        Access.FILE,
        Access.NONE,
    ]
    assert browser.post(address, {"csrf": token, "access": "all"}).status_code == 400


def test_what_cannot_be_is_refused_as_a_page(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank)
    address = f"/desk/cards/{issued.card.id}/link"
    token = hidden_field(browser.get(address), "csrf")
    cards.revoke(bank, issued.card.id, KEEPER)

    assert browser.get(f"/desk/cards/{'f' * 16}/link").status_code == 404
    assert browser.post(address, {"csrf": token, "passcode": "yes"}).status_code == 409
    assert browser.post(address, {"passcode": "yes"}).status_code == 403
    assert Browser(web_application(bank)).get(address).headers["location"] == "/sign-in"


def test_the_page_behind_a_link_needs_nobody_and_no_script(bank: Bank) -> None:
    page = Browser(web_application(bank)).get("/shl")

    assert page.status_code == 200
    assert 'href="/redeem"' in page.text
    assert "<script" not in page.text


def test_a_code_says_its_text_with_correction_m_and_nothing_else() -> None:
    drawn = str(qr.drawing("https://bank.example.org/shl#shlink:/" + "a" * 300))

    assert drawn.startswith("<svg")
    assert "shlink" not in drawn
    assert "script" not in drawn
