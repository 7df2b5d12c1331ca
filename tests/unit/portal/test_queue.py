"""The page of the reconciliation queue, without script."""

import io
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import access, filing, media, orders, persons, repeat_orders
from imagebank.actions.ingest import Arrival
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.model.access import Role, Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Instance, Selection
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.task import Kind, Task, filed, unidentified
from imagebank.model.upload import About
from make import a_file
from unit.portal.browsing import Browser, hidden_field

ALL = Scope(organizations=None)
AMINA = PatientId("north", "HX-204")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def technologist(bank: Bank, organization: str = "north") -> Browser:
    browser = Browser(web_application(bank))
    token = access.issue_token(bank, Role.TECHNOLOGIST, organization, f"tess of {organization}")
    assert browser.post("/sign-in", {"token": token}).status_code == 303
    return browser


def a_photo(bank: Bank, name: str = "IMG_4471.JPG") -> Instance:
    with io.BytesIO() as stream:
        Image.new("RGB", (48, 32), "brown").save(stream, "JPEG", comment=name)
        data = stream.getvalue()
    source = replace(SOURCE, organization="north")
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(data), len(data), name)], source, About())
    return bank.index.instances(Selection(instance=receipt.uid), ALL)[0]


def hear(bank: Bank, patient: PatientId = AMINA, name: str = "Haddad^Amina") -> None:
    persons.hear(bank, Identity(patient, PersonName(name), "19840512", "F", origin=Origin.HL7))


def propose(bank: Bank, one: Instance) -> None:
    said = (
        ("patient_name", "Haddad^Amina", 0.7),
        ("birth_date", "1984-05-12", 0.6),
        ("taken_at", "2026-10-30T10:44", 0.9),
    )
    made = [Proposal(field, value, ProposalSource.NAME, "file name: x.jpg", sure) for field, value, sure in said]
    made.append(Proposal("laterality", "L", ProposalSource.BURNED_IN, "L", 0.3))
    with bank.index.begin() as tx:
        tx.proposals.put(one.uid, made)


def page_of(browser: Browser, one: Instance) -> str:
    return browser.get(f"/queue?task={unidentified(one.study)}").text


def send(browser: Browser, one: str, verb: str, **typed: str) -> "object":
    token = hidden_field(browser.get("/queue"), "csrf")
    return browser.post(f"/queue/{one}/{verb}", {"csrf": token, **typed})


def test_an_empty_queue_says_that_all_is_well_and_the_bar_counts_what_waits(bank: Bank) -> None:
    browser = technologist(bank)
    empty = browser.get("/queue").text
    a_photo(bank)

    assert "Every picture and record that you may see has its patient." in empty
    assert 'Queue <span class="badge">1</span>' in browser.get("/").text
    assert "Nothing stands here." in browser.get("/queue?state=aside").text


def test_the_page_shows_the_picture_what_it_may_be_and_who_and_chooses_who_is_likely(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank)
    propose(bank, photo)
    browser = technologist(bank)
    text = page_of(browser, photo)

    assert "IMG_4471.JPG" in text
    assert f"/dicom-web/studies/{photo.study}/series/{photo.series}/instances/{photo.uid}/frames/1/rendered" in text
    assert re.search(r'value="HX-204" required checked', text)
    assert "12 May 1984" in text
    assert "file name: x.jpg" in text
    assert re.search(r'<select id="f-laterality" name="laterality" required><option value="">choose</option>', text)
    assert re.search(r'<option value="2026-10-30T10:44"|value="2026-10-30T10:44"', text)


def test_one_form_files_it_and_goes_on_and_can_be_taken_back(bank: Bank) -> None:
    first, second = a_photo(bank), a_photo(bank, "IMG_4472.JPG")
    hear(bank)
    browser = technologist(bank)
    following = unidentified(second.study)
    answer = send(browser, unidentified(first.study), "identify", patient="HX-204", laterality="-", next=following)
    location = answer.headers["location"]  # type: ignore[attr-defined]
    after = browser.get(location).text
    (now,) = bank.index.instances(Selection(instance=first.uid), ALL)
    back = send(browser, unidentified(first.study), "undo")

    assert now.patient == AMINA
    assert f"task={following}" in location
    assert "HX" not in location
    assert "Filed under Haddad, Amina." in after
    assert "IMG_4472.JPG" in after
    assert back.headers["location"] == f"/queue?task={unidentified(first.study)}"  # type: ignore[attr-defined]
    (now,) = bank.index.instances(Selection(instance=first.uid), ALL)
    assert now.patient.identifier == ""
    assert send(browser, unidentified(first.study), "undo").status_code == 409  # type: ignore[attr-defined]


