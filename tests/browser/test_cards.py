"""A card in a fresh browser: number and PIN typed, images seen in the viewer by frames alone, and dark when it is frozen."""

from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from browser.judging import AS_IT_IS, DESK, PHONE, faults
from browser.viewing import eye, person
from samples import sample_data

pytestmark = pytest.mark.browser


def test_a_card_is_redeemed_on_a_phone_and_goes_dark_when_it_is_frozen(chromium: Browser, running_bank: Any) -> None:
    running_bank.import_paths([sample_data() / "ct-head-current"])
    with running_bank.http(running_bank.token()) as desk, person(chromium) as doctor:
        (study,) = [
            one["0020000D"]["Value"][0]
            for one in desk.get("/dicom-web/studies").json()
            if "CT" in one["00080061"]["Value"]
        ][:1]
        card = desk.post("/api/v1/cards", json={"studies": [study], "taking": False, "uses": 1}).json()
        with eye(doctor, running_bank.url) as looking:
            page = looking.page
            page.set_viewport_size(PHONE)
            page.goto(running_bank.url + "/redeem")
            assert faults(page, [AS_IT_IS]) == []
            number = page.get_by_label("Card number")
            right = card["number"].replace(" ", "")
            number.press_sequentially(("1" if right[0] == "0" else "0") + right[1:])
            expect(page.get_by_role("status")).to_contain_text("No try was used")
            number.fill(card["number"].lower())
            expect(page.get_by_role("status")).to_have_text("The number is typed right.")
            page.get_by_role("textbox", name="PIN").fill("0000")
            page.get_by_label("Your name").fill("Dr Chidi Okafor")
            page.get_by_label("Clinic or hospital").fill("Quay Street Clinic")
            page.get_by_role("textbox", name="PIN").press("Enter")
            expect(page.get_by_role("alert")).to_contain_text("do not open anything")
            assert faults(page, [AS_IT_IS]) == []
            page.get_by_role("textbox", name="PIN").fill(card["pin"])
            page.get_by_role("button", name="Open the images").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Images that a patient shows you")
            assert page.url == running_bank.url + "/shared"
            assert faults(page, [AS_IT_IS]) == []

            page.set_viewport_size(DESK)
            page.get_by_role("link", name="Open in the viewer").click()
            looking.wait_until_lit()
            bar = page.get_by_role("region", name="Shared by Imagebank until")
            expect(bar.get_by_role("link", name="All that is shown to you")).to_have_attribute("href", "/shared")
            assert looking.refusals() == []
            desk.post(f"/api/v1/cards/{card['id']}/freeze")
            page.wait_for_url("**/viewer/closed.html")
            page.goto(running_bank.url + "/shared")
            expect(page.get_by_role("heading", level=1)).to_have_text("This access has ended")
            assert faults(page, [AS_IT_IS]) == []
