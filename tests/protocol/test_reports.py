"""Reports that came by HL7: with their study, for whoever may see that, by REST and on its page."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from bank import keep, open_test_bank
from hl7 import Client, calling, code, oru, pid
from imagebank.actions import access, shred
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.cli.console import operator
from imagebank.hl7.listener import start
from imagebank.model.access import Role, Scope
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from make import a_file
from unit.portal.browsing import Browser

STUDY, OTHER = Uid("1.2.3.4"), Uid("1.2.3.5")
PDF = b"%PDF-1.4\n%%EOF\n"
ED = f"OBX|2|ED|PDF^Report as PDF||^application^pdf^Base64^{base64.b64encode(PDF).decode()}"
PATH = f"/api/v1/studies/{STUDY}/reports"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        keep(opened, a_file(StudyInstanceUID=STUDY, PatientID="P1", AccessionNumber="A1"))
        keep(opened, a_file(StudyInstanceUID=OTHER, PatientID="P2", AccessionNumber="A2"))
        yield opened


@pytest.fixture
def ris(bank: Bank) -> Iterator[Client]:
    server = start(bank, "127.0.0.1", 0)
    with calling(server.port) as client:
        yield client
    server.stop(5)


def browsing(bank: Bank, role: Role = Role.CLINICIAN, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, role, organization)
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def test_every_version_is_kept_and_the_newest_comes_first(bank: Bank, ris: Client) -> None:
    first = oru("OBX|1|TX|I^Impression||No bleeding.", status="P")
    final = oru("OBX|1|TX|I^Impression||Small bleeding.\\.br\\Call ward.~Line 3", "OBX|2|TX|I^Impression||Line 4", ED,
                status="F", at="20260301140000")  # fmt: skip
    answers = [code(ris.send(one)) for one in (final, first, oru("OBX|1|NM|D^Dose||5|mGy", filler="R2"))]
    told = browsing(bank).get(PATH).json()["reports"]

    assert answers == ["AA"] * 3
    assert [(one["number"], one["status"]) for one in told] == [
        ("R1", "final"), ("R2", "final"), ("R1", "preliminary"),
    ]  # fmt: skip
    assert told[0]["title"] == "CT head"
    assert told[0]["parts"][0] == {
        "part": 0, "type": "text/plain", "title": "Impression", "bytes": 45,
        "text": "Small bleeding.\nCall ward.\nLine 3\nLine 4",
    } | {"bytes": len("Small bleeding.\nCall ward.\nLine 3\nLine 4")}  # fmt: skip
    assert told[0]["parts"][1] == {"part": 1, "type": "application/pdf", "title": "Report as PDF", "bytes": len(PDF)}
    assert told[1]["parts"][0]["text"] == "5 mGy"


def test_a_document_is_given_out_as_it_came_and_does_nothing_on_our_pages(bank: Bank, ris: Client) -> None:
    ris.send(oru("OBX|1|TX|I||Words", ED))
    browser = browsing(bank)
    (report,) = browser.get(PATH).json()["reports"]
    document = browser.get(f"{PATH}/{report['report']}/parts/1")
    missing = [
        browser.get(f"{PATH}/{end}").status_code for end in ("1/parts/7", "99/parts/0", "x/parts/0", "1/parts/²")
    ]

    assert document.content == PDF
    assert document.headers["content-type"] == "application/pdf"
    assert document.headers["content-disposition"].startswith("attachment")
    assert document.headers["content-security-policy"] == "sandbox"
    assert browser.get(f"{PATH}/{report['report']}/parts/0").text == "Words"
    assert missing == [404] * 4


def test_a_report_names_its_study_by_uid_too(bank: Bank, ris: Client) -> None:
    ris.send(
        oru("OBX|1|HD|113014^DICOM Study^DCM||1.2.3.5", "OBX|2|TX|I||By its UID.", accession="", patient=pid("P2"))
    )
    reports = browsing(bank).get(f"/api/v1/studies/{OTHER}/reports").json()["reports"]

    assert [one["parts"][0]["text"] for one in reports] == ["By its UID."]


def test_a_report_of_another_patient_is_never_shown_with_a_study(bank: Bank, ris: Client) -> None:
    answers = [
        code(ris.send(oru(patient=pid("P2"), accession="A1"))),
        code(
            ris.send(oru("OBX|1|HD|113014^DICOM Study^DCM||1.2.3.4", "OBX|2|TX|I||x", patient=pid("P2"), accession=""))
        ),
    ]

    assert answers == ["AA", "AA"]
    assert browsing(bank).get(PATH).json() == {"reports": [], "waiting": []}


def test_whoever_may_not_see_the_study_gets_no_report(bank: Bank, ris: Client) -> None:
    ris.send(oru())
    stranger = browsing(bank, organization="south")
    nobody = Browser(web_application(bank))
    answers = [
        stranger.get(PATH).status_code,
        stranger.get(f"{PATH}/1/parts/0").status_code,
        stranger.get("/api/v1/studies/9.9.9/reports").status_code,
        nobody.get(PATH).status_code,
    ]

    assert answers == [404, 404, 404, 401]
    assert stranger.get(PATH).text == stranger.get("/api/v1/studies/9.9.9/reports").text


def test_the_page_of_a_study_shows_its_reports_as_text(bank: Bank, ris: Client) -> None:
    ris.send(oru("OBX|1|TX|I^Impression||<b>Was</b> preliminary.", status="P"))
    ris.send(oru("OBX|1|TX|I^Impression||<script>alert(1)</script>Final word.", ED, at="20260301150000"))
    page = browsing(bank).get(f"/studies/{STUDY}").text
    without = browsing(bank).get(f"/studies/{OTHER}").text

    assert "&lt;script&gt;alert(1)&lt;/script&gt;Final word." in page
    assert page.index("Final word.") < page.index("1 earlier version") < page.index("preliminary.")
    assert f'href="{PATH}/2/parts/1"' in page
    assert "report" not in without.partition("<main")[2].lower()


def test_a_look_at_a_report_stands_in_the_ledger(bank: Bank, ris: Client) -> None:
    ris.send(oru())
    browsing(bank).get(PATH)

    details = [(one.detail, one.study) for one in bank.index.events(Scope(None))]
    assert ("report", STUDY) in details
    assert ("report: stored", None) in details


def test_shredding_an_account_leaves_nothing_of_its_messages_reports_and_orders(bank: Bank, ris: Client) -> None:
    ris.send(oru("OBX|1|TX|I||Kneescan Lovelace", patient=pid("P1", "Lovelace^Ada")))
    ris.send(oru("OBX|1|TX|I||Babbage stays", patient=pid("P2"), accession="A2"))
    shred.shred(bank, PatientId("local", "P1"), operator(bank))

    assert [one.id for one in bank.index.orders.letters()] == [2]
    files = [path.read_bytes() for path in bank.settings.data.rglob("*") if path.is_file()]
    assert not any(b"Lovelace" in content for content in files)
    kept = browsing(bank).get(f"/api/v1/studies/{OTHER}/reports").json()["reports"]
    assert kept[0]["parts"][0]["text"] == "Babbage stays"
