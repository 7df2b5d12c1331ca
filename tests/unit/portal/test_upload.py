"""Files brought in by the page without script: what is said of them, and what became of each."""

import errno
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from bank import open_test_bank
from imagebank.actions import access, orders
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Right, Role, Scope
from imagebank.model.encounter import Encounter
from imagebank.model.imaging import Selection
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.upload import FIELDS
from imagebank.portal import proposed, upload
from make import a_file
from unit.actions.test_media import NIFTI, a_jpeg
from unit.portal.browsing import Browser, hidden_field

KNOWN = {"whose": "patient", "patient_id": "4711", "family_name": "Diaz", "given_name": "Ana", "sex": "F"}
OURS = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def signed_in(bank: Bank, role: Role = Role.TECHNOLOGIST) -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, role, "local", "tess")
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def bring(browser: Browser, *files: tuple[str, bytes], **typed: str) -> httpx.Response:
    """Send the form as a browser does: its fields first."""
    fields: dict[str, Any] = {"csrf": hidden_field(browser.get("/upload"), "csrf"), **typed}
    parts = [(name, (None, value)) for name, value in fields.items()]
    # What nobody has chosen comes as a file without a name.
    given = [("file", file) for file in files] or [("file", ("", b""))]
    return browser.ask("POST", "/upload", OURS, files=parts + given)


def test_a_file_becomes_an_object_of_the_patient_that_was_named(bank: Bank) -> None:
    browser = signed_in(bank)
    answer = bring(browser, ("photo.jpg", a_jpeg()), **KNOWN, department="dermatology", laterality="R")
    (found,) = bank.index.instances(Selection(), Scope.of("local"))

    assert answer.status_code == 200
    assert found.patient == PatientId("local", "4711")
    assert f'href="/studies/{found.study}"' in answer.text
    assert browser.get(f"/studies/{found.study}").status_code == 200


def test_what_became_of_each_is_said_with_the_reason(bank: Bank) -> None:
    with io.BytesIO() as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr("in/a.dcm", a_file())
            archive.writestr("in/b.txt", "words")
        packed = stream.getvalue()
    browser = signed_in(bank)
    files = (("all.zip", packed), ("scan.nii", NIFTI), ("p.jpg", a_jpeg()), ("empty.png", b""))
    first = bring(browser, *files, whose="nobody", patient_id="must not count").text
    again = bring(browser, files[0], whose="nobody").text

    assert [first.index(words) for words in ("Not kept", "Kept apart", "nobody knows whose", "In <span")] == sorted(
        first.index(words) for words in ("Not kept", "Kept apart", "nobody knows whose", "In <span")
    )
    assert "all.zip!/in/b.txt" in first
    assert "Number 1 in quarantine" in first
    assert "The file is empty." in first
    assert "must not count" not in first
    assert "Were here already" in again


def test_what_is_typed_wrongly_is_said_and_kept_on_the_page(bank: Bank) -> None:
    browser, photo = signed_in(bank), ("photo.jpg", a_jpeg())
    for typed, words in (
        ({"whose": "patient"}, "Give the patient ID, or choose that nobody is known yet."),
        ({**KNOWN, "birth_date": "soon"}, "Birth_date is a date"),
        ({**KNOWN, "description": "x" * 5000}, "This form is too large"),
    ):
        answer = bring(browser, photo, **typed)
        assert answer.status_code == 422
        assert words in answer.text
    nothing = bring(browser, **KNOWN)

    assert "Choose at least one file." in nothing.text
    assert 'value="Diaz"' in nothing.text
    assert bank.index.instances(Selection(), Scope.of("local")) == []


def test_a_form_that_ends_in_the_midst_keeps_what_was_whole(bank: Bank) -> None:
    browser = signed_in(bank)
    csrf = hidden_field(browser.get("/upload"), "csrf")
    head = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in {"csrf": csrf, "whose": "nobody"}.items()
    )
    file = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a %22b%22.jpg"\r\n\r\n'
    body = head.encode() + file + a_jpeg() + b"\r\n" + file + b"half"
    answer = browser.ask("POST", "/upload", {**OURS, "Content-Type": "multipart/form-data; boundary=b"}, content=body)

    assert "What stands below was taken in before" in answer.text
    assert "a &#34;b&#34;.jpg" in answer.text


def test_a_form_that_is_not_ours_brings_nothing(bank: Bank) -> None:
    browser = signed_in(bank)
    parts = {"csrf": (None, "guessed"), "whose": (None, "nobody"), "file": ("a.jpg", a_jpeg())}
    forged = browser.ask("POST", "/upload", OURS, files=parts)
    first = browser.ask("POST", "/upload", OURS, files={"file": ("a.jpg", a_jpeg())})
    no_form = browser.ask("POST", "/upload", {**OURS, "Content-Type": "text/plain"}, content=b"x")

    assert [answer.status_code for answer in (forged, first, no_form)] == [403, 403, 422]
    assert bank.index.instances(Selection(), Scope.of("local")) == []


