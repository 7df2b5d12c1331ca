"""The pages of cards: opened by number and PIN without an account, what is open then, and its end."""

import pytest

from cards_here import ADA, KEEPER, a_card, bank, filled, holder, holds, wrong
from imagebank.actions import access, account, cards
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model import card_number
from imagebank.model.access import Role
from imagebank.model.card import TRIES
from unit.portal.browsing import Browser, hidden_field

__all__ = ["bank", "filled"]

WHO = {"name": "Dr Chidi Okafor", "institution": "Quay Street Clinic", "why": "Treatment"}


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return Browser(web_application(bank))


def shown(issued: cards.Issued, **given: str) -> dict[str, str]:
    return {"number": card_number.shown(issued.number), "pin": issued.pin, **WHO, **given}


def test_a_card_is_opened_looked_at_and_left(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank, modality="CT")
    assert "You need no account" in browser.get("/redeem").text
    answer = browser.post("/redeem", shown(issued))
    assert (answer.status_code, answer.headers["location"]) == (303, "/shared")

    page = browser.get("/shared")
    assert 'href="/studies/1.1"' in page.text
    assert 'href="/viewer/viewer?StudyInstanceUIDs=1.1"' in page.text
    assert 'href="/export?study=1.1"' in page.text
    assert "1.2" not in page.text.replace("Imagebank", "").split("<main")[1].split("</main")[0].replace("1.1", "")
    for path, status in (
        *(("/", 303), ("/studies/1.1", 200), ("/studies/1.2", 404), ("/dicom-web/studies/1.1/metadata", 200)),
        *(("/dicom-web/studies/1.1/thumbnail", 200), ("/dicom-web/studies/1.2/thumbnail", 404)),
        *(("/upload", 403), ("/queue", 403), ("/consents", 403), ("/rules", 403), ("/disclosures", 403)),
        *(("/api/v1/quarantine", 403), ("/api/v1/cards", 403), ("/api/v1/rules", 403), ("/api/v1/attributes", 403)),
    ):
        assert browser.get(path).status_code == status, path
    assert browser.post("/sign-out", {"csrf": hidden_field(page, "csrf")}).status_code == 303
    assert browser.get("/shared").headers["location"] == "/ended"
    (used,) = cards.withdrawals(bank, issued.card.id, KEEPER)
    assert (used.name, used.institution, used.purpose) == tuple(WHO.values())


def test_every_page_says_who_shares_and_until_when_and_leads_back_to_all_of_it(bank: Bank, browser: Browser) -> None:
    account.add(bank, "mira", Role.PATIENT, "Mira <b>Varga</b>")
    holds(bank, ADA, name="mira")
    issued = a_card(bank, holder(bank, "mira"), patient=None)
    browser.post("/redeem", shown(issued))

    for path in ("/shared", "/studies/1.1", "/export?study=1.1", "/studies/1.9"):
        text = browser.get(path).text
        assert "Shared by Mira &lt;b&gt;Varga&lt;/b&gt; until " in text, path
        assert 'class="brand" href="/shared"' in text, path
        assert "Studies</a>" not in text, path
        assert 'href="/"' not in text, path
    told = browser.get("/shared/open").json()
    assert told["words"].startswith("Shared by Mira <b>Varga</b> until ")
    assert (told["address"], told["back"]) == ("/shared", "All that is shown to you")
    assert browser.get("/").headers["location"] == "/shared"


def test_the_bar_of_the_viewer_says_nothing_to_staff(bank: Bank, browser: Browser) -> None:
    assert browser.get("/shared/open").status_code == 401
    browser.get(f"/sign-in/{access.sign_in_link(bank, Role.CLINICIAN, 'varga', 'north')}")
    assert browser.get("/shared/open").status_code == 204


def test_an_access_that_ended_says_so_and_not_why(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank)
    browser.post("/redeem", shown(issued))
    assert browser.get("/api/v1/session").status_code == 204

    cards.freeze(bank, issued.card.id, KEEPER)
    assert browser.get("/api/v1/session").status_code == 401, "the viewer goes dark"
    for path in ("/", "/shared", "/studies/1.1"):
        assert browser.get(path).headers["location"] == "/ended", path
    ended = browser.get("/ended")
    assert "This access has ended" in ended.text
    assert "frozen" not in ended.text
    cards.thaw(bank, issued.card.id, KEEPER)
    assert browser.get("/shared").status_code == 200


