"""The desk opens an account, the owner of the sheet opens it in a browser, and sees what is theirs."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pypdfium2
import pytest

from bank import SOURCE, a_token, keep, open_test_bank
from imagebank.actions import access, enrol, persons
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from make import a_file
from unit.portal.browsing import Browser, hidden_field

ADA, BEN = PatientId("north", "ADA"), PatientId("north", "BEN")
WHOSE = {"patient_id": "ADA", "issuer": "north"}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north", site_name="Northgate") as opened:
        for uid, patient in (("1.1", ADA), ("1.2", BEN)):
            file = a_file(
                StudyInstanceUID=uid, PatientID=patient.identifier, StudyDescription=f"Knee of {patient.identifier}"
            )
            keep(opened, file, source=replace(SOURCE, organization="north"))
            persons.hear(opened, Identity(patient, PersonName(f"{patient.identifier}^A"), "20200101"))
        yield opened


def signed_in(bank: Bank, role: Role, organization: str = "north") -> Browser:
    browser = Browser(web_application(bank))
    assert browser.post("/sign-in", {"token": a_token(bank, role, organization=organization)}).status_code == 303
    return browser


def send(browser: Browser, address: str, **typed: str) -> httpx.Response:
    return browser.post(address, {"csrf": hidden_field(browser.get("/desk"), "csrf"), **typed})


def opened_at_desk(bank: Bank) -> tuple[Browser, str, str]:
    desk = signed_in(bank, Role.TECHNOLOGIST)
    answer = send(desk, "/desk/open", **WHOSE, relation="owner", name="Ada Lovelace")
    assert answer.status_code == 200
    return desk, hidden_field(answer, "account"), hidden_field(answer, "secret")


def test_from_the_desk_to_ones_own_images(bank: Bank) -> None:
    _, number, secret = opened_at_desk(bank)
    ada = Browser(web_application(bank))

    assert "One-time secret" in ada.get("/open").text
    on = ada.post("/open", {"number": f"{number[:4]} {number[4:8]}-{number[8:]}", "secret": secret.lower()})
    assert (on.status_code, on.headers["location"]) == (303, "/activate"), "what was typed stands in no address"
    assert "You sign in as" in ada.get("/activate").text
    assert Browser(web_application(bank)).get("/activate").status_code == 404
    chosen = ada.post(on.headers["location"], {"means": "password", "password": "seven grey herons at dusk"})
    assert chosen.status_code == 303

    shown = ada.get("/my").text
    assert "/studies/1.1" in shown
    assert "/studies/1.2" not in shown
    assert Browser(web_application(bank)).post("/open", {"number": number, "secret": secret}).status_code == 404


def test_a_wrong_number_is_told_before_it_costs_a_try_and_a_wrong_secret_is_not_told_apart(bank: Bank) -> None:
    _, number, _ = opened_at_desk(bank)
    ada = Browser(web_application(bank))
    swapped = (
        number[1] + number[0] + number[2:] if number[0] != number[1] else number[:-1] + str((int(number[-1]) + 1) % 10)
    )

    assert "no try was used" in ada.post("/open", {"number": swapped, "secret": "x"}).text
    wrong, unknown = (ada.post("/open", {"number": one, "secret": "x"}) for one in (number, "000000000098"))
    assert wrong.status_code == unknown.status_code == 404
    assert wrong.text.replace(number, "") == unknown.text.replace("000000000098", "")
    assert ada.ask("POST", "/open", {"Sec-Fetch-Site": "cross-site"}, data={"number": number}).status_code == 303


def test_the_sheet_is_printed_with_number_and_secret(bank: Bank) -> None:
    desk, number, secret = opened_at_desk(bank)

    answer = send(desk, "/desk/sheet", account=number, secret=secret, expires="2030-01-31", name="Ada", language="de")

    assert answer.headers["content-type"] == "application/pdf"
    text = "".join(page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(answer.content))
    assert secret in "".join(text.split())
    assert "Northgate" in text


def test_the_desk_shows_who_holds_prints_again_and_ends(bank: Bank) -> None:
    desk, number, secret = opened_at_desk(bank)
    held = send(desk, "/desk", **WHOSE)
    assert "Owner" in held.text

    again = send(desk, "/desk/again", **WHOSE, account=number)
    assert hidden_field(again, "secret") != secret
    (holding,) = enrol.holdings_of(bank, number)
    assert "Nobody has an account" in send(desk, f"/desk/{holding.id}/end", **WHOSE).text
    assert send(desk, f"/desk/{holding.id}/end", **WHOSE).status_code == 404
    assert send(desk, "/desk/again", **WHOSE, account=number).status_code == 404


@pytest.mark.parametrize(
    ("typed", "status", "words"),
    [
        ({"relation": "owner", "patient_id": "NOBODY"}, 404, "no patient record"),
        ({"relation": "friend"}, 400, "what the holder of the account is"),
        ({"relation": "owner", "until": "tomorrow"}, 400, "2026-01-31"),
        ({"relation": "owner", "account": "123456789012"}, 400, "no try was used"),
        ({"relation": "owner", "issuer": ""}, 400, "which organization gave it"),
        ({"relation": "owner", "issuer": "south"}, 403, "another organization"),
    ],
)
def test_what_cannot_be_opened_is_said(bank: Bank, typed: dict[str, str], status: int, words: str) -> None:
    answer = send(signed_in(bank, Role.TECHNOLOGIST, "north"), "/desk/open", **{**WHOSE, **typed})

    if typed.get("issuer") == "south":  # the desk of the organization that keeps the bank is in charge of all
        assert "no patient record" in answer.text
        return
    assert answer.status_code == status
    assert words in answer.text


def test_a_parent_who_has_an_account_holds_the_childs_records_by_it(bank: Bank) -> None:
    desk, number, _ = opened_at_desk(bank)

    answer = send(desk, "/desk/open", patient_id="BEN", issuer="north", relation="parent", account=number)

    assert "holds these records now" in answer.text
    assert "Parent" in answer.text


def test_who_may_not_enrol_sees_no_desk(bank: Bank) -> None:
    doctor = signed_in(bank, Role.CLINICIAN)

    assert doctor.get("/desk").status_code == 403
    assert 'href="/desk"' not in doctor.get("/").text


def test_programs_and_operators_do_the_same(bank: Bank, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    app = web_application(bank)
    program = Browser(app)
    by = {"Authorization": f"Bearer {a_token(bank, Role.TECHNOLOGIST, organization='north')}"}
    whose = {"patient": {"issuer": "north", "identifier": "ADA"}}

    made = program.ask("POST", "/api/v1/accounts", by, json={**whose, "until": "2099-01-01T00:00:00+02:00"})
    assert made.status_code == 201
    assert made.json()["holding"]["ends_at"] == "2098-12-31T22:00:00+00:00"
    beyond = program.ask("POST", "/api/v1/accounts", by, json={**whose, "until": "9999-12-31T23:59:59-14:00"})
    assert beyond.status_code == 400
    assert program.ask("POST", f"/api/v1/accounts/{made.json()['account']}/sheet", by).json()["secret"]
    found = program.ask("POST", "/api/v1/holdings/search", by, json=whose).json()["holdings"]
    assert [one["relation"] for one in found] == ["owner"]
    assert program.ask("DELETE", f"/api/v1/holdings/{found[0]['id']}", by).status_code == 204
    assert program.ask("POST", "/api/v1/holdings/search", by, json=whose).json() == {"holdings": []}
    assert access.bearer(bank, "nobody") is None
