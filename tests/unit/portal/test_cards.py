"""Owners and staff make cards in three steps, see who used them, freeze, change and take them back."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import httpx
import pypdfium2
import pytest

from bank import SOURCE, a_token, keep, open_test_bank
from imagebank.actions import account, card_contents, cards, enrol, persons, redeem
from imagebank.actions.card_reach import Reach
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.errors import NotFound
from imagebank.http.auth import COOKIE
from imagebank.model import card_number
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.card import Opens
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Relation
from imagebank.portal import card_words
from make import a_file
from unit.actions.people_here import PASSWORD
from unit.portal.browsing import Browser, hidden_field

DESK = Principal("desk", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
ADA, LEO, EVE = PatientId("north", "ADA"), PatientId("north", "LEO"), PatientId("north", "EVE")
HEAD, HAND, OTHER = "1.2.826.0.1.3680043.10.7.21", "1.2.826.0.1.3680043.10.7.22", "1.2.826.0.1.3680043.10.7.23"
KNEE = "1.2.826.0.1.3680043.10.7.24"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    """Ada's MR of the head and CT of the knee, her son's X-ray of a hand, and somebody else's CT."""
    with open_test_bank(
        tmp_path_factory.mktemp("cards"), organization="north", age_of_majority=40, site_name="Northgate"
    ) as opened:
        for uid, patient, about in (
            (HEAD, ADA, {"Modality": "MR", "BodyPartExamined": "BRAIN", "StudyDate": "20261011"}),
            (KNEE, ADA, {"Modality": "CT", "BodyPartExamined": "KNEE", "StudyDate": "20250110"}),
            (HAND, LEO, {"Modality": "DX", "BodyPartExamined": "HAND", "StudyDate": "20250302"}),
            (OTHER, EVE, {"Modality": "CT"}),
        ):
            file = a_file(StudyInstanceUID=uid, PatientID=patient.identifier, **about)
            keep(opened, file, source=replace(SOURCE, organization="north"))
        persons.hear(opened, Identity(ADA, PersonName("Haddad^Amina"), "19840512"))
        persons.hear(opened, Identity(EVE, PersonName("Braun^Eve"), "19700101"))
        persons.hear(opened, Identity(LEO, PersonName("Haddad^Leo"), "20150302"))
        yield opened


def patient(bank: Bank, *wanted: Wanted) -> Browser:
    """A browser in which the owner of a new account is signed in."""
    sheet = enrol.enrol(bank, replace(wanted[0], display_name="Amina Haddad"), DESK)
    for one in wanted[1:]:
        enrol.enrol(bank, replace(one, account=sheet.account), DESK)
    browser = Browser(web_application(bank))
    cookie = account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), PASSWORD)
    browser.cookies.set(COOKIE, cookie, domain="bank.example")
    return browser


@pytest.fixture(scope="module")
def ada(bank: Bank) -> Browser:
    """Who holds her own images and her son's."""
    return patient(bank, Wanted(ADA), Wanted(LEO, Relation.PARENT))


@pytest.fixture
def staff(bank: Bank) -> Browser:
    browser = Browser(web_application(bank))
    assert (
        browser.post("/sign-in", {"token": a_token(bank, Role.TECHNOLOGIST, organization="north")}).status_code == 303
    )
    return browser


def send(browser: Browser, address: str, seen: httpx.Response, **typed: str) -> httpx.Response:
    return browser.post(address, {"csrf": hidden_field(seen, "csrf"), **typed})


def second_step(browser: Browser, root: str = "/my", **what: str) -> httpx.Response:
    seen = browser.get(f"{root}/cards")
    return send(browser, f"{root}/share", seen, step="whom", **what)


def made(browser: Browser, root: str = "/my", whom: Any = None, **what: str) -> httpx.Response:
    """The answer to the last of the three steps."""
    seen = second_step(browser, root, **what)
    assert seen.status_code == 200, seen.text
    said = {"days": "7", "taking": "yes", **(whom or {})}
    return send(browser, f"{root}/share", seen, step="make", once=hidden_field(seen, "once"), **what, **said)


def number_and_pin(answer: httpx.Response) -> tuple[str, str]:
    number = re.search(r'class="symbols" dir="ltr">([^<]*)<', answer.text)
    pin = re.search(r'class="pin" dir="ltr">([^<]*)<', answer.text)
    assert number
    assert pin
    return number[1], pin[1]


def address_of(answer: httpx.Response) -> str:
    """The page of the card that was made just now."""
    found = re.search(r'action="(/\w+/cards/[0-9a-f]{16})/sheet"', answer.text)
    assert found
    return found[1]


