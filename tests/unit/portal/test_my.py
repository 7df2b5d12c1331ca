"""The pages of people who see their own images: their frame, the first page, the list, and one study."""

from collections.abc import Iterator

import pytest

import owners
from bank import open_test_bank
from imagebank.actions import persons
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from owners import HAND, HEAD, OTHER
from unit.portal.browsing import Browser

pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("my"), **owners.SETTINGS) as opened:
        owners.furnish(opened)
        yield opened


def browser_of(bank: Bank, cookie: str) -> Browser:
    browser = Browser(web_application(bank))
    browser.cookies.set(COOKIE, cookie, domain="bank.example")
    return browser


@pytest.fixture(scope="module")
def mother(bank: Bank) -> Browser:
    return browser_of(bank, owners.mother(bank))


def test_a_patient_is_led_to_their_own_first_page_and_sees_no_door_of_staff(mother: Browser) -> None:
    led = mother.get("/")
    page = mother.get(led.headers["location"])

    assert (led.status_code, led.headers["location"], page.status_code) == (303, "/my", 200)
    assert "Hello, <bdi>Amina Haddad</bdi>" in page.text
    for door in ("/upload", "/queue", "/consents", "/find", 'data-density="compact"', 'data-theme="dark"'):
        assert door not in page.text


def test_images_are_told_in_plain_words_by_year_and_by_whose_they_are(mother: Browser) -> None:
    page = mother.get("/my").text

    assert "MRI of the head" in page
    assert "X-ray of the left hand" in page
    assert page.index("<h3>2026</h3>") < page.index("<h3>2025</h3>")
    assert "Sun, 11 Oct 2026" in page
    assert "St. Brigid" in page
    assert '<bdi class="quiet">Leo Haddad</bdi>' in page
    assert f"/dicom-web/studies/{HEAD}/thumbnail" in page
    assert OTHER not in page


def test_one_person_can_be_chosen_and_stays_chosen(mother: Browser) -> None:
    home = mother.get("/my").text
    leo = home.split("<bdi>Leo Haddad</bdi></a>")[0].rsplit('href="', 1)[1].split('"')[0]
    page = mother.get(leo).text

    assert HAND in page
    assert HEAD not in page
    assert f'href="{leo}/images"' not in page  # nothing more to show
    assert f'<a href="{leo}" aria-current="true"><svg' in page
    assert mother.get(f"{leo}/images").text.count(HAND) > 0


def test_a_person_whom_the_account_does_not_hold_does_not_exist(mother: Browser) -> None:
    assert mother.get(f"/my/{'0' * 32}").status_code == 404
    assert mother.get(f"/studies/{OTHER}").status_code == 404


def test_a_study_has_a_page_in_plain_words(mother: Browser) -> None:
    page = mother.get(f"/studies/{HAND}").text

    assert "<h1>X-ray of the left hand</h1>" in page
    assert "Leo Haddad" in page
    assert "Look at the images" in page
    assert "Accession" not in page
    assert mother.get(f"/studies/{HAND}/timeline").headers["location"] == "/my"


def test_a_quick_look_is_one_press_from_the_page_of_a_study(mother: Browser) -> None:
    study = mother.get(f"/studies/{HAND}").text
    page = mother.get(f"/studies/{HAND}/look")

    assert f'href="/studies/{HAND}/look">Quick look</a>' in study
    assert page.status_code == 200
    assert f'<img src="/dicom-web/studies/{HAND}/series/' in page.text
    assert f'href="/studies/{HAND}">Back to the study</a>' in page.text
    assert mother.get(f"/studies/{OTHER}/look").status_code == 404


def test_who_holds_no_images_is_told_how_they_come(bank: Bank) -> None:
    nobody = PatientId("north", "NIL")
    persons.hear(bank, Identity(nobody, PersonName("Nil^Nora"), "19840512"))
    browser = browser_of(bank, owners.opened(bank, Wanted(nobody), name="Nora"))

    assert "No images yet" in browser.get("/my").text
    assert "No images yet" in browser.get("/my/images").text


def test_the_list_goes_on_page_by_page_from_where_it_ended(mother: Browser) -> None:
    assert HAND in mother.get(f"/my/images?before={HEAD}").text
    assert HEAD not in mother.get(f"/my/images?before={HEAD}").text.split("<main", 1)[1].split("</section>")[0]
    assert mother.get("/my/images?before=x").status_code == 200