def test_a_mistyped_number_says_so_and_costs_nothing(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank)
    for number in (issued.number[1] + issued.number[0] + issued.number[2:], "7K2M", ""):
        answer = browser.post("/redeem", shown(issued, number=number))
        if number[:2] != issued.number[:2]:
            assert (answer.status_code, "no try was used" in answer.text) == (422, True)
            assert 'aria-invalid="true"' in answer.text
            assert "Quay Street Clinic" in answer.text, "what was typed is kept"
            assert issued.pin not in answer.text, "and the PIN is not"
    (told,) = cards.listed(bank, KEEPER)
    assert told.card.tries_left == TRIES


def test_whatever_is_wrong_the_page_is_the_same(bank: Bank, browser: Browser) -> None:
    issued, frozen = a_card(bank), a_card(bank)
    cards.freeze(bank, frozen.card.id, KEEPER)
    tried = [shown(issued, pin=wrong(issued.pin)), shown(frozen), shown(issued, number=card_number.make())]

    pages = [browser.post("/redeem", one) for one in tried]
    assert {one.status_code for one in pages} == {403}
    assert len({page.text.replace(form["number"], "") for page, form in zip(pages, tried, strict=True)}) == 1
    assert "do not open anything" in pages[0].text


def test_name_place_and_reason_are_asked_for(bank: Bank, browser: Browser) -> None:
    issued = a_card(bank)
    for given in ({"name": ""}, {"institution": " "}, {"why": "", "other": ""}, {"pin": "secret"}):
        assert browser.post("/redeem", shown(issued, **given)).status_code == 422
    assert browser.post("/redeem", shown(issued, why="", other="For my report")).status_code == 303
    (used,) = cards.withdrawals(bank, issued.card.id, KEEPER)
    assert used.purpose == "For my report"


def test_a_form_of_another_site_opens_nothing(bank: Bank, browser: Browser) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = browser.ask("POST", "/redeem", headers, data=shown(a_card(bank)))

    assert answer.status_code == 403
    assert "imagebank-session" not in browser.cookies


def test_who_may_only_look_is_offered_nothing_to_take(bank: Bank, browser: Browser) -> None:
    browser.post("/redeem", shown(a_card(bank, taking=False)))

    page = browser.get("/shared").text
    assert "take none along" in page
    assert "/export" not in page


def test_many_wrong_tries_have_to_wait(bank: Bank, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagebank.actions.redeem.PER_ADDRESS", 1)
    issued = a_card(bank)
    browser.post("/redeem", shown(issued, number=card_number.make()))

    answer = browser.post("/redeem", shown(issued))
    assert answer.status_code == 429
    assert "retry-after" in answer.headers


def test_others_are_led_home_and_nobody_to_where_one_signs_in(browser: Browser, bank: Bank) -> None:
    assert browser.get("/shared").headers["location"] == "/sign-in"


def test_who_may_only_look_sees_every_frame_and_takes_no_object(bank: Bank, browser: Browser) -> None:
    browser.post("/redeem", shown(a_card(bank, taking=False)))
    (one,) = browser.get("/dicom-web/studies/1.1/instances").json()
    series, uid = (one[key]["Value"][0] for key in ("0020000E", "00080018"))
    root = f"/dicom-web/studies/1.1/series/{series}/instances/{uid}"
    page = f"/studies/1.1/series/{series}/instances/{uid}"
    wado = f"/wado?requestType=WADO&studyUID=1.1&seriesUID={series}&objectUID={uid}&contentType="

    for path in (
        f"{root}/metadata",
        f"{root}/frames/1",
        f"{root}/rendered",
        f"{root}/thumbnail",
        page,
        f"{wado}image/jpeg",
    ):
        assert browser.get(path).status_code == 200, path
    assert "Download" not in browser.get(page).text
    pixels = f"{root}/bulkdata/7FE00010"
    everything = {"Accept": 'multipart/related; type="application/octet-stream"'}
    for path in (
        root,
        "/dicom-web/studies/1.1",
        pixels,
        f"{page}/original",
        f"{page}/file",
        f"{wado}application/dicom",
    ):
        assert browser.get(path).status_code == 403, path
    assert browser.get("/dicom-web/studies/1.1", everything).status_code == 403
    for path in ("/export?study=1.1", "/api/v1/export?study=1.1"):
        assert browser.get(path).status_code == 403, path