def opened(bank: Bank, number: str, pin: str) -> redeem.Opened:
    return redeem.for_program(bank, redeem.Claim(number, pin, "Dr Okafor", "Quay Street Clinic", "Treatment"))


def words(answer: httpx.Response) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())


def test_from_the_page_of_a_study_to_a_card_in_three_steps(bank: Bank, ada: Browser) -> None:
    first = ada.get(f"/my/share?study={HEAD}")
    assert f'name="study-{HEAD}" value="yes" checked' in first.text
    assert "MRI of the head" in first.text
    assert HAND not in first.text
    third = made(ada, whom={"recipient": "Dr Okafor"}, **{f"study-{HEAD}": "yes", "reports": "yes"})

    assert third.status_code == 201
    number, pin = number_and_pin(third)
    assert opened(bank, number, pin).card.recipient == "Dr Okafor"
    assert "no-store" in third.headers["cache-control"]
    assert "keep a copy" in words(third)
    assert "MRI of the head, " in words(third)
    told = cards.kept(bank, address_of(third)[-16:], DESK)
    assert told.opens.studies == (HEAD,)
    assert told.card.ends_at.strftime("%H:%M:%S") == "23:59:59"


def test_sending_it_again_makes_no_second_card(bank: Bank, ada: Browser) -> None:
    seen = second_step(ada, everything="yes")
    form = {"csrf": hidden_field(seen, "csrf"), "once": hidden_field(seen, "once"), "step": "make", "everything": "yes"}
    before = len(cards.listed(bank, DESK, ADA))

    assert ada.post("/my/share", form).status_code == 201
    again = ada.post("/my/share", form)
    assert again.status_code == 409
    assert "No second card was made" in again.text
    assert len(cards.listed(bank, DESK, ADA)) == before + 1


@pytest.mark.parametrize(
    ("what", "opens", "shown"),
    [
        ({"later": "yes"}, {"future": True, "modality": ""}, "Everything"),
        ({"everything": "yes"}, {"future": False, "studies": (HEAD, KNEE)}, "2 exams"),
        ({"modality": "CT"}, {"future": False, "studies": (KNEE,)}, "CT of the knee"),
        ({"body_part": "BRAIN", "kind_later": "yes"}, {"future": True, "body_part": "BRAIN"}, "Only of the head"),
        (
            {"since": "2026-01-01", "until": "2026-12-31", "modality": "MR", "kind_later": "yes"},
            {"since": "20260101", "until": "20261231", "modality": "MR"},
            "Only this kind: MRI scan Only from 1 Jan 2026 on Only until 31 Dec 2026 Also what comes later",
        ),
    ],
)
def test_what_a_card_opens(
    bank: Bank, ada: Browser, what: dict[str, str], opens: dict[str, object], shown: str
) -> None:
    answer = made(ada, whom={"taking": "no"}, **what)
    told = cards.kept(bank, address_of(answer)[-16:], DESK)

    assert {name: getattr(told.opens, name) for name in opens} == opens
    assert (told.opens.reports, told.opens.taking) == (False, False)
    assert shown in words(answer), words(answer)
    assert "Look only: nothing can be saved" in words(ada.get(address_of(answer)))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ({}, "Choose at least one exam"),
        ({"everything": "yes", "modality": "CT"}, "not both"),
        ({f"study-{HEAD}": "yes", "modality": "CT"}, "not both"),
        ({"since": "tomorrow"}, "2026-01-31"),
    ],
)
def test_what_cannot_be_shared_is_said_with_what_was_chosen(ada: Browser, what: dict[str, str], said: str) -> None:
    answer = second_step(ada, **what)

    assert answer.status_code == 400
    assert said in answer.text
    assert "Step 1 of 3" in answer.text
    assert (f'{HEAD}" value="yes" checked' in answer.text) == (f"study-{HEAD}" in what)


@pytest.mark.parametrize(
    ("whom", "said"),
    [
        ({"days": "other"}, "Say until which day"),
        ({"days": "other", "last_day": "2020-01-01"}, "ends at a time to come"),
        ({"days": "soon"}, "whole number"),
        ({"pin": "1234"}, "tried first"),
        ({"recipient": "x" * 201}, "one line of at most 200"),
        ({"email": "x@clinic.example"}, "sends no"),
    ],
)
def test_what_the_second_step_refuses_stands_there_with_what_was_typed(
    ada: Browser, whom: dict[str, str], said: str
) -> None:
    answer = made(ada, whom={"label": "the knee", **whom}, everything="yes")

    assert answer.status_code >= 400
    assert said in answer.text
    assert "Step 2 of 3" in answer.text
    assert 'value="the knee"' in answer.text
    assert "1234" not in answer.text


