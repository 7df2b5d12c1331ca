"""The reconciliation queue as people use it: by keyboard alone, on a desk and a phone, with and without script."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from browser.judging import faults
from browser.viewing import person
from imagebank.actions import access, persons
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Identity, Origin
from imagebank.model.person import PatientId, PersonName
from make import a_file
from samples import sample_data

pytestmark = pytest.mark.browser

AMINA = PatientId("north", "HX-204")
PHOTOS = ("dental-panoramic-grey.jpg", "fundus-retina.jpg")
LONG = "Montgomery-von Hohenlohe-Schillingsfürst^Anastasia Wilhelmina Theodora"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Bank, str]]:
    with open_test_bank(tmp_path, organization="north") as bank, serving(bank) as url:
        hear(bank, AMINA, "Haddad^Amina")
        yield bank, url


def hear(bank: Bank, patient: PatientId, name: str) -> None:
    persons.hear(bank, Identity(patient, PersonName(name), "19840512", "F", origin=Origin.HL7))


@contextmanager
def technologist(chromium: Browser, site: tuple[Bank, str], *, script: bool = True) -> Iterator[Page]:
    bank, url = site
    with person(chromium, java_script_enabled=script) as context:
        page = context.new_page()
        code = access.sign_in_link(bank, Role.TECHNOLOGIST, "tess", "north")
        page.goto(f"{url}/sign-in/{code}")
        yield page


def upload(bank: Bank, url: str, *names: str) -> None:
    """Send photographs of which nobody has said anything, each for itself."""
    token = a_token(bank, Role.TECHNOLOGIST, organization="north", name="camera")
    for name in names:
        files = {"file": (name, (sample_data() / "non-dicom/jpeg" / name).read_bytes())}
        answer = httpx.post(f"{url}/api/v1/deposits", files=files, headers=bearer(token), timeout=60)
        assert answer.status_code == 200, answer.text


def press(page: Page, key: str) -> None:
    """Press a key when the page's script is there."""
    page.wait_for_load_state("load")
    page.keyboard.press(key)


def studies_of(url: str, token: str) -> list[dict[str, Any]]:
    """What a search under the patient finds."""
    answer = httpx.get(f"{url}/dicom-web/studies", params={"PatientID": "HX-204"}, headers=bearer(token))
    found: list[dict[str, Any]] = answer.json() if answer.content else []
    return found


def test_two_photographs_are_identified_by_keyboard_alone(chromium: Browser, site: tuple[Bank, str]) -> None:
    bank, url = site
    with technologist(chromium, site) as page:
        upload(bank, url, *PHOTOS)
        page.goto(f"{url}/queue")
        for name in PHOTOS:
            expect(page.locator(".look .over")).to_contain_text(name)
            press(page, "/")
            page.keyboard.type("haddad am")
            press(page, "Enter")
            expect(page.get_by_role("radio", name="Haddad, Amina")).to_be_visible()
            press(page, "Enter")
            expect(page.get_by_label("Taken", exact=True)).to_be_focused()
            press(page, "Enter")
            expect(page.locator(".look .over")).to_contain_text(name)
            # The arrow opens the choice, Enter takes it, and the next one goes on to what is missing still.
            for key in ("ArrowDown", "Enter", "Enter"):
                press(page, key)
            expect(page.locator(".look .over")).to_contain_text(name)
            expect(page.get_by_role("radio", name="Haddad, Amina")).to_be_focused()
            press(page, "1")
            press(page, "Enter")
            expect(page.get_by_text("Filed under Haddad, Amina.")).to_be_visible()
        expect(page.get_by_text("has its patient.")).to_be_visible()
        address = page.url
    token = a_token(bank, Role.TECHNOLOGIST, organization="north", name="finder")
    found = studies_of(url, token)
    files = [httpx.get(f"{url}{object_of(bank, one)}/file", headers=bearer(token)).content for one in found]
    sent = [(sample_data() / "non-dicom/jpeg" / name).read_bytes() for name in PHOTOS]
    decided = [one for one in bank.index.events(Scope(organizations=None)) if one.act is Act.DECIDED]

    assert len(found) == 2
    assert sorted(files) == sorted(sent)
    assert [(one.principal, one.detail) for one in decided[:2]] == [("tess", "queue: unidentified identified")] * 2
    assert "HX-204" not in address
    assert "Haddad" not in address
    other = a_token(bank, Role.TECHNOLOGIST, organization="south", name="elsewhere")
    assert studies_of(url, other) == []
    assert httpx.get(f"{url}/api/v1/queue?state=settled", headers=bearer(other)).json()["tasks"] == []


