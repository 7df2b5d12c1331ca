"""`/api/v1/…/dose`: what a study, and all of a person, took of radiation, for programs."""

from pathlib import Path

from bank import a_token, bearer, keep, open_test_bank
from imagebank.actions import finding, persons
from imagebank.app import web_application
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from make import a_file, as_file
from make_dose import a_ct_report
from unit.portal.browsing import Browser


def test_it_tells_readings_and_doses_with_their_sources_and_shares(tmp_path: Path) -> None:
    about = {"PatientID": "ADA", "StudyDescription": "CT CHEST", "BodyPartExamined": "CHEST", "StudyDate": "20260115"}
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(StudyInstanceUID="1.1", **about), as_file(a_ct_report(400, StudyInstanceUID="1.1", **about)))
        keep(bank, a_file(StudyInstanceUID="1.2", **about))
        finding.write(bank, Uid("1.1"))
        ada = PatientId("local", "ADA")
        persons.hear(bank, Identity(ada, PersonName("Lovelace^Ada"), "19151210"))
        known = bank.index.persons.identity(ada, Scope(None))
        assert known is not None
        browser, token = Browser(web_application(bank)), a_token(bank, Role.CLINICIAN)
        one = browser.get("/api/v1/studies/1.1/dose", bearer(token))
        every = browser.get(f"/api/v1/patients/{known.person}/dose", bearer(token))
        wrong = browser.get("/api/v1/studies/1.1/dose?by=year", bearer(token))
        lost = [
            browser.get(path, bearer(token)).status_code
            for path in ("/api/v1/studies/1.9/dose", f"/api/v1/patients/{'0' * 32}/dose")
        ]

    assert (one.status_code, one.headers["cache-control"], wrong.status_code, lost) == (
        200,
        "no-store",
        400,
        [404, 404],
    )
    assert one.json()["dose"] == {
        "effective_dose_msv": 5.6,
        "method": "dose_length_product",
        "is_measured": True,
        "is_for_child": False,
        "sources": ["AAPM Report 96 (2008), table 3"],
    }
    (reading,) = one.json()["readings"]
    assert (reading["value"], reading["unit"], reading["basis"]) == (400, "mGy·cm", "report")
    total = every.json()["total"]
    assert (total["exams"], total["effective_dose_msv"], total["estimated_share"]) == (2, 12.6, 0.556)
    assert [one["name"] for one in every.json()["by_modality"]] == ["CT"]
    assert every.json()["of_what_may_be_seen"] is True
