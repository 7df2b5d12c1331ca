"""What goes wrong around cards and links, each met by a sentence: for whoever types, clicks twice, or comes too late."""

from dataclasses import replace
from datetime import timedelta

import pytest

from cards_here import ADA, KEEPER, a_card, a_claim, bank, filled, wrong
from imagebank.actions import (
    access,
    account,
    cards,
    codes,
    correct,
    destinations,
    persons,
    redeem,
    remove,
    rights,
    transfer,
)
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model import card_number
from imagebank.model.access import Role
from imagebank.model.card import TRIES
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.transfer import Destination
from imagebank.model.uid import Uid
from unit.portal.browsing import Browser, hidden_field

__all__ = ["bank", "filled"]

WHO = {"name": "Dr Chidi Okafor", "institution": "Quay Street Clinic", "why": "Treatment"}
HEAD = Uid("1.1")


def typed(issued: cards.Issued, **given: str) -> dict[str, str]:
    return {"number": card_number.shown(issued.number), "pin": issued.pin, **WHO, **given}


def at(bank: Bank, **later: float) -> Bank:
    """The bank as another machine has it, whose clock says something else."""
    return replace(bank, now=lambda: bank.now() + timedelta(**later))


def shown(bank: Bank, issued: cards.Issued) -> str:
    """What somebody reads who opens a card now."""
    browser = Browser(web_application(bank))
    assert browser.post("/redeem", typed(issued)).status_code == 303
    return browser.get("/shared").text


def test_a_mistyped_number_is_told_by_its_check_symbol_and_costs_nothing(bank: Bank) -> None:
    issued = a_card(bank)
    swapped = issued.number[0] + issued.number[2] + issued.number[1] + issued.number[3:]
    mistyped = swapped if swapped != issued.number else ("1" if swapped[0] == "0" else "0") + swapped[1:]
    answer = Browser(web_application(bank)).post("/redeem", typed(issued, number=mistyped))

    assert answer.status_code == 422
    assert "two are swapped" in answer.text
    assert "no try was used" in answer.text
    assert [one.card.tries_left for one in cards.listed(bank, KEEPER)] == [TRIES]


def test_who_does_not_read_the_mail_that_the_owner_named_goes_no_further(bank: Bank) -> None:
    bank = replace(bank, settings=replace(bank.settings, smtp="127.0.0.1:2525", smtp_from="bank@example.org"))
    issued = a_card(bank, email="wrong.person@example.org", uses=1)
    browser = Browser(web_application(bank))
    asked = browser.post("/redeem", typed(issued))
    job = bank.jobs.claim([codes.JOB], bank.now() + timedelta(minutes=1), 60)
    assert job is not None
    code = codes.opened(bank, job.payload["code"])
    guessed = browser.post("/redeem", typed(issued, code=wrong(code)))

    assert "it was mailed to the address that they gave" in asked.text
    assert "wrong.person" not in asked.text + guessed.text
    assert guessed.status_code == 403
    assert "This is not the code" in guessed.text
    cards.revoke(bank, issued.card.id, KEEPER)
    late = browser.post("/redeem", typed(issued, code=code))
    assert "do not open anything" in late.text, "the owner has seen the mistake, and whoever got the mail sees nothing"


def test_a_link_that_was_used_says_so_and_whom_to_ask(bank: Bank) -> None:
    sign_in = f"/sign-in/{access.sign_in_link(bank, Role.CLINICIAN, 'varga', 'north')}"
    activation = f"/activate/{account.add(bank, 'mira', Role.PATIENT)}"
    first, second = (Browser(web_application(bank)) for _ in range(2))
    first.get(sign_in)
    first.post(activation, {"password": "seven green herons wade", "means": "password"})

    assert (second.get(sign_in).status_code, second.get(activation).status_code) == (404, 404)
    assert "has been used or is too old" in second.get(sign_in).text
    assert "This link has been used or is too old; ask for a new one." in second.get(activation).text
    assert second.get("/account").headers["location"] == "/sign-in"


@pytest.mark.parametrize("minutes", [-2, 2])
def test_a_card_works_at_once_on_a_machine_whose_clock_differs(bank: Bank, minutes: int) -> None:
    issued = a_card(bank)

    assert 'href="/studies/1.1"' in shown(at(bank, minutes=minutes), issued)


def test_a_study_that_was_deleted_meanwhile_is_not_there_and_a_word_says_why(bank: Bank) -> None:
    issued = a_card(bank, studies=(HEAD,))
    remove.remove(bank, Selection(HEAD), KEEPER)

    text = shown(bank, issued)
    assert "may have been deleted" in text
    assert "Ask the patient" in text
    assert 'href="/studies/' not in text


def test_a_card_of_a_record_that_was_merged_meanwhile_opens_the_same_images(bank: Bank) -> None:
    issued = a_card(bank, studies=(HEAD,))
    other = PatientId("north", "ADA-2")
    for patient in (ADA, other):
        persons.hear(bank, Identity(patient, PersonName("Varga^Ada"), "19701130"))
    persons.merge(bank, KEEPER, ADA, other, "registered twice")

    assert 'href="/studies/1.1"' in shown(bank, issued)


def test_a_study_that_is_found_to_be_another_patients_is_not_shown_by_the_first_ones_card(bank: Bank) -> None:
    issued = a_card(bank, studies=(HEAD,))
    correct.correct(
        bank, Selection(HEAD), {"00100020": {"vr": "LO", "Value": ["BOB"]}}, KEEPER, "mixed up at the console"
    )

    assert "There is no study here now" in shown(bank, issued)


def test_a_form_that_is_pressed_twice_is_sent_once(bank: Bank) -> None:
    destinations.offer(bank, Destination("Quay", url="https://quay.example/dicom-web"))
    browser = Browser(web_application(bank))
    browser.get(f"/sign-in/{access.sign_in_link(bank, Role.CLINICIAN, 'varga', 'north')}")

    for path in ("/redeem", "/export?study=1.1", "/desk/fetch"):
        text = browser.get(path).text
        assert "data-once" in text, path
        assert "/static/once.js" in text, path


def test_what_is_on_its_way_already_is_not_sent_twice(bank: Bank) -> None:
    destinations.offer(bank, Destination("Quay", url="https://quay.example/dicom-web"))
    browser = Browser(web_application(bank))
    browser.get(f"/sign-in/{access.sign_in_link(bank, Role.CLINICIAN, 'varga', 'north')}")
    page = browser.get("/export?study=1.1")
    form = {name: hidden_field(page, name) for name in ("csrf", "studies")} | {"destination": "Quay"}
    first, second = (browser.post("/export/send", form).headers["location"] for _ in range(2))
    doctor = rights.principal(bank, "varga", Role.CLINICIAN, "north")

    assert first == second
    assert len(transfer.listed(bank, doctor)) == 1
    transfer.stop(bank, first.rpartition("/")[2], doctor)
    assert browser.post("/export/send", form).headers["location"] != first


def test_a_second_use_of_a_card_for_one_is_refused_and_the_first_stays_open(bank: Bank) -> None:
    issued = a_card(bank, uses=1)
    first, second = (Browser(web_application(bank)) for _ in range(2))
    first.post("/redeem", typed(issued))
    again = second.post("/redeem", typed(issued))

    assert "The card may also have ended" in again.text
    assert first.get("/shared").status_code == 200
    assert redeem.for_browser(bank, a_claim(a_card(bank))).withdrawal.number == 1
