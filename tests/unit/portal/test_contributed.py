"""The page on which the owner of an account adds images, and takes them back; and what a program of theirs may send."""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from bank import a_token, bearer, open_test_bank
from imagebank.actions import account
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.http.auth import COOKIE
from imagebank.model.access import Role, Scope
from imagebank.model.export import SeriesTold, StudyTold
from imagebank.model.imaging import Selection
from imagebank.model.uid import Uid
from imagebank.packing import pages
from make import a_file
from owners import OTHER, PASSWORD, SETTINGS, furnish, mother, who
from unit.actions.people_here import after
from unit.actions.test_media import a_jpeg
from unit.portal.browsing import Browser, hidden_field

pytestmark = pytest.mark.usefixtures("quick_hashes")
FROM_OURS = {"Sec-Fetch-Site": "same-origin"}
LABEL = "Added by the patient"


@dataclass(frozen=True, slots=True)
class Here:
    bank: Bank
    ada: Browser
    staff: Browser
    name: str


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    with open_test_bank(tmp_path_factory.mktemp("portal"), **SETTINGS) as bank:
        furnish(bank)
        site, cookie = web_application(bank), mother(bank)
        ada, staff = Browser(site), Browser(site)
        ada.cookies.set(COOKIE, cookie, domain="bank.example")
        root = account.activate(bank, account.add(bank, "root", Role.ADMIN), PASSWORD)
        staff.cookies.set(COOKIE, root, domain="bank.example")
        yield Here(bank, ada, staff, who(bank, cookie).name)


def files(*given: tuple[str, bytes]) -> list[tuple[str, tuple[str, io.BytesIO]]]:
    return [("file", (name, io.BytesIO(content))) for name, content in given]


def test_files_are_added_without_script_and_taken_back_in_two_steps(here: Here) -> None:
    assert 'href="/my/deposit"' in here.ada.get("/my").text
    page = here.ada.get("/my/deposit")
    assert "Leo Haddad" in page.text
    form = {"csrf": hidden_field(page, "csrf"), "person": "", "description": "My knee"}
    nothing = here.ada.ask("POST", "/my/deposit", FROM_OURS, data=form, files=[("file", ("", b""))])
    assert (nothing.status_code, "hoose at least one file" in nothing.text) == (422, True)
    disc = a_file(PatientName="Doe^Jane", PatientID="EVE", IssuerOfPatientID="north", StudyInstanceUID=OTHER)
    done = here.ada.ask(
        "POST",
        "/my/deposit",
        FROM_OURS,
        data=form,
        files=files(("a.dcm", disc), ("knee.jpg", a_jpeg()), ("x.pdf", b"%PDF")),
    )
    assert done.status_code == 200
    assert "is not that of the person" in done.text
    study = done.text.partition('href="/studies/')[2].partition('"')[0]
    assert study != OTHER
    assert LABEL in here.ada.get("/my/images").text
    own = here.ada.get(f"/studies/{study}").text
    assert LABEL in own
    assert f"/my/deposit/{study}" in own
    assert "You added images." in here.ada.get("/my/statement").text
    for path in ("/", f"/studies/{study}", f"/studies/{study}/timeline"):
        assert LABEL in here.staff.get(path).text, path
    assert "names somebody else" in here.staff.get("/queue").text

    late = Browser(web_application(after(here.bank, minutes=20)))
    late.cookies = here.ada.cookies
    assert late.get(f"/my/deposit/{study}").headers["location"].startswith("/account/prove")
    asked = here.ada.get(f"/my/deposit/{study}")
    sure = {"csrf": hidden_field(asked, "csrf")}
    assert "tick that you want this" in here.ada.post(f"/my/deposit/{study}", sure).text.lower()
    assert (
        "file that you added yourself" in here.ada.get("/my/close").text
        or "files that you added" in here.ada.get("/my/close").text
    )
    for _ in range(2):
        gone = here.ada.post(f"/my/deposit/{study}", {**sure, "sure": "yes"})
        assert gone.headers["location"] == "/my/images"
    assert here.ada.get(f"/my/deposit/{study}").status_code == 404
    assert here.bank.index.instances(Selection(study=Uid(study)), Scope(None)) == []


def test_only_who_acts_for_somebody_adds_and_only_by_this_way(here: Here) -> None:
    assert here.staff.get("/my/deposit").status_code == 403
    assert here.ada.get("/upload").status_code == 403
    assert here.ada.get(f"/my/deposit/{OTHER}").status_code == 404
    assert here.ada.get("/my/deposit/1.2.3.4").status_code == 404
    stolen = here.ada.ask("POST", "/my/deposit", FROM_OURS, data={"csrf": "x"}, files=files(("a.dcm", a_file())))
    assert stolen.status_code == 403
    assert here.ada.post("/upload/told", {"csrf": hidden_field(here.ada.get("/my/deposit"), "csrf"), "text": "x"}).text


def test_a_program_of_the_owner_adds_by_the_same_rules(here: Here) -> None:
    token = bearer(a_token(here.bank, Role.PATIENT, name=here.name))
    program = Browser(web_application(here.bank))
    disc = a_file(PatientID="EVE", IssuerOfPatientID="north", StudyInstanceUID=OTHER)
    answer = program.ask("POST", "/api/v1/deposits", token, files=files(("a.dcm", disc)))
    (one,) = answer.json()["outcomes"]
    assert (answer.status_code, one["outcome"]) == (200, "stored")
    assert one["study"] != OTHER
    tagged = program.get(f"/fhir/ImagingStudy/{one['study']}", token).json()["meta"]["tag"]
    assert [each["code"] for each in tagged] == ["PATAST"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("DICOM/1", a_file())
        archive.writestr("DICOM/2", a_file())
    both = program.ask("POST", "/api/v1/deposits", token, files=files(("cd.zip", packed.getvalue()))).json()["outcomes"]
    assert [(each["file"], each["outcome"]) for each in both] == [(f"cd.zip!/DICOM/{n}", "stored") for n in (1, 2)]
    unknown = program.ask("POST", "/api/v1/deposits", token, data={"person": "0" * 32}, files=files(("a.dcm", disc)))
    assert unknown.status_code == 404
    stow = {**token, "Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    assert program.ask("POST", "/dicom-web/studies", stow, content=b"--x--").status_code == 403
    nobody = bearer(a_token(here.bank, Role.PATIENT, name="nobody"))
    refused = program.ask("POST", "/api/v1/deposits", nobody, files=files(("a.dcm", disc)))
    assert refused.status_code == 403
    assert len(here.bank.index.instances(Selection(study=Uid(OTHER)), Scope(None))) == 1


def test_discs_say_which_studies_the_patient_added() -> None:
    series = (SeriesTold("CT", "1", "head", 1, 1, 1),)
    theirs = StudyTold("Haddad^Amina", "370e", "19840512", "20260102", "CT head", "", 0, series, is_contributed=True)
    ours = replace(theirs, is_contributed=False)
    english = pages.Language("en", {})
    assert [LABEL in pages.index(english, [one], []).decode() for one in (theirs, ours)] == [True, False]
    assert b"370e" not in pages.index(english, [theirs], [])
    assert [LABEL.upper().encode() in pages.readme("2026-01-02", 1, [one], []) for one in (theirs, ours)] == [
        True,
        False,
    ]