def test_another_day_ones_own_pin_and_uses(bank: Bank, ada: Browser) -> None:
    day = (bank.now() + timedelta(days=90)).date().isoformat()
    whom = {"days": "other", "last_day": day, "pin": "83 05 19", "uses": "2", "purpose": "second opinion"}
    answer = made(ada, whom=whom, everything="yes")

    number, pin = number_and_pin(answer)
    card = opened(bank, number, pin).card
    assert pin.replace(" ", "") == "830519"
    assert (card.purpose, card.ends_at.date().isoformat()) == ("second opinion", day)
    page = words(ada.get(address_of(answer)))
    assert "used once, can be used 1 more time" in page
    assert "Dr Okafor Quay Street Clinic" in page


def test_going_back_keeps_what_was_said(ada: Browser) -> None:
    seen = second_step(ada, **{f"study-{KNEE}": "yes"})
    back = send(ada, "/my/share", seen, step="what", recipient="Dr Okafor", **{f"study-{KNEE}": "yes"})

    assert f'name="study-{KNEE}" value="yes" checked' in back.text
    assert 'type="hidden" name="recipient" value="Dr Okafor"' in back.text


def test_of_several_people_one_is_shared_at_a_time(bank: Bank, ada: Browser) -> None:
    first = ada.get("/my/share")
    leo = first.text.split("<bdi>Leo Haddad</bdi></a>")[0].rsplit("/my/share?of=", 1)[1].split('"')[0]
    assert HAND in ada.get(f"/my/share?of={leo}").text
    assert HAND in ada.get(f"/my/share?study={HAND}").text
    assert ada.get(f"/my/share?study={OTHER}").status_code == 404

    answer = made(ada, of=leo, everything="yes")
    assert cards.kept(bank, address_of(answer)[-16:], DESK).card.patient == LEO


def test_who_only_looks_gives_no_card(bank: Bank) -> None:
    carer = patient(bank, Wanted(EVE, Relation.CARER))

    assert "cannot give cards" in carer.get("/my/share").text
    assert "/my/share" not in carer.get("/my/cards").text
    assert made(carer, everything="yes").status_code == 403


def test_freezing_thawing_changing_and_taking_back(bank: Bank, ada: Browser) -> None:
    answer = made(ada, whom={"label": "For the knee"}, everything="yes")
    page, (number, pin) = address_of(answer), number_and_pin(answer)
    assert "For the knee" in words(ada.get("/my/cards"))

    assert send(ada, f"{page}/freeze", ada.get(page)).headers["location"] == page
    assert "frozen" in words(ada.get(page))
    with pytest.raises(NotFound):
        opened(bank, number, pin)
    send(ada, f"{page}/thaw", ada.get(page))
    assert opened(bank, number, pin).card.label == "For the knee"

    changed = {"last_day": "2027-05-01", "uses": "3", "label": "Knee", "recipient": "Dr B", "purpose": "check"}
    assert send(ada, f"{page}/change", ada.get(page), **changed).status_code == 303
    told = cards.kept(bank, page[-16:], DESK)
    assert (told.card.label, told.card.uses_left, told.card.ends_at.date().isoformat()) == ("Knee", 3, "2027-05-01")
    assert (told.opens.reports, told.opens.taking) == (False, False)
    assert "whole number" in send(ada, f"{page}/change", ada.get(page), uses="many").text

    assert "stays with them" in ada.get(f"{page}/take-back").text
    assert send(ada, f"{page}/take-back", ada.get(page)).headers["location"] == page
    assert "This card was taken back" in words(ada.get(page))
    assert "taken back for good" in send(ada, f"{page}/thaw", ada.get(page)).text
    assert "Taken back" in words(ada.get("/my/cards"))


def test_the_page_of_a_card_tells_of_wrong_pins_and_that_it_has_locked_itself(bank: Bank, ada: Browser) -> None:
    answer = made(ada, whom={"pin": "830519"}, everything="yes")
    number, page = number_and_pin(answer)[0], address_of(answer)
    for left in (4, 3, 2, 1):
        with pytest.raises(NotFound):
            opened(bank, number, "830518")
        assert f"After {left} more" in words(ada.get(page))
    with pytest.raises(NotFound):
        opened(bank, number, "830518")

    shown = words(ada.get(page))
    assert "locked itself for good" in shown
    assert "Change this card" not in shown


