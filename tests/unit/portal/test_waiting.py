"""What waits, on pages and at every edge: to its person it is told and not shown, and staff release it by a button."""

import io
import zipfile
from collections.abc import Iterator
from datetime import timedelta

import pytest

import owners
from bank import a_token, bearer, open_test_bank
from cards_here import ADA, a_card, a_claim, holds
from imagebank.actions import access, finding, redeem, releasing
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.fhir import bundle
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role
from unit.portal.browsing import Browser, hidden_field
from waiting_here import DELAYS, LETTER, STUDY, WHY, fill

EDGES = {
    "REST": f"/api/v1/studies/{STUDY}/reports",
    "words": "/api/v1/search?q=carcinoma",
    "QIDO series": f"/dicom-web/studies/{STUDY}/series",
    "QIDO objects": f"/dicom-web/studies/{STUDY}/instances",
    "WADO metadata": f"/dicom-web/studies/{STUDY}/metadata",
    "WADO series": f"/dicom-web/studies/{STUDY}/series/{LETTER}/metadata",
    "reports by FHIR": "/fhir/DiagnosticReport?patient.identifier=north|ADA",
    "documents by FHIR": "/fhir/DocumentReference?patient.identifier=north|ADA",
    "images by FHIR": "/fhir/ImagingStudy?patient.identifier=north|ADA",
    "study page": f"/studies/{STUDY}",
}
SAID = ("carcinoma", "Biopsy", "Adenocarcinoma", str(LETTER))


pytestmark = pytest.mark.usefixtures("quick_hashes")


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with open_test_bank(tmp_path_factory.mktemp("waiting"), organization="north", report_delays=DELAYS) as opened:
        fill(opened)
        finding.write(opened, STUDY)
        holds(opened, ADA)
        yield opened


def token(bank: Bank, role: Role) -> str:
    return a_token(bank, role, organization="north", name="ada" if role is Role.PATIENT else f"Dr {role}")


def signed_in(bank: Bank, role: Role) -> Browser:
    browser = Browser(web_application(bank))
    browser.cookies.set(COOKIE, access.sign_in_by_token(bank, token(bank, role)), domain="bank.example")
    return browser


@pytest.fixture(scope="module")
def patient(bank: Bank) -> Browser:
    return signed_in(bank, Role.PATIENT)


@pytest.fixture(scope="module")
def staff(bank: Bank) -> Browser:
    return signed_in(bank, Role.CLINICIAN)


@pytest.fixture(scope="module")
def by_card(bank: Bank) -> str:
    """The token of who has redeemed a card for all of it."""
    return redeem.for_program(bank, a_claim(a_card(bank))).secret


def test_a_card_and_a_health_link_carry_nothing_of_it(bank: Bank, by_card: str) -> None:
    browser, who = Browser(web_application(bank)), access.bearer(bank, by_card)
    assert who is not None
    carried = [browser.get(path, bearer(by_card)) for name, path in EDGES.items() if "page" not in name]
    linked = [bundle.collection(bank, one, "http://bank.example", "", "token") for one in (who, owners.DOCTOR)]

    assert {one.status_code for one in carried} <= {200, 404}
    assert [word for word in SAID for one in carried if word in one.text] == []
    assert [[word for word in SAID if word in repr(one)] != [] for one in linked] == [False, True]


@pytest.mark.parametrize("edge", EDGES)
def test_no_edge_says_to_its_person_what_a_report_says(patient: Browser, staff: Browser, edge: str) -> None:
    hidden, shown = (each.get(EDGES[edge]) for each in (patient, staff))

    assert [word for word in SAID if word in hidden.text] == []
    assert [word for word in SAID if word in shown.text]


def test_nothing_of_it_is_taken_along(bank: Bank) -> None:
    names = {}
    for role in (Role.PATIENT, Role.CLINICIAN):
        answer = Browser(web_application(bank)).get(
            f"/api/v1/export?study={STUDY}&format=zip", bearer(token(bank, role))
        )
        assert answer.status_code == 200, answer.text
        names[role] = {*zipfile.ZipFile(io.BytesIO(answer.content)).namelist()}

    missing = names[Role.CLINICIAN] - names[Role.PATIENT]

    assert {"DICOM/ST000001/SE000002/IM000001", "IHE_PDI/D0000001.PDF", "IHE_PDI/R0000100.TXT"} <= missing
    assert "DICOM/ST000001/SE000001/IM000001" in names[Role.PATIENT]


def test_its_person_is_told_when_and_why(bank: Bank, patient: Browser) -> None:
    (until, *_) = [one.until for one in releasing.of_study(bank, owners.DOCTOR, STUDY)]
    told = patient.get(EDGES["REST"]).json()

    for page in (patient.get(f"/studies/{STUDY}").text, patient.get("/my").text):
        assert "2 reports of <bdi>north</bdi> will be here from " in page
        assert WHY in page
        assert f"{until + timedelta(minutes=1):%H:%M} UTC" in page
        assert "/release" not in page
    assert (told["reports"], told["waiting"][0]) == (
        [],
        {"organization": "north", "until": until.isoformat(), "reason": WHY},
    )
    assert patient.get(f"/api/v1/studies/{STUDY}/timeline").json()["waiting"][0]["study"] == STUDY


def test_what_headers_of_it_name_is_no_facet_for_its_person(patient: Browser, staff: Browser) -> None:
    found = [
        browser.get(f"/api/v1/search?q={text}").json() for browser in (patient, staff) for text in ("", "carcinoma")
    ]

    assert [one["total"] for one in found] == [1, 0, 1, 1]
    assert ["Pathology" in repr(one["facets"]) for one in found] == [False, False, True, True]


def test_staff_let_it_be_read_now(bank: Bank, patient: Browser, staff: Browser) -> None:
    shown = staff.get(f"/studies/{STUDY}")
    answer = staff.post(f"/studies/{STUDY}/release", {"csrf": hidden_field(shown, "csrf")})

    assert "2 reports of <bdi>north</bdi>: for the patient to read from " in shown.text
    assert (answer.status_code, answer.headers["location"]) == (303, f"/studies/{STUDY}#reports")
    assert "a carcinoma" in patient.get(f"/studies/{STUDY}").text
    assert "will be here from" not in patient.get("/my").text
    assert "let you read a report at once" in patient.get("/my/statement").text
    again = Browser(web_application(bank)).ask(
        "POST", f"/api/v1/studies/{STUDY}/reports/release", bearer(token(bank, Role.CLINICIAN))
    )
    assert again.json() == {"released": 0}
