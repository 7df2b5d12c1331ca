"""The study list, a study and its objects."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank import portal
from imagebank.actions import access
from imagebank.actions import search as finding
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import RIGHTS, Purpose, Right, Role, Scope
from imagebank.model.event import Act
from imagebank.portal.layout import csrf_token
from make import a_dataset, a_file, a_series, as_file, read
from unit.portal.browsing import Browser, hidden_field


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def browser(bank: Bank) -> Browser:
    return signed_in(bank)


def signed_in(bank: Bank, organization: str = "") -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, Role.CLINICIAN, organization)
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def search(browser: Browser, **typed: str) -> str:
    """Type into the search form and follow to the list."""
    csrf = hidden_field(browser.get("/"), "csrf")
    answer = browser.post("/search", {"csrf": csrf, **typed})
    return browser.get(answer.headers["location"]).text if answer.status_code == 303 else answer.text


def an_object(sop_class: str, **attributes: Any) -> Dataset:
    """A data set without pixels."""
    ds = a_dataset(SOPClassUID=sop_class, **attributes)
    for keyword in ("PixelData", "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation"):
        delattr(ds, keyword)
    return ds


def address(ds: Dataset) -> str:
    return f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"


def test_an_empty_bank_says_how_to_fill_it(browser: Browser) -> None:
    assert "imagebank import" in browser.get("/").text


def test_a_study_stands_in_the_list_with_what_staff_looks_for(bank: Bank, browser: Browser) -> None:
    keep(
        bank,
        *a_series(3, PatientName="Haddad^Amina", StudyDate="20261011", StudyDescription="Brain MR", PatientID="HX-1"),
    )

    page = browser.get("/").text

    born = "Born 1 Jan 1970 · 56 y at the exam · female"
    for words in ("Haddad, Amina", "11 Oct 2026", "Brain MR", "HX-1", "3 objects in 1 series", born):
        assert words in page


def test_a_name_is_found_by_its_beginning_and_stays_out_of_the_address(bank: Bank, browser: Browser) -> None:
    keep(bank, a_file(PatientName="Müller^Anna"), a_file(PatientName="Smith^John"))
    csrf = hidden_field(browser.get("/"), "csrf")

    answer = browser.post("/search", {"csrf": csrf, "name": "mull"})
    page = browser.get("/").text

    assert answer.headers["location"] == "/"
    assert "Müller, Anna" in page
    assert "Smith" not in page
    assert 'value="mull"' in page
    assert "Smith, John" in search(browser, clear="1", name="mull")


@pytest.mark.parametrize(
    ("typed", "is_found"),
    [
        ({"patient_id": "P7"}, True),
        ({"patient_id": "P"}, False),
        ({"patient_id": "P*"}, True),
        ({"date_from": "2026-02-01"}, False),
        ({"date_to": "2026-02-01"}, True),
        ({"modality": "ct"}, True),
        ({"modality": "MR"}, False),
        ({"modality": "MR, CT"}, True),
        ({"accession": "A1"}, True),
        ({"description": "skull"}, True),
    ],
)
def test_every_field_of_the_form_narrows(bank: Bank, browser: Browser, typed: dict[str, str], is_found: bool) -> None:
    keep(bank, a_file(PatientID="P7", StudyDate="20260102", AccessionNumber="A1", StudyDescription="CT of the SKULL"))

    assert ("CT of the SKULL" in search(browser, **typed)) is is_found


def test_a_date_that_is_none_is_said_beside_the_form(browser: Browser) -> None:
    page = search(browser, date_from="yesterday", name="haddad")

    assert "Date: write it as" in page
    assert 'value="haddad"' in page


def test_a_long_list_is_shown_in_pages(bank: Bank, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(
        bank,
        *[a_file(StudyDescription=f"Study {n}", StudyDate=f"2026{n // 28 + 1:02}{n % 28 + 1:02}") for n in range(52)],
    )

    first, second = browser.get("/").text, browser.get("/?page=2").text

    assert "52 studies" in first
    assert "Study 51" in first
    assert ">Study 1<" not in first
    assert ">Study 1<" in second
    assert "51 to 52 of 52" in second
    assert browser.get("/?page=99").status_code == browser.get("/?page=x").status_code == 200
    monkeypatch.setattr(finding, "COUNTED", 51)
    first, second = browser.get("/").text, browser.get("/?page=2").text
    assert "51 studies or more" in first
    assert "1 to 50 of 51 studies or more" in first
    assert "51 to 52 of 52" in second


def test_what_is_in_a_file_is_text_and_never_markup(bank: Bank, browser: Browser) -> None:
    keep(bank, a_file(PatientName="<script>alert(1)</script>", StudyDescription="<img src=x>"))

    page = browser.get("/").text

    assert "<script>" not in page
    assert "<img src=x" not in page


def test_no_page_has_a_script_within_or_a_name_in_its_title(bank: Bank, browser: Browser) -> None:
    ds = a_dataset(PatientName="Haddad^Amina")
    keep(bank, as_file(ds))

    for path in ("/", f"/studies/{ds.StudyInstanceUID}", address(ds)):
        answer = browser.get(path)
        assert "Haddad" not in answer.text.partition("<title>")[2].partition("</title>")[0]
        assert answer.text.count("<script") == answer.text.count('<script src="/static/')
        assert "script-src 'self';" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "private, no-store"


def test_a_study_of_another_organization_does_not_exist(bank: Bank) -> None:
    ds = a_dataset(PatientName="Haddad^Amina")
    keep(bank, as_file(ds))
    stranger = signed_in(bank, "elsewhere")

    assert "Haddad" not in stranger.get("/").text
    for path in (f"/studies/{ds.StudyInstanceUID}", address(ds), address(ds) + "/original"):
        assert stranger.get(path).status_code == 404


def test_a_study_page_opens_the_viewer_with_what_it_can_show(bank: Bank, browser: Browser) -> None:
    study = generate_uid()
    report = an_object("1.2.840.10008.5.1.4.1.1.88.33", StudyInstanceUID=study, Modality="SR")
    image = a_dataset(StudyInstanceUID=study)
    keep(bank, as_file(image), as_file(report))

    page = browser.get(f"/studies/{study}").text

    assert f"/viewer/viewer?StudyInstanceUIDs={study}&amp;SeriesInstanceUIDs={image.SeriesInstanceUID}" in page
    assert address(report) in page


def test_an_image_has_a_page_with_its_picture(bank: Bank, browser: Browser) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))

    assert f'src="/dicom-web{address(ds)}/frames/1/rendered' in browser.get(address(ds)).text


def test_no_picture_is_asked_for_where_none_can_come(bank: Bank, browser: Browser) -> None:
    keep(bank, as_file(an_object("1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC", EncapsulatedDocument=b"%PDF-1.4 ")))

    assert "/thumbnail" not in browser.get("/").text
    keep(bank, a_file())
    assert browser.get("/").text.count("/thumbnail") == 1


def test_an_object_is_called_by_its_own_words(bank: Bank, browser: Browser) -> None:
    ecg = an_object("1.2.840.10008.5.1.4.1.1.9.1.1", Modality="ECG")
    plan = an_object("1.2.840.10008.5.1.4.1.1.481.5", Modality="RTPLAN", RTPlanLabel="Left breast")
    keep(bank, as_file(ecg), as_file(plan))

    assert "<h1>12-lead ECG Waveform</h1>" in browser.get(address(ecg)).text
    assert "<h1>Left breast</h1>" in browser.get(address(plan)).text
    assert "<title>RT Plan · Imagebank</title>" in browser.get(address(plan)).text
    assert ">RT Plan</a>" in browser.get(f"/studies/{plan.StudyInstanceUID}").text


def test_a_report_leads_to_the_images_that_it_names(bank: Bank, browser: Browser) -> None:
    image = a_dataset(InstanceNumber=7, SeriesNumber=3)
    shown, elsewhere = Dataset(), Dataset()
    for item, uid in ((shown, image.SOPInstanceUID), (elsewhere, generate_uid())):
        pointer = Dataset()
        pointer.ReferencedSOPClassUID, pointer.ReferencedSOPInstanceUID = image.SOPClassUID, uid
        item.ValueType, item.ReferencedSOPSequence = "IMAGE", [pointer]
    report = an_object(
        "1.2.840.10008.5.1.4.1.1.88.59",
        Modality="KO",
        ValueType="CONTAINER",
        ContentSequence=[shown, elsewhere],
        StudyInstanceUID=image.StudyInstanceUID,
    )
    keep(bank, as_file(image), as_file(report))

    page = browser.get(address(report)).text

    assert f'<a href="{address(image)}">CT Image 7 of series 3</a>' in page
    assert f"CT Image {elsewhere.ReferencedSOPSequence[0].ReferencedSOPInstanceUID}" in page


def test_a_study_page_leads_to_a_quick_look_and_to_that_of_each_series(bank: Bank, browser: Browser) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))
    page = browser.get(f"/studies/{ds.StudyInstanceUID}").text

    assert f'aria-keyshortcuts="q" href="/studies/{ds.StudyInstanceUID}/look"' in page
    assert f'href="/studies/{ds.StudyInstanceUID}/look?series={ds.SeriesInstanceUID}"' in page


def test_a_report_has_a_page_with_its_text(bank: Bank, browser: Browser) -> None:
    finding = Dataset()
    finding.ValueType, finding.TextValue = "TEXT", "No fracture is seen."
    report = an_object("1.2.840.10008.5.1.4.1.1.88.11", Modality="SR", ValueType="CONTAINER", ContentSequence=[finding])
    keep(bank, as_file(report))

    assert "No fracture is seen." in browser.get(address(report)).text


def test_a_document_is_shown_in_place(bank: Bank, browser: Browser) -> None:
    document = an_object("1.2.840.10008.5.1.4.1.1.104.1", Modality="DOC", EncapsulatedDocument=b"%PDF-1.4 ")
    keep(bank, as_file(document))

    assert (
        f'<object data="/dicom-web{address(document)}/rendered" type="application/pdf"'
        in browser.get(address(document)).text
    )


def test_what_nothing_can_show_is_offered_for_download(bank: Bank, browser: Browser) -> None:
    plan = an_object("1.2.840.10008.5.1.4.1.1.481.5", Modality="RTPLAN")
    file = as_file(plan)
    keep(bank, file)

    page = browser.get(address(plan))
    original = browser.get(address(plan) + "/original")

    assert page.status_code == 200
    assert "download the original" in page.text
    assert original.content == file
    assert original.headers["content-disposition"] == f"attachment; filename*=UTF-8''{plan.SOPInstanceUID}.dcm"


def test_a_uid_that_is_none_is_refused_in_words(browser: Browser) -> None:
    answer = browser.get("/studies/not-a-uid")

    assert answer.status_code == 400
    assert "That could not be understood" in answer.text


@pytest.mark.parametrize(("path", "status"), [("/nosuch", 404), ("/sign-out", 405), ("/search", 405)])
def test_an_address_that_is_no_page_has_a_page_with_a_way_back(browser: Browser, path: str, status: int) -> None:
    answer = browser.get(path, {"Accept": "text/html"})

    assert answer.status_code == status
    assert '<a class="button" href="/">Go to the study list</a>' in answer.text
    assert "Sign out" in answer.text
    assert answer.headers["cache-control"] == "private, no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nosuch", 404),
        ("GET", "/dicom-web/nosuch", 404),
        ("GET", "/nosuch", 404),
        ("PUT", "/api/v1/session", 405),
    ],
)
def test_programs_get_the_one_json_shape(browser: Browser, method: str, path: str, status: int) -> None:
    accept = "*/*" if path == "/nosuch" else "text/html"
    answer = browser.ask(method, path, {"Accept": accept, "Sec-Fetch-Site": "same-origin"})

    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}
    assert ("allow" in answer.headers) is (status == 405)


def test_the_root_of_dicomweb_says_what_it_is_to_a_person_who_opens_it(browser: Browser) -> None:
    answer = browser.get("/dicom-web/", {"Accept": "text/html"})

    assert answer.status_code == 405
    assert "/dicom-web/studies lists studies" in answer.json()["message"]


def test_looking_at_an_object_stands_in_the_ledger(bank: Bank, browser: Browser) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))
    browser.get(address(ds))

    events = bank.index.events(Scope(organizations=None))
    assert any(event.study == ds.StudyInstanceUID and event.detail == "portal" for event in events)


def looks(bank: Bank, study: str) -> list[tuple[str, str, str, int, Purpose | None]]:
    """Who has looked at a study, oldest first: who, of which organization, how, how often, for what."""
    events = reversed(bank.index.events(Scope(organizations=None)))
    return [
        (one.principal, one.organization, one.detail, one.count, one.purpose)
        for one in events
        if one.act is Act.VIEWED and one.study == study
    ]


def test_opening_the_page_of_a_study_is_a_look_that_stands_in_the_ledger_when_the_page_is_there(bank: Bank) -> None:
    doctor = access.issue_token(bank, Role.CLINICIAN, "local", "Dr Varga")
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": doctor})
    files = a_series(3)
    keep(bank, *files)
    study = read(files[0]).StudyInstanceUID
    opened = browser.get(f"/studies/{study}")
    at_once = looks(bank, study)
    for _ in range(2):
        browser.get(f"/studies/{study}")
    bank.reads.flush()

    assert opened.status_code == 200
    assert at_once == [("Dr Varga", "local", "portal study page", 1, Purpose.TREATMENT)]
    later = looks(bank, study)[1:]
    # Once a second the bank writes what it has counted until then.
    assert {(*one[:3], one[4]) for one in later} == {
        ("Dr Varga", "local", "portal study page: more", Purpose.TREATMENT)
    }
    assert sum(one[3] for one in later) == 2


def test_a_list_of_studies_is_a_search_and_no_look(bank: Bank, browser: Browser) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))
    browser.get("/")

    assert looks(bank, ds.StudyInstanceUID) == []
    assert any(event.act is Act.SEARCHED for event in bank.index.events(Scope(organizations=None)))


def test_a_study_that_is_not_for_the_caller_is_no_look_at_it(bank: Bank) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))
    answer = signed_in(bank, "elsewhere").get(f"/studies/{ds.StudyInstanceUID}")

    assert answer.status_code == 404
    assert looks(bank, ds.StudyInstanceUID) == []


def test_who_may_not_even_search_opens_no_study(bank: Bank) -> None:
    ds = a_dataset()
    keep(bank, as_file(ds))
    by_role = {**RIGHTS, Role.CLINICIAN: frozenset({Right.STORE})}
    answer = signed_in(replace(bank, rights=replace(bank.rights, by_role=by_role))).get(
        f"/studies/{ds.StudyInstanceUID}"
    )

    assert answer.status_code == 403
    assert "right to find" in answer.text
    assert looks(bank, ds.StudyInstanceUID) == []


@pytest.mark.parametrize("path", ["/", "/?page=2"])
def test_who_may_not_search_gets_no_list(bank: Bank, path: str) -> None:
    keep(bank, a_file(PatientName="Secret^Name"))
    by_role = {**RIGHTS, Role.CLINICIAN: frozenset({Right.MOVE})}
    browser = signed_in(replace(bank, rights=replace(bank.rights, by_role=by_role)))
    answer = browser.get(path)
    csrf = csrf_token(str(browser.cookies.get(COOKIE)))
    typed = browser.post("/search", {"csrf": csrf, "name": "Secret"})

    assert (answer.status_code, typed.status_code) == (403, 403)
    assert "right to find" in answer.text
    assert "Secret" not in answer.text + typed.text
    assert not any(event.act is Act.SEARCHED for event in bank.index.events(Scope(organizations=None)))


def test_who_may_do_other_things_than_search_begins_with_them(bank: Bank) -> None:
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.PRIVACY_OFFICER)})
    answer = browser.get("/")

    assert (answer.status_code, answer.headers["location"]) == (303, "/consents")
    assert ">Studies</a>" not in browser.get("/consents").text


def test_the_dark_theme_is_one_whether_a_page_or_the_system_asks_for_it() -> None:
    static = Path(portal.__file__).parent / "static"
    by_page = re.search(r'\[data-theme="dark"\] \{(.*?)\}', (static / "tokens.css").read_text(), re.DOTALL)
    by_system = re.search(r":root:not\(\[data-theme\]\) \{(.*?)\}", (static / "system.css").read_text(), re.DOTALL)

    assert by_page is not None
    assert by_system is not None
    assert by_page[1].split() == by_system[1].split()
