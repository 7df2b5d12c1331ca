"""The page on which the owner of an account closes it."""

from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import account, enrol, persons
from imagebank.actions.enrol import Wanted
from imagebank.app import web_application
from imagebank.http.auth import COOKIE
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from make import a_file
from unit.actions.people_here import PASSWORD, after
from unit.portal.browsing import Browser, hidden_field

DESK = Principal("desk", Role.TECHNOLOGIST, "local", RIGHTS[Role.TECHNOLOGIST], Scope.of("local"))
ADA = PatientId("local", "ADA")

pytestmark = pytest.mark.usefixtures("quick_hashes")


def test_an_account_is_closed_after_a_fresh_proof_and_a_tick(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, retention_years=7) as bank:
        keep(bank, a_file(StudyInstanceUID="1.1", PatientID="ADA"), source=SOURCE)
        persons.hear(bank, Identity(ADA, PersonName("Haddad^Amina")))
        sheet = enrol.enrol(bank, Wanted(ADA), DESK)
        browsers = [Browser(web_application(one)) for one in (bank, after(bank, minutes=20))]
        cookie = account.activate(bank, enrol.checked(bank, sheet.account, sheet.secret), PASSWORD)
        for browser in browsers:
            browser.cookies.set(COOKIE, cookie, domain="bank.example")
        mine, late = browsers

        assert late.get("/my/close").headers["location"] == "/account/prove?then=%2Fmy%2Fclose"
        assert "/my/close" in mine.get("/account").text
        page = mine.get("/my/close")
        assert "keep them for 7 years" in page.text
        form = {"csrf": hidden_field(page, "csrf"), "erase": "yes"}
        unsure = mine.post("/my/close", form)
        assert (unsure.status_code, "tick that you want this" in unsure.text.lower()) == (400, True)

        done = mine.post("/my/close", {**form, "sure": "yes"})

        assert done.headers["location"] == "/closed"
        assert "Your account is closed" in mine.get("/closed").text
        assert mine.post("/my/close", {**form, "sure": "yes"}).headers["location"] == "/sign-in"
        staff = Browser(web_application(bank))
        staff.cookies.set(COOKIE, account.activate(bank, account.add(bank, "anna", Role.TECHNOLOGIST), PASSWORD))
        assert "Erase images" in staff.get("/desk/requests").text
        assert staff.get("/my/close").status_code == 403