def test_a_form_has_so_many_parts_and_no_more(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, max_parts=3) as bank:
        browser = signed_in(bank)
        answer = bring(browser, ("a.jpg", a_jpeg()), ("b.jpg", a_jpeg("blue")), whose="nobody")

    assert "A form may have 3 parts" in answer.text
    assert "a.jpg" in answer.text
    assert "b.jpg" not in answer.text


def test_a_full_disk_is_said(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    browser = signed_in(bank)
    monkeypatch.setattr(upload, "write_all", full)
    answer = bring(browser, ("a.jpg", a_jpeg()), whose="nobody")

    assert answer.status_code == 507
    assert "no room on the disk" in answer.text


def test_who_may_not_store_is_shown_no_way_in(bank: Bank) -> None:
    technologist, referrer = signed_in(bank), signed_in(bank, Role.REFERRER)

    assert 'href="/upload"' in technologist.get("/").text
    assert 'href="/upload"' not in referrer.get("/").text
    assert referrer.get("/upload").status_code == 403
    assert referrer.post("/upload").status_code == 403
    assert Browser(web_application(bank)).get("/upload").headers["location"] == "/sign-in"


def test_who_may_only_store_is_led_here(bank: Bank) -> None:
    by_role = {**RIGHTS, Role.TECHNOLOGIST: frozenset({Right.STORE})}
    browser = signed_in(replace(bank, rights=replace(bank.rights, by_role=by_role)))

    assert browser.get("/").headers["location"] == "/upload"
    answer = bring(browser, ("photo.jpg", a_jpeg()), **KNOWN)
    assert "photo.jpg" in answer.text
    assert "/studies/" not in answer.text


def test_the_script_of_the_page_may_ask_the_server_and_nobody_else(bank: Bank) -> None:
    policy = signed_in(bank).get("/upload").headers["content-security-policy"]

    assert "script-src 'self';" in policy
    assert policy.endswith("connect-src 'self'")


def an_order(bank: Bank, number: str) -> Order:
    ana = Patient(PatientId("local", f"P-{number}"), "Diaz^Ana", "19800203", "F")
    order = Order("local", ana, bank.now(), State.SCHEDULED, filler=number, accession=f"A{number}", modality="OP")
    orders.hear(bank, [order], "RIS")
    return order


def test_an_order_or_a_visit_says_whose_the_files_are(bank: Bank) -> None:
    order, browser = an_order(bank, "17"), signed_in(bank)
    orders.visit(bank, Encounter("local", "V1", PatientId("local", "P-1"), bank.now()), "ADT")
    given = {"whose": "order", "patient_id": "must not count"}
    first = bring(browser, ("a.jpg", a_jpeg()), **given, order="17")
    bring(browser, ("b.jpg", a_jpeg("blue")), **given, encounter="V1")

    patients = {one.patient for one in bank.index.instances(Selection(), Scope.of("local"))}
    assert patients == {order.patient.id, PatientId("local", "P-1")}
    assert "order 17" in first.text
    assert "Diaz Ana" in first.text
    assert "filled in" in first.text


def test_neither_number_is_a_mistake_and_an_unknown_one_is_said(bank: Bank) -> None:
    browser = signed_in(bank)
    missing = bring(browser, ("a.jpg", a_jpeg()), whose="order", patient_id="4711")
    unknown = bring(browser, ("a.jpg", a_jpeg()), whose="order", order="18")

    assert missing.status_code == 422
    assert "Give the number of the order or of the visit" in missing.text
    assert "There is no order 18 here yet." in unknown.text
    assert "nobody knows whose" in unknown.text


def test_proposals_stand_in_the_review_with_bars_and_reasons(bank: Bank) -> None:
    answer = bring(signed_in(bank), ("4711_2026-03-01_OD<b>.jpg", a_jpeg()), whose="nobody").text

    assert "3 proposals and why" in answer
    assert "<details" in answer
    assert "open><summary>" in answer
    assert 'aria-label="Confidence 3 of 5"' in answer
    assert "file name: 4711_2026-03-01_OD&lt;b&gt; (identifier, date, side)" in answer


def test_of_many_files_proposals_stay_closed(bank: Bank) -> None:
    files = [
        (f"{4711 + n}_OD.jpg", a_jpeg(shade))
        for n, shade in enumerate(("red", "blue", "green", "white", "black", "grey"))
    ]
    answer = bring(signed_in(bank), *files, whose="nobody").text

    assert answer.count("<details") == 6
    assert "open><summary>" not in answer


def test_every_field_has_a_name_on_pages() -> None:
    assert set(proposed.LABELS) == set(FIELDS)