def test_somebody_new_is_typed_and_what_is_wrong_is_said_and_stays_typed(bank: Bank) -> None:
    photo = a_photo(bank)
    browser = technologist(bank)
    task = unidentified(photo.study)
    typed = {"patient": "new", "family_name": "Silva", "given_name": "Rui", "birth_date": "1990-01-02", "sex": "M"}
    wrong = send(browser, task, "identify", **typed)
    missing = send(browser, task, "identify", patient="no such")
    right = send(browser, task, "identify", patient_id="N-1", **typed)

    assert wrong.status_code == 422  # type: ignore[attr-defined]
    assert "Say whose it is" in wrong.text  # type: ignore[attr-defined]
    assert 'value="Silva"' in wrong.text  # type: ignore[attr-defined]
    assert missing.status_code == 404  # type: ignore[attr-defined]
    assert right.status_code == 303  # type: ignore[attr-defined]
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)
    assert now.patient == PatientId("north", "N-1")


def test_a_patient_is_searched_by_a_form_and_nobody_is_chosen(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank)
    browser = technologist(bank)
    found = send(browser, unidentified(photo.study), "search", sought="hadd")
    nobody = send(browser, unidentified(photo.study), "search", sought="xyz")

    assert 'value="HX-204" required data-number' in found.text  # type: ignore[attr-defined]
    assert "Nobody found." in nobody.text  # type: ignore[attr-defined]


def test_what_is_put_off_or_laid_aside_stands_elsewhere_and_can_be_taken_up(bank: Bank) -> None:
    one, two = a_photo(bank), a_photo(bank, "IMG_4472.JPG")
    browser = technologist(bank)
    later = send(browser, unidentified(one.study), "postpone")
    wrong = send(browser, unidentified(two.study), "aside", reason=" ")
    aside = send(browser, unidentified(two.study), "aside", reason="not ours")
    said = [browser.get(answer.headers["location"]).text for answer in (later, aside)]  # type: ignore[attr-defined]

    assert wrong.status_code == 422  # type: ignore[attr-defined]
    assert "Put off until later." in said[0]
    assert "Laid aside." in said[1]
    assert "IMG_4471.JPG" in browser.get("/queue?state=postponed").text
    asides = browser.get("/queue?state=aside").text
    assert "Not ours." in asides
    assert "Take it up again" in asides
    send(browser, unidentified(two.study), "undo")
    assert "IMG_4472.JPG" in browser.get("/queue").text


def test_two_records_and_what_others_filed_are_decided_on_the_same_page(bank: Bank) -> None:
    for issuer, name in (("north", "Varga^Ada"), ("south", "Varga^Piroska")):
        keep(bank, a_file(PatientID="1"), source=replace(SOURCE, organization=issuer))
        hear(bank, PatientId(issuer, "1"), name)
    photo = a_photo(bank)
    with bank.index.begin() as tx:
        filing.file(
            bank, tx, Task(filed(Kind.MEDIA, "7"), Kind.MEDIA, "north", (photo.study,), bank.now(), note="a disc")
        )
    browser = Browser(web_application(bank))
    browser.post("/sign-in", {"token": access.issue_token(bank, Role.ADMIN, "local", "root")})
    pair = browser.get("/queue?kind=same-person").text
    (task,) = re.findall(r'action="/queue/(same-person-\d+-\d+)/settle"', pair)
    disc = browser.get("/queue?kind=media").text
    settled = send(browser, task, "settle", how="apart", reason="sisters")
    wrong = send(browser, filed(Kind.MEDIA, "7"), "settle", how="")

    assert "Varga, Piroska" in pair
    assert "twin" in pair or "sister" in pair
    assert "A disc." in disc
    assert "Who is this here?" in disc
    assert "Nobody of ours" in disc
    assert settled.status_code == 303  # type: ignore[attr-defined]
    assert wrong.status_code == 422  # type: ignore[attr-defined]
    assert "Nothing stands here." in browser.get("/queue?kind=same-person").text


