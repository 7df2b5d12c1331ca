"""`/api/v1/…/timeline`: the same of a person for programs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import completeness, orders, persons, reports
from imagebank.app import web_application
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.report import Body, Part, Report
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import Browser

ADA = PatientId("local", "ADA")


def test_it_tells_studies_reports_orders_and_records(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="ADA", StudyInstanceUID="1.1", StudyDate="20240301", BodyPartExamined="KNEE"))
        before = ask(Browser(web_application(bank)), a_token(bank, Role.CLINICIAN), "/api/v1/studies/1.1/timeline")
        persons.hear(bank, Identity(ADA, PersonName.parse("Lovelace^Ada"), "18151210", "F"))
        completeness.judge(bank, Uid("1.1"))
        report = Report("local", ADA, bank.now(), "F", "R1", study=Uid("1.1"))
        reports.keep(bank, report, Body("", "", (Part("text/plain", b"x"),)), "RIS")
        asked = Order("local", Patient(ADA), bank.now(), State.SCHEDULED, "P7", scheduled_at="20270105", modality="MR")
        orders.hear(bank, [replace(asked, ordered=Ordered(Code("", "MR knee")))], "RIS")
        person = persons.shown(bank, ADA, Scope(None)).person
        browser, token = Browser(web_application(bank)), a_token(bank, Role.CLINICIAN)
        found = ask(browser, token, f"/api/v1/patients/{person}/timeline")
        lost = browser.get("/api/v1/patients/x/timeline", bearer(token))

    (study,) = found["studies"]
    assert (before["person"], before["records"]) == (None, [])
    assert found["person"] == person
    assert [(one["identifier"], one["birth_date"], one["heard_by"]) for one in found["records"]] == [
        ("ADA", "18151210", "dicom")
    ]
    assert (study["study"], study["date"], study["kind"], study["regions"]) == (
        "1.1",
        "20240301",
        "images",
        ["hip, leg"],
    )
    assert (study["patient_id"], study["instances"], study["modalities"]) == ("ADA", 1, ["CT"])
    assert [(one["number"], one["status"]) for one in study["reports"]] == [("R1", "final")]
    assert study["completeness"]["progress"] == "arriving"
    assert [(one["number"], one["procedure"], one["scheduled_at"]) for one in found["orders"]] == [
        ("P7", "MR knee", "20270105")
    ]
    assert (lost.status_code, lost.json()["error"]) == (404, "NotFound")


def ask(browser: Browser, token: str, path: str) -> dict[str, Any]:
    answer = browser.get(path, bearer(token))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found: dict[str, Any] = answer.json()
    return found


def test_it_comes_in_pages_with_the_address_of_the_next(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        for number in range(1, 6):
            keep(bank, a_file(PatientID="ADA", StudyInstanceUID=f"1.{number}", StudyDate=f"202{number}0101"))
        browser, token = Browser(web_application(bank)), a_token(bank, Role.CLINICIAN)
        address: str | None = "/api/v1/studies/1.1/timeline?limit=2"
        pages: list[list[str]] = []
        while address is not None and len(pages) < 9:
            found = ask(browser, token, address)
            pages.append([one["study"] for one in found["studies"]])
            address = found["next"]
        whole = ask(browser, token, "/api/v1/studies/1.1/timeline")
        wrong = [
            browser.get(f"/api/v1/studies/1.1/timeline?{query}", bearer(token)).status_code
            for query in ("limit=0", "limit=x", "limit=501", "before=x", "before=1.9", "page=2")
        ]

    assert pages == [["1.5", "1.4"], ["1.3", "1.2"], ["1.1"]]
    assert (len(whole["studies"]), whole["next"]) == (5, None)
    assert wrong == [400] * 6