def test_the_sheet_has_the_number_and_never_the_pin_in_the_language_that_is_asked_for(ada: Browser) -> None:
    answer = made(ada, whom={"pin": "8305 1927 46"}, **{f"study-{HEAD}": "yes"})
    number, page = number_and_pin(answer)[0], address_of(answer)
    sheet = send(ada, f"{page}/sheet", answer, number=number, language="de", paper="us-letter")

    assert sheet.headers["content-type"] == "application/pdf"
    text = "".join(one.get_textpage().get_text_range() for one in pypdfium2.PdfDocument(sheet.content))
    assert number.replace(" ", "") in "".join(text.split())
    assert "Northgate" in text
    assert "Amina Haddad" in text
    assert "8305192746" not in "".join(text.split())
    other = card_number.shown(card_number.make())
    assert send(ada, f"{page}/sheet", answer, number=other).status_code == 400
    assert send(ada, f"{page}/sheet", answer, number="").status_code == 400
    assert "cannot be shown again" not in answer.text
    assert "the bank does not keep them" in ada.get(page).text


def test_cards_of_others_are_not_there(bank: Bank, ada: Browser) -> None:
    other = cards.issue(bank, cards.Wanted(Reach(patient=EVE)), DESK).card.id
    seen = ada.get("/my/cards")

    assert other not in seen.text
    for verb in ("", "/take-back"):
        assert ada.get(f"/my/cards/{other}{verb}").status_code == 404
    for verb in ("freeze", "thaw", "take-back", "change", "sheet"):
        assert send(ada, f"/my/cards/{other}/{verb}", seen).status_code == 404


def test_the_desk_gives_a_card_to_a_patient_who_stands_there(bank: Bank, staff: Browser) -> None:
    whose = {"patient_id": "ADA", "issuer": "north"}
    assert staff.get("/desk/share").headers["location"] == "/desk/cards"
    listed = send(staff, "/desk/cards", staff.get("/desk/cards"), **whose)
    assert listed.status_code == 200
    first = send(staff, "/desk/share", listed, step="begin", **whose)
    assert HEAD in first.text
    answer = made(staff, "/desk", **whose, **{f"study-{HEAD}": "yes"})

    number, pin = number_and_pin(answer)
    card = opened(bank, number, pin).card
    assert (card.patient, card.holder) == (ADA, "")
    assert "at the desk" in words(staff.get(address_of(answer)))
    assert send(staff, f"{address_of(answer)}/take-back", listed).status_code == 303
    assert send(staff, "/desk/cards", listed, patient_id="ADA").status_code == 400
    assert send(staff, "/desk/share", listed, step="begin").status_code == 400
    assert made(staff, "/desk", patient_id="X", issuer="south", everything="yes").status_code == 404


def test_staff_without_the_right_give_no_cards(bank: Bank) -> None:
    reader = Browser(web_application(bank))
    reader.post("/sign-in", {"token": a_token(bank, Role.CLINICIAN, organization="north")})

    assert reader.get("/desk/share").status_code == 403
    assert reader.get("/desk/cards").status_code == 403


def test_a_form_may_name_as_many_studies_as_a_card_can_open(ada: Browser) -> None:
    seen = ada.get("/my/cards")
    many = {f"study-1.2.826.0.1.3680043.10.77.{number}": "yes" for number in range(500)}
    body = urlencode({"csrf": hidden_field(seen, "csrf"), "step": "whom", **many})

    answer = ada.ask(
        "POST",
        "/my/share",
        {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"},
        content=body,
    )
    assert answer.status_code == 200


def test_a_card_tells_how_many_of_its_exams_are_gone_and_names_nobody_whom_it_does_not_know(bank: Bank) -> None:
    opens = Opens(studies=(HEAD, "1.2.3"))
    found = card_contents.named(bank, replace(DESK, scope=Scope(organizations=None)), opens)

    assert [one.uid for one in found] == [HEAD]
    assert card_words.opened(opens, found)[1] == "1 exam that is not here any more"
    assert card_words.shows(Opens(since="20260101")) == "Some exams"
    assert card_contents.name_of(bank, PatientId("north", "NOBODY")).alphabetic == ""


def test_staff_who_may_not_search_give_cards_of_everything_or_of_a_kind(bank: Bank) -> None:
    officer = Browser(web_application(bank))
    officer.post("/sign-in", {"token": a_token(bank, Role.PRIVACY_OFFICER, organization="north")})
    whose = {"patient_id": "ADA", "issuer": "north"}
    first = send(officer, "/desk/share", officer.get("/desk/cards"), step="begin", **whose)

    assert first.status_code == 200
    assert HEAD not in first.text
    assert made(officer, "/desk", **whose, later="yes").status_code == 201