def test_who_is_at_a_task_is_said_to_others(bank: Bank) -> None:
    photo = a_photo(bank)
    one, task = technologist(bank), unidentified(photo.study)
    other = Browser(web_application(bank))
    other.post("/sign-in", {"token": access.issue_token(bank, Role.TECHNOLOGIST, "north", "uma")})
    took = [send(one, task, "take"), send(other, task, "take")]
    seen = page_of(other, photo)
    gave = [send(one, task, "release"), send(one, task, "release")]

    assert [answer.status_code for answer in (*took, *gave)] == [204, 409, 204, 409]  # type: ignore[attr-defined]
    assert "tess of north is at this." in seen
    assert "is at this." not in page_of(other, photo)


def test_another_organization_sees_nothing_of_it(bank: Bank) -> None:
    photo = a_photo(bank)
    south = technologist(bank, "south")
    asked = page_of(south, photo)
    decided = [
        send(south, unidentified(photo.study), verb, reason="x", patient="1")
        for verb in ("identify", "aside", "postpone")
    ]

    assert "IMG_4471" not in asked
    assert asked == south.get("/queue").text
    assert [answer.status_code for answer in decided] == [404] * 3  # type: ignore[attr-defined]


def test_pages_of_the_list_go_on_and_a_wrong_one_begins_anew(bank: Bank) -> None:
    for number in range(27):
        keep(
            bank, a_file(PatientID="", StudyDescription=f"Study {number}"), source=replace(SOURCE, organization="north")
        )
    browser = technologist(bank)
    first = browser.get("/queue").text
    (further,) = re.findall(r'<a href="(/queue\?after=[^"]*)">Further', first)

    assert first.count("data-row") == 25
    assert browser.get(further.replace("&amp;", "&")).text.count("data-row") == 2
    assert browser.get("/queue?after=x&kind=x&state=x&image=x").headers["location"] == "/queue"


def test_an_order_that_repeats_an_exam_is_shown_with_its_reasons_and_stays_for_one(bank: Bank) -> None:
    day = f"{bank.now() - timedelta(days=3):%Y%m%d}"
    about = {"StudyInstanceUID": "1.2.3", "StudyDate": day, "StudyDescription": "CT head", "BodyPartExamined": ""}
    keep(
        bank, a_file(PatientID="ANA", IssuerOfPatientID="north", **about), source=replace(SOURCE, organization="north")
    )
    ordered = Ordered(Code("CTH", "CT head", "L"), requesting="Cuddy^Lisa")
    one = Order("north", Patient(PatientId("north", "ANA")), bank.now(), State.SCHEDULED, "PL-7", ordered=ordered)
    orders.hear(bank, [one], "ris")
    repeat_orders.look_job(bank, {"organization": "north", "placer": "PL-7", "filler": ""})
    browser = technologist(bank)
    page = browser.get("/queue?kind=repeat")

    assert "CT head is ordered, and an exam that answers it was made 3 days before." in page.text
    german = browser.get("/queue?kind=repeat", {"Accept-Language": "de"})
    assert (
        "CT Kopf ist angefordert, und eine Untersuchung, die das beantwortet, wurde 3 Tage vorher gemacht."
        in german.text
    )
    for words in ("PL-7", "Cuddy Lisa", "same region", 'href="/studies/1.2.3"', "The order is taken back"):
        assert words in page.text
    task = re.search(r"/queue/(repeat-[0-9a-f]+)/settle", page.text)
    assert task
    form = {"csrf": hidden_field(page, "csrf"), "how": "clinical-change", "reason": "worse"}
    assert browser.post(f"/queue/{task[1]}/settle", form).status_code == 303
    assert "Settled" in browser.get(f"/queue?done={task[1]}").text
