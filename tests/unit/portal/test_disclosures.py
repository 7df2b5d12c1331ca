"""The accounting of disclosures as a page, a table for spreadsheets and a document."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank, serving
from imagebank.actions import access
from imagebank.actions.disclosure import Accounting, Disclosure
from imagebank.http.auth import COOKIE
from imagebank.model.access import Purpose, Role
from imagebank.model.event import Act, Event
from imagebank.model.person import PatientId
from imagebank.portal import accounting
from imagebank.portal.layout import csrf_token
from make import a_file, read
from running import imagebank

ADA = PatientId("north", "ADA")
TO_DEVICE = "C-MOVE to WS1 at 10.0.0.9 of east"
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
ONE = Disclosure(
    AT, "Dr Varga", "south", "10.0.0.5", "1.2.3", "20260102 CT", 3, "WADO-RS", Purpose.RESEARCH, is_exempt=False
)


def made(*disclosures: Disclosure) -> Accounting:
    return Accounting(PatientId("north", "ADA"), AT, AT, AT, disclosures)


def table_of(text: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.decode("utf-8-sig"))))


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(name: str) -> None:
    _, row = table_of(accounting.as_csv(made(replace(ONE, recipient=name, description=name, way=name))))

    assert row[1] == row[5] == row[7] == f"'{name}"
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_the_table_has_a_line_for_each_disclosure() -> None:
    head, *rows = table_of(accounting.as_csv(made(ONE, replace(ONE, purpose=None, is_exempt=True))))

    assert head == list(accounting.COLUMNS)
    assert rows[0] == [
        *("2026-03-01 12:00:00", "Dr Varga", "south", "10.0.0.5", "1.2.3"),
        *("20260102 CT", "3", "WADO-RS", "HRESCH", "no"),
    ]
    assert rows[1][-2:] == ["", "yes"]


@pytest.mark.parametrize("number", [0, 1, 200])
def test_the_document_is_a_pdf_whatever_the_names_are(number: int) -> None:
    written = accounting.as_pdf(made(*[replace(ONE, recipient="<b>Dr & 山田 \x00" + "x" * 200)] * number))

    assert written.startswith(b"%PDF-")
    assert written.rstrip().endswith(b"%%EOF")


@pytest.fixture
def officer(tmp_path: Path) -> Iterator[httpx.Client]:
    """A privacy officer's browser, after Ada's study was sent to a device and a doctor has looked at it."""
    with open_test_bank(tmp_path, organization="north") as bank, serving(bank) as url:
        file = a_file(PatientID="ADA")
        keep(bank, file, source=replace(SOURCE, organization="north"))
        doctor = a_token(bank, Role.CLINICIAN, name="Dr Varga", organization="north")
        study = read(file).StudyInstanceUID
        moved = Event(bank.now(), Act.SENT, "MOVER", "north", "10.0.0.5", study, detail=TO_DEVICE, patient=ADA)
        with bank.index.begin() as tx:
            tx.record([moved])
        httpx.get(f"{url}/dicom-web/studies/{study}", headers=bearer(doctor)).raise_for_status()
        cookie = access.sign_in(bank, access.sign_in_link(bank, Role.PRIVACY_OFFICER, "officer"))
        with httpx.Client(base_url=url, cookies={COOKIE: cookie}, headers={"Origin": url}) as http:
            yield http


def asking(http: httpx.Client, **fields: str) -> httpx.Response:
    form = {"csrf": csrf_token(http.cookies[COOKIE]), "issuer": "north", "patient": "ADA", **fields}
    return http.post("/disclosures", data=form)


def test_the_page_shows_who_was_given_what(officer: httpx.Client) -> None:
    empty, full = officer.get("/disclosures"), asking(officer)

    assert "Disclosures" in empty.text
    assert "Dr Varga" not in empty.text
    assert "Dr Varga" in full.text
    assert ">WS1</td>" in full.text
    assert "C-MOVE, asked for by MOVER" in full.text
    assert "2 Jan 2026, CT, CT head" in full.text
    assert "no-store" in full.headers["cache-control"]
    assert "Nothing was disclosed" in asking(officer, patient="BOB").text
    assert "Nothing was disclosed" in asking(officer, since="2020-01-01", until="2020-12-31").text


def test_the_page_gives_files(officer: httpx.Client) -> None:
    table, document = asking(officer, **{"as": "csv"}), asking(officer, **{"as": "pdf"})

    assert table.headers["content-disposition"] == 'attachment; filename="disclosures.csv"'
    _, device, doctor = table_of(table.content)
    assert doctor[1] == "Dr Varga"
    assert (device[1:4], device[7]) == (["WS1", "east", "10.0.0.9"], "C-MOVE, asked for by MOVER")
    assert document.headers["content-type"] == "application/pdf"
    assert document.content.startswith(b"%PDF-")


def test_the_page_says_what_cannot_be_meant(officer: httpx.Client) -> None:
    for fields in ({"patient": ""}, {"since": "yesterday"}, {"since": "2026-01-02", "until": "2026-01-01"}):
        answer = asking(officer, **fields)

        assert answer.status_code == 422
        assert 'role="alert"' in answer.text


def test_the_page_is_for_privacy_officers_and_takes_no_other_form(officer: httpx.Client, tmp_path: Path) -> None:
    with open_test_bank(tmp_path, organization="north") as bank:
        doctor = a_token(bank, Role.CLINICIAN, organization="north")
    with httpx.Client(base_url=officer.base_url, headers=bearer(doctor)) as http:
        refused = http.get("/disclosures")
    forged = asking(officer, csrf="x")

    assert (refused.status_code, forged.status_code) == (403, 403)
    assert httpx.get(f"{officer.base_url}/disclosures").status_code == 303


def test_the_command_writes_them_all(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, serving(bank) as url:
        file = a_file(PatientID="ADA")
        keep(bank, file)
        study = read(file).StudyInstanceUID
        token = a_token(bank, name="reader")
        httpx.get(f"{url}/dicom-web/studies/{study}", headers=bearer(token)).raise_for_status()
    common = ["audit", "disclosures", "--data", str(tmp_path / "bank"), "--patient", "ADA"]
    files = ["--csv", str(tmp_path / "d.csv"), "--pdf", str(tmp_path / "d.pdf")]
    shown = imagebank(*common, "--since", "2020-01-01", "--until", "2099-12-31", "--json")
    written = imagebank(*common, *files)

    assert [row["recipient"] for row in json.loads(shown.out)] == ["reader"]
    assert written.status == 0, written.err
    assert table_of((tmp_path / "d.csv").read_bytes())[1][1] == "reader"
    assert (tmp_path / "d.pdf").read_bytes().startswith(b"%PDF-")
