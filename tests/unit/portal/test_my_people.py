"""Who has access, how a carer is let in and sent away, what can be set, and signing in by an account's number."""

import re
from collections.abc import Iterator

import pytest

import owners
from bank import open_test_bank
from imagebank.actions import enrol, own
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model import account_number
from imagebank.model.provision import Relation
from owners import ADA, DESK, LEO
from unit.portal.browsing import Browser, hidden_field
from unit.portal.test_my import browser_of

PAGE = "/my/people"

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("people"), **owners.SETTINGS) as opened:
        owners.furnish(opened)
        yield opened


@pytest.fixture(scope="module")
def cookie(bank: Bank) -> str:
    return owners.mother(bank)


@pytest.fixture
def browser(bank: Bank, cookie: str) -> Browser:
    return browser_of(bank, cookie)


def send(browser: Browser, path: str, **fields: str) -> str:
    return browser.post(path, {"csrf": hidden_field(browser.get(PAGE), "csrf"), **fields}).text


def person(bank: Bank, cookie: str, number: int = 0) -> str:
    return own.people(bank, owners.who(bank, cookie))[number].key


def test_a_carer_is_let_in_by_a_sheet_that_is_shown_once_and_sees_the_images(
    bank: Bank, cookie: str, browser: Browser
) -> None:
    made = send(browser, f"{PAGE}/let-in", person=person(bank, cookie), name="Rosa Lind", until="2099-01-31")
    number, secret = re.findall(r'<dd class="id" dir="ltr">([^<]*)</dd>', made)
    typed = {name: re.search(rf'name="{name}" value="([^"]*)"', made) for name in ("account", "secret", "expires")}
    sheet = browser.post(
        f"{PAGE}/sheet",
        {"csrf": hidden_field(browser.get(PAGE), "csrf"), **{name: one[1] for name, one in typed.items() if one}},
    )
    carer = Browser(web_application(bank))
    led = carer.post("/open", {"number": number, "secret": secret}).headers["location"]
    carer.post(led, {"password": owners.PASSWORD, "means": "password"})

    assert "Your carer can come in." in made
    assert sheet.content.startswith(b"%PDF-")
    assert secret not in browser.get(PAGE).text
    assert "MRI of the head" in carer.get("/my").text
    assert "X-ray" not in carer.get("/my").text
    assert "Rosa Lind" in browser.get(PAGE).text
    assert "carer · since" in browser.get(PAGE).text
    assert "until 31 Jan 2099" in browser.get(PAGE).text


def test_a_carer_sees_their_own_access_alone_and_gives_it_up(bank: Bank) -> None:
    sheet = enrol.enrol(bank, Wanted(ADA, Relation.CARER, display_name="Rosa Lind"), DESK)
    carer = browser_of(bank, owners.opened(bank, Wanted(LEO, Relation.CARER), name="Uri Lind"))
    page = carer.get(PAGE).text
    theirs = re.search(rf'action="({PAGE}/[0-9a-f]{{32}}/end)"', page)
    assert theirs
    ended = carer.post(theirs[1], {"csrf": hidden_field(carer.get(PAGE), "csrf")})

    assert sheet.account not in page
    assert "Uri Lind" in page
    assert "Let a carer in" not in page
    assert (ended.status_code, ended.headers["location"]) == (303, PAGE)
    assert "images yet, or not any more" in carer.get(PAGE).text
    assert "No images" in carer.get("/my").text


def test_who_acts_for_a_person_ends_what_others_hold(bank: Bank, browser: Browser) -> None:
    holding = enrol.enrol(bank, Wanted(ADA, Relation.CARER, display_name="Tom Lind"), DESK).holding
    assert "Tom Lind" in browser.get(PAGE).text
    send(browser, f"{PAGE}/{holding.id}/end")

    assert "Tom Lind" not in browser.get(PAGE).text
    assert "Nobody holds that any more" in send(browser, f"{PAGE}/{holding.id}/end")


def test_somebody_with_an_account_becomes_a_carer_by_its_number(bank: Bank, cookie: str, browser: Browser) -> None:
    rosa = owners.who(bank, owners.opened(bank, Wanted(LEO, Relation.PARENT), name="Mia Lind"))
    given = {"person": person(bank, cookie), "account": account_number.shown(rosa.name)}

    assert "sees these images now" in send(browser, f"{PAGE}/let-in", **given)
    assert "holds these records already" in send(browser, f"{PAGE}/let-in", **given)


def test_a_form_that_is_sent_twice_lets_one_carer_in(bank: Bank, cookie: str, browser: Browser) -> None:
    page = browser.get(PAGE)
    given = {"csrf": hidden_field(page, "csrf"), "once": hidden_field(page, "once"), "person": person(bank, cookie)}
    first, second = (browser.post(f"{PAGE}/let-in", {**given, "name": "Ida Lind"}) for _ in range(2))

    assert (first.status_code, second.status_code) == (200, 409)
    assert "This form was sent already, and your carer was let in" in second.text
    assert [one.display_name for one in bank.index.people.accounts()].count("Ida Lind") == 1
    assert hidden_field(second, "once") != given["once"]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"person": ""}, "whose images"),
        ({"person": "0" * 32, "name": "Rosa"}, "does not hold these images"),
        ({"name": " "}, "how your carer is called"),
        ({"name": "Rosa", "until": "soon"}, "a day is written as"),
        ({"name": "Rosa", "until": "2020-01-01"}, "look at the dates"),
        ({"account": "1234 5678 9012"}, "a digit of the account number is wrong"),
    ],
)
def test_what_is_typed_wrongly_is_said_and_kept(
    bank: Bank, cookie: str, browser: Browser, typed: dict[str, str], said: str
) -> None:
    page = send(browser, f"{PAGE}/let-in", **{"person": person(bank, cookie), **typed})

    assert said in page.lower()
    assert 'role="alert"' in page


def test_settings_lead_to_what_can_be_set_and_keep_the_language(bank: Bank, cookie: str, browser: Browser) -> None:
    page = browser.get("/my/settings")
    number = account_number.shown(owners.who(bank, cookie).name)
    kept = browser.post(
        "/account/look", {"csrf": hidden_field(page, "csrf"), "language": "de", "theme": "dark", "back": "/my/settings"}
    )

    assert number in page.text
    for way in (PAGE, "/account/notices#mail", "/account", "/sign-out"):
        assert f'"{way}"' in page.text
    assert kept.headers["location"] == "/my/settings"
    assert '<html lang="de"' in browser.get("/my/settings").text


def test_people_sign_in_by_the_number_of_their_account_as_it_is_printed(bank: Bank, cookie: str) -> None:
    name = account_number.shown(owners.who(bank, cookie).name)
    browser = Browser(web_application(bank))
    page = browser.get("/sign-in").text
    opened = browser.post("/sign-in/password", {"name": f" {name.replace(' ', '-')}", "password": owners.PASSWORD})

    assert 'href="/open"' in page
    assert 'href="/redeem"' in page
    assert opened.status_code == 303
    assert browser.get("/").headers["location"] == "/my"