def object_of(bank: Bank, found: dict[str, Any]) -> str:
    from imagebank.model.imaging import Selection  # noqa: PLC0415 - beside its only use
    from imagebank.model.uid import Uid  # noqa: PLC0415 - the same

    study = Uid(found["0020000D"]["Value"][0])
    (one,) = bank.index.instances(Selection(study), Scope(organizations=None))
    return f"/studies/{one.study}/series/{one.series}/instances/{one.uid}"


def test_keys_move_put_off_take_back_and_can_be_switched_off(chromium: Browser, site: tuple[Bank, str]) -> None:
    bank, url = site
    for number in range(3):
        keep(
            bank, a_file(PatientID="", StudyDescription=f"Study {number}"), source=replace(SOURCE, organization="north")
        )
    with technologist(chromium, site) as page:
        page.goto(f"{url}/queue")
        current = page.locator("nav [data-row][aria-current=true]")
        expect(current).to_contain_text("Study 0")
        press(page, "j")
        expect(current).to_contain_text("Study 1")
        press(page, "k")
        expect(current).to_contain_text("Study 0")
        press(page, "p")
        expect(page.get_by_text("Put off until later.")).to_be_visible()
        expect(current).to_contain_text("Study 1")
        press(page, "u")
        expect(page.locator("nav [data-row]")).to_have_count(3)
        press(page, "x")
        expect(page.get_by_label("Why it is laid aside")).to_be_focused()
        press(page, "Escape")
        page.locator("h2").first.click()
        press(page, "?")
        expect(page.get_by_text("confirm what is chosen, and go on")).to_be_visible()
        page.get_by_label("Single keys act").uncheck()
        page.get_by_role("button", name="Close").click()
        press(page, "p")
        expect(page.locator("nav [data-row]")).to_have_count(3)


def test_the_page_reads_well_on_a_desk_and_a_phone(chromium: Browser, site: tuple[Bank, str]) -> None:
    bank, url = site
    with technologist(chromium, site) as page:
        page.goto(f"{url}/queue")
        assert faults(page) == []
        hear(bank, PatientId("north", "L-1"), LONG)
        upload(bank, url, PHOTOS[0])
        page.goto(f"{url}/queue")
        press(page, "/")
        page.keyboard.type("monty"[:4])
        press(page, "Enter")
        expect(page.get_by_role("radio", name="Montgomery")).to_be_visible()
        assert faults(page) == []
        for issuer, name in (("north", "Varga^Ada"), ("north", "Varga^Piroska")):
            number = str(len(name))
            keep(bank, a_file(PatientID=number), source=replace(SOURCE, organization=issuer))
            hear(bank, PatientId(issuer, number), name)
        page.goto(f"{url}/queue?kind=same-person")
        expect(page.get_by_role("heading", name="Are they one person?")).to_be_visible()
        assert faults(page) == []


def test_without_script_forms_do_the_same(chromium: Browser, site: tuple[Bank, str]) -> None:
    bank, url = site
    keep(bank, a_file(PatientID="", StudyDescription="Plain"), source=replace(SOURCE, organization="north"))
    with technologist(chromium, site, script=False) as page:
        page.goto(f"{url}/queue")
        page.get_by_label("Patient ID or name").fill("HX-204")
        page.get_by_role("button", name="Find").click()
        page.get_by_text("Haddad, Amina · HX-204").click()
        page.get_by_role("button", name="Confirm, next").click()
        expect(page.get_by_text("Filed under Haddad, Amina.")).to_be_visible()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_role("button", name="Confirm, next")).to_be_visible()

    assert json.loads(json.dumps(studies_of(url, a_token(bank, organization="north")))) == []
