"""`/api/v1/studies/{study}/priors`: the earlier studies that are worth comparing, for programs."""

from pathlib import Path

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import orders
from imagebank.app import web_application
from imagebank.model.access import Role
from imagebank.model.order import Code, Order, Ordered, Patient
from imagebank.model.person import PatientId
from make import a_file
from unit.portal.browsing import Browser


def test_it_tells_priors_with_reasons_best_first(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        for study, day, description in (("1.1", "20260115", "CT HEAD WO"), ("1.2", "20260101", "CT HEAD W/O")):
            about = {"StudyInstanceUID": study, "StudyDate": day, "StudyDescription": description}
            keep(bank, a_file(PatientID="ADA", PatientName="Lovelace^Ada", BodyPartExamined="", **about))
        browser, token = Browser(web_application(bank)), a_token(bank, Role.CLINICIAN)
        found = browser.get("/api/v1/studies/1.1/priors", bearer(token))
        path = "/api/v1/studies/1.1/priors?{}"
        wrong = [browser.get(path.format(query), bearer(token)) for query in ("limit=0", "limit=x", "limit=51", "by=1")]
        lost = browser.get("/api/v1/studies/1.9/priors", bearer(token))

    (prior,) = found.json()["priors"]
    assert (found.status_code, found.headers["cache-control"]) == (200, "no-store")
    assert found.json()["exam"]["regions"] == ["HEAD"]
    assert (prior["study"], prior["date"], prior["description"], prior["modalities"]) == (
        "1.2",
        "2026-01-01",
        "CT HEAD W/O",
        ["CT"],
    )
    assert prior["reasons"] == ["same region", "same modality", "same contrast", "14 days older"]
    assert 0 < prior["score"] < prior["factors"]["region"] == 1
    assert [one.status_code for one in wrong] == [400] * 4
    assert lost.status_code == 404


def test_an_order_is_named_by_its_number_with_whatever_signs_are_in_it(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        about = {"StudyInstanceUID": "1.1", "StudyDate": "20260115", "StudyDescription": "CT HEAD"}
        keep(bank, a_file(PatientID="ADA", PatientName="Lovelace^Ada", BodyPartExamined="", **about))
        ordered = Ordered(Code("", "CT HEAD WO", ""))
        ada = Patient(PatientId("local", "ADA"))
        orders.hear(bank, [Order("local", ada, bank.now(), placer="2026/1 a", modality="CT", ordered=ordered)], "RIS")
        browser, token = Browser(web_application(bank)), a_token(bank, Role.CLINICIAN)
        found = browser.get("/api/v1/orders/2026%2F1%20a/priors", bearer(token))
        lost = browser.get("/api/v1/orders/2026%2F2/priors", bearer(token))

    assert [one["study"] for one in found.json()["priors"]] == ["1.1"]
    assert (found.json()["exam"]["regions"], lost.status_code) == (["HEAD"], 404)
