"""The reconciliation queue: who a study may be of, and what becomes of it when somebody says so."""

import io
import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import filing, media, orders, persons, reconciling, reindex, remove, retrieve
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.encounter import Encounter
from imagebank.model.event import Act
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Instance, Selection
from imagebank.model.order import Order, Patient
from imagebank.model.order import State as Step
from imagebank.model.person import PatientId, PersonName
from imagebank.model.proposal import Proposal, ProposalSource
from imagebank.model.task import Kind, State, Task, Wanted, filed, unidentified
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department
from make import a_file

ALL = Scope(organizations=None)
TECH = Principal("tech", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
MATE = replace(TECH, name="mate")
SOUTH = replace(TECH, name="south", organization="south", scope=Scope.of("south"))
DOCTOR = replace(TECH, role=Role.CLINICIAN, rights=RIGHTS[Role.CLINICIAN])
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
AMINA, AMIN = PatientId("north", "HX-204"), PatientId("north", "HX-9")
NOON = datetime(2026, 10, 30, 10, 44, tzinfo=UTC)
_shades = itertools.count(1)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def a_photo(bank: Bank, about: About | None = None) -> Instance:
    """A photograph of nobody known, deposited by north."""
    with io.BytesIO() as stream:
        Image.new("RGB", (32, 32), "brown").save(stream, "JPEG", comment=str(next(_shades)))
        data = stream.getvalue()
    source = replace(SOURCE, organization="north")
    given = about or About(taken_at=NOON.replace(tzinfo=None))
    (receipt,) = media.receive(bank, [Arrival(io.BytesIO(data), len(data), "IMG_4471.JPG")], source, given)
    return bank.index.instances(Selection(instance=receipt.uid), ALL)[0]


def hear(bank: Bank, patient: PatientId, name: str, birth_date: str = "19840512", sex: str = "F") -> None:
    persons.hear(bank, Identity(patient, PersonName(name), birth_date, sex, origin=Origin.HL7))


def propose(bank: Bank, one: Instance, *proposals: tuple[str, str, float]) -> None:
    made = [Proposal(field, value, ProposalSource.NAME, "file name", sure) for field, value, sure in proposals]
    with bank.index.begin() as tx:
        tx.proposals.put(one.uid, made)


def task_of(one: Instance) -> str:
    return unidentified(one.study)


def waiting(bank: Bank, principal: Principal = TECH, **wanted: Any) -> list[str]:
    return [task.id for task in reconciling.page(bank, Wanted(**wanted), principal).tasks]


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=10))
    while worker.step(later):
        pass


def test_a_study_that_names_nobody_waits_and_is_found_under_the_patient_once_somebody_says_so(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    before = waiting(bank)
    done = reconciling.identify(bank, task_of(photo), TECH, AMINA, {"body_part": "EYE", "laterality": "L"})
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    assert before == [task_of(photo)]
    assert now.patient == AMINA
    assert (done.mark.how, done.mark.by) == ("identified", "tech")
    assert waiting(bank) == []
    assert waiting(bank, state=State.SETTLED) == [task_of(photo)]
    events = [one for one in bank.index.events(ALL) if one.act is Act.DECIDED and one.study == photo.study]
    assert [one.detail for one in events] == ["queue: unidentified identified"]
    found, pieces = media.original(bank, Selection(instance=photo.uid), TECH)
    assert (found.name, b"".join(pieces)[:2]) == ("IMG_4471.JPG", b"\xff\xd8")


def test_what_somebody_confirmed_stands_in_the_object_and_what_it_said_before_is_kept(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina=حداد^أمينة")
    said = {
        "taken_at": "2026-10-29T09:30",
        "department": "Eye Clinic",
        "description": "Fundus photo",
        "body_part": "EYE",
        "laterality": "L",
        "operator": "not asked",
    }
    reconciling.identify(bank, task_of(photo), TECH, AMINA, said)
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    held = retrieve.attributes(bank, now)
    values = {
        tag: held[tag]["Value"][0]
        for tag in ("00100020", "00100021", "00100030", "00100040", "00080020", "00080023", "00080030")
    }

    assert values == {
        "00100020": "HX-204",
        "00100021": "north",
        "00100030": "19840512",
        "00100040": "F",
        "00080020": "20261029",
        "00080023": "20261029",
        "00080030": "093000",
    }
    assert held["00100010"]["Value"][0]["Alphabetic"] == "Haddad^Amina"
    assert held["00081040"]["Value"] == ["Eye Clinic"]
    assert held["00081030"]["Value"] == ["Fundus photo"]
    assert held["00180015"]["Value"] == ["EYE"]
    assert held["00200062"]["Value"] == ["L"]
    assert held["00082218"]["Value"][0]["00080100"]["Value"] == ["81745001"]
    assert "04000561" in held
    assert "00081070" not in held


def test_it_can_be_taken_back_and_waits_again(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    reconciling.identify(bank, task_of(photo), TECH, AMINA)
    with pytest.raises(Conflict, match="was said already"):
        reconciling.identify(bank, task_of(photo), TECH, AMINA)
    for late in (reconciling.take, reconciling.postpone):
        with pytest.raises(Conflict, match="settled already"):
            late(bank, task_of(photo), TECH)
    with pytest.raises(Conflict, match="settled already"):
        reconciling.lay_aside(bank, task_of(photo), TECH, "why")
    shown = reconciling.shown(bank, task_of(photo), TECH)
    again = reconciling.undo(bank, task_of(photo), TECH)
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    assert shown.known is None
    assert again.state(bank.now()) is State.OPEN
    assert now.patient == PatientId("north", "")
    assert waiting(bank) == [task_of(photo)]
    with pytest.raises(Conflict, match="nothing was decided"):
        reconciling.undo(bank, task_of(photo), TECH)


def test_who_it_may_be_is_compared_and_the_one_who_is_like_is_chosen_beforehand(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    hear(bank, AMIN, "Hadad^Amin", "19840521", "M")
    propose(bank, photo, ("patient_name", "Haddad^Amina", 0.7), ("birth_date", "1984-05-12", 0.6), ("sex", "F", 0.6))
    first, second = reconciling.shown(bank, task_of(photo), TECH).candidates

    assert (first.identity.patient, second.identity.patient) == (AMINA, AMIN)
    assert (first.is_likely, second.is_likely) == (True, False)
    assert (first.score or 0) > (second.score or 0)
    assert (first.finding("family", "given"), first.finding("birth_date")) == ("same", "same")
    assert (second.finding("family", "given"), second.finding("birth_date")) == ("alike", "alike")
    assert (second.finding("sex"), second.finding("phone")) == ("differs", None)


def test_nobody_is_chosen_beforehand_where_two_are_like_or_little_is_known(bank: Bank) -> None:
    photo, other = a_photo(bank), a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    hear(bank, AMIN, "Haddad^Amina")
    propose(bank, photo, ("patient_name", "Haddad^Amina", 0.7), ("birth_date", "1984-05-12", 0.6))
    propose(bank, other, ("patient_name", "Haddad^Berta", 0.3))
    twice = reconciling.shown(bank, task_of(photo), TECH).candidates

    assert [one.is_likely for one in twice] == [False, False]
    assert not any(one.is_likely for one in reconciling.shown(bank, task_of(other), TECH).candidates)


def test_an_identifier_that_is_likely_names_a_patient_unless_the_rest_contradicts_it(bank: Bank) -> None:
    photo, odd = a_photo(bank), a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    propose(bank, photo, ("patient_id", "HX-204", 0.6))
    propose(bank, odd, ("patient_id", "HX-204", 0.6), ("patient_name", "Silva^Rui", 0.6), ("sex", "M", 0.9))
    propose(bank, far := a_photo(bank), ("patient_id", "HX-204", 0.6), ("patient_issuer", "elsewhere", 0.6))

    assert [one.is_likely for one in reconciling.shown(bank, task_of(photo), TECH).candidates] == [True]
    assert [one.is_likely for one in reconciling.shown(bank, task_of(odd), TECH).candidates] == [False]
    assert reconciling.shown(bank, task_of(far), TECH).candidates == ()


def an_order(patient: PatientId, **given: Any) -> Order:
    about: dict[str, Any] = {
        "placer": f"P-{patient.identifier}",
        "accession": f"A-{patient.identifier}",
        "modality": "OT",
        "scheduled_at": "20261030094500",
        "state": Step.SCHEDULED,
    }
    who = Patient(patient, "Haddad^Amina", "19840512", "F")
    return Order("north", who, NOON, **(about | given))


def test_an_open_order_of_that_day_names_somebody_and_visits_say_who_was_here(bank: Bank) -> None:
    photo = a_photo(bank)
    orders.hear(bank, [an_order(AMINA)], "adt")
    hear(bank, AMIN, "Hadad^Amin", "19840521", "M")
    propose(bank, photo, ("patient_name", "Haddad^Amina", 0.7), ("birth_date", "1984-05-12", 0.6))
    with bank.index.begin() as tx:
        tx.orders.put_encounter(Encounter("north", "V1", AMINA, NOON, began_at="20261030104200"))
        tx.orders.put_encounter(Encounter("north", "V2", AMIN, NOON, began_at="20261028", ended_at="20261029"))
        tx.orders.put_encounter(Encounter("north", "V3", AMIN, NOON, began_at="2026"))
    first, second = reconciling.shown(bank, task_of(photo), TECH).candidates
    reconciling.identify(bank, task_of(photo), TECH, AMINA)
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    assert (first.identity.patient, first.accession, first.that_day) == (AMINA, "A-HX-204", ("0945", "1042"))
    assert (second.identity.patient, second.accession, second.that_day) == (AMIN, "", ())
    assert retrieve.attributes(bank, now)["00080050"]["Value"] == ["A-HX-204"]
    assert now.patient == AMINA


def test_an_accession_number_finds_its_order_on_any_day(bank: Bank) -> None:
    photo = a_photo(bank, About(accession="A-HX-204"))
    orders.hear(bank, [an_order(AMINA, modality="CT", scheduled_at="20250101")], "adt")
    orders.hear(bank, [replace(an_order(AMIN, accession="A-HX-204"), organization="south")], "adt")

    assert [one.identity.patient for one in reconciling.shown(bank, task_of(photo), ADMIN).candidates] == [AMINA]


def test_a_study_without_a_day_says_nothing_of_visits(bank: Bank) -> None:
    keep(
        bank,
        a_file(PatientID="", PatientName="Haddad^Amina", StudyDate="", Modality=""),
        source=replace(SOURCE, organization="north"),
    )
    hear(bank, AMINA, "Haddad^Amina")
    (task,) = waiting(bank)
    (one,) = reconciling.shown(bank, task, TECH).candidates

    assert one.that_day is None
    assert next((each.field, each.held) for each in reconciling.shown(bank, task, TECH).guesses) == ("taken_at", "")


def test_a_patient_is_searched_by_identifier_or_name_and_nobody_is_chosen(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    hear(bank, PatientId("south", "HX-204"), "Haddad^Amina")
    propose(bank, photo, ("patient_id", "HX-204", 0.6))
    for sought in ("HX-204", "had am", "AMINA"):
        (one,) = reconciling.shown(bank, task_of(photo), TECH, sought=sought).candidates
        assert (one.identity.patient, one.is_likely) == (AMINA, False)

    assert reconciling.shown(bank, task_of(photo), TECH, sought="nobody").candidates == ()


def test_somebody_whom_nobody_has_heard_of_can_be_named(bank: Bank) -> None:
    photo = a_photo(bank)
    new = PatientId("north", "N-1")
    with pytest.raises(NotFound, match="no such patient"):
        reconciling.identify(bank, task_of(photo), TECH, new)
    with pytest.raises(Invalid, match="has an identifier"):
        reconciling.identify(bank, task_of(photo), TECH, PatientId("north", ""))
    reconciling.identify(bank, task_of(photo), TECH, new, new=Identity(new, PersonName("Silva^Rui")))
    (now,) = bank.index.instances(Selection(instance=photo.uid), ALL)

    assert now.patient == new


def test_what_is_held_is_said_and_what_is_proposed_may_be_so(bank: Bank) -> None:
    photo = a_photo(bank)
    unsaid = a_photo(bank, About())
    propose(
        bank,
        unsaid,
        ("taken_at", "2026-03-01T08:00", 0.4),
        ("department", "ophthalmology", 0.97),
        ("body_part", "EYE", 0.7),
        ("body_part", "FACE", 0.2),
        ("laterality", "L", 0.1),
    )
    known = {one.field: one for one in reconciling.shown(bank, task_of(photo), TECH).guesses}
    open_ = {one.field: one for one in reconciling.shown(bank, task_of(unsaid), TECH).guesses}

    assert (known["taken_at"].value, known["taken_at"].bars) == ("2026-10-30T10:44", 5)
    assert [known[field].bars for field in ("department", "body_part", "laterality", "description")] == [0] * 4
    assert not any(one.is_low for one in known.values())
    assert (open_["taken_at"].value, open_["taken_at"].bars, open_["taken_at"].is_low) == ("", 2, True)
    assert (open_["department"].value, open_["department"].bars) == ("ophthalmology", 5)
    assert (open_["body_part"].value, open_["body_part"].bars, open_["body_part"].is_low) == ("EYE", 4, False)
    assert [one.value for one in open_["body_part"].proposals] == ["EYE", "FACE"]
    assert (open_["laterality"].value, open_["laterality"].bars, open_["laterality"].is_low) == ("", 1, True)


def test_what_the_images_of_a_study_say_differently_is_none_of_the_study(bank: Bank) -> None:
    left, right = (a_photo(bank, About(batch="pair", taken_at=NOON.replace(tzinfo=None))) for _ in range(2))
    propose(bank, left, ("laterality", "L", 0.9))
    propose(bank, right, ("laterality", "R", 0.9))
    hear(bank, AMINA, "Haddad^Amina")
    fields = [one.field for one in reconciling.shown(bank, task_of(left), TECH).guesses]
    reconciling.identify(bank, task_of(left), TECH, AMINA, {"taken_at": "2026-10-29T09:30"})
    both = bank.index.instances(Selection(study=left.study), ALL)

    assert left.study == right.study
    assert fields == ["taken_at", "department", "body_part", "description"]
    assert {one.patient for one in both} == {AMINA}
    held = retrieve.attributes(bank, both[0])
    assert (held["00080020"]["Value"], held["00080023"]["Value"]) == (["20261029"], ["20261030"])


def test_a_side_that_is_the_series_is_changed_there(bank: Bank) -> None:
    keep(bank, a_file(PatientID="", Laterality="R"), source=replace(SOURCE, organization="north"))
    hear(bank, AMINA, "Haddad^Amina")
    (task,) = waiting(bank)
    reconciling.identify(bank, task, TECH, AMINA, {"laterality": "L"})
    (now,) = bank.index.instances(Selection(), ALL)

    assert retrieve.attributes(bank, now)["00200060"]["Value"] == ["L"]


def test_only_who_may_reconcile_and_sees_it_has_the_queue(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    guest = replace(SOUTH, scope=Scope.of("south", "north"))
    with pytest.raises(NotAllowed):
        waiting(bank, DOCTOR)
    with pytest.raises(NotAllowed):
        reconciling.shown(bank, task_of(photo), DOCTOR)
    with pytest.raises(NotAllowed):
        reconciling.counts(bank, DOCTOR)
    for hidden in (reconciling.shown, reconciling.take, reconciling.let_go, reconciling.postpone):
        with pytest.raises(NotFound):
            hidden(bank, task_of(photo), SOUTH)
    with pytest.raises(NotAllowed, match="only the organization"):
        reconciling.identify(bank, task_of(photo), guest, AMINA)
    with pytest.raises(NotAllowed, match="only the organization"):
        reconciling.identify(bank, task_of(photo), TECH, PatientId("south", "1"))

    assert reconciling.shown(bank, task_of(photo), guest).candidates == ()
    assert waiting(bank, SOUTH) == []
    assert [reconciling.waiting(bank, who) for who in (TECH, SOUTH, DOCTOR)] == [1, 0, 0]
    assert reconciling.counts(bank, TECH).total == 1


def test_two_people_do_not_do_the_same(bank: Bank) -> None:
    photo = a_photo(bank)
    hear(bank, AMINA, "Haddad^Amina")
    taken = reconciling.take(bank, task_of(photo), TECH)
    for act in (reconciling.take, reconciling.postpone, reconciling.let_go):
        with pytest.raises(Conflict):
            act(bank, task_of(photo), MATE)
    with pytest.raises(Conflict):
        reconciling.identify(bank, task_of(photo), MATE, AMINA)
    given = reconciling.let_go(bank, task_of(photo), TECH)

    assert (taken.mark.taken_by, taken.mark.is_taken(bank.now())) == ("tech", True)
    assert not given.mark.is_taken(bank.now())
    reconciling.identify(bank, task_of(photo), MATE, AMINA)
    assert waiting(bank) == []


def test_what_is_put_off_comes_back_and_what_is_laid_aside_until_somebody_takes_it_up(bank: Bank) -> None:
    one, two = a_photo(bank), a_photo(bank)
    later = bank.now() + timedelta(hours=2)
    put_off = reconciling.postpone(bank, task_of(one), TECH, later)
    aside = reconciling.lay_aside(bank, task_of(two), TECH, "not  ours")
    for bad in (bank.now(), bank.now() + timedelta(days=400)):
        with pytest.raises(Invalid, match="next year"):
            reconciling.postpone(bank, task_of(one), TECH, bad)
    with pytest.raises(Invalid, match="say why"):
        reconciling.lay_aside(bank, task_of(one), TECH, " ")
    with pytest.raises(Invalid, match="characters"):
        reconciling.lay_aside(bank, task_of(one), TECH, "x" * 1001)
    with pytest.raises(Invalid, match="say whose"):
        reconciling.settle(bank, task_of(one), TECH, "same")

    assert put_off.mark.postponed_until == later
    assert (aside.state(bank.now()), aside.mark.reason) == (State.ASIDE, "not ours")
    assert waiting(bank) == []
    reconciling.undo(bank, task_of(one), TECH)
    reconciling.undo(bank, task_of(two), TECH)
    assert waiting(bank) == [task_of(one), task_of(two)]


def test_two_records_that_are_alike_stand_in_the_same_queue_and_are_decided_there(bank: Bank) -> None:
    for patient in (PatientId("north", "1"), PatientId("south", "1")):
        keep(bank, a_file(PatientID=patient.identifier), source=replace(SOURCE, organization=patient.issuer))
        hear(bank, patient, "Varga^Ada" if patient.issuer == "north" else "Varga^Piroska")
    (task,) = reconciling.page(bank, Wanted(kind=Kind.SAME_PERSON), ADMIN).tasks
    records = reconciling.shown(bank, task.id, ADMIN).records
    with pytest.raises(Invalid, match="or they are apart"):
        reconciling.settle(bank, task.id, ADMIN, "maybe")
    postponed = reconciling.postpone(bank, task.id, ADMIN)
    settled = reconciling.settle(bank, task.id, ADMIN, "same", "asked her")

    assert {one.identity.patient for one in records} == {PatientId("north", "1"), PatientId("south", "1")}
    assert postponed.state(bank.now()) is State.POSTPONED
    assert settled.mark.how == "same"
    assert bank.index.persons.decisions(ALL, 1)[0].reason == "asked her"
    with pytest.raises(NotFound):
        reconciling.shown(bank, task.id, ADMIN)


def a_disc(*studies: str) -> Task:
    about = tuple(Uid(one) for one in studies)
    return Task(filed(Kind.MEDIA, "disc 7"), Kind.MEDIA, "north", about, NOON, note="of another hospital")


def test_others_file_what_somebody_has_to_decide_and_it_is_settled_once(bank: Bank) -> None:
    photo = a_photo(bank)
    with bank.index.begin() as tx:
        new = [filing.file(bank, tx, a_disc(photo.study)) for _ in range(2)]
        with pytest.raises(Invalid):
            filing.file(bank, tx, a_disc())
    shown = reconciling.shown(bank, a_disc().id, TECH)
    for bad in ("", "aside", "ünder", "x" * 33):
        with pytest.raises(Invalid, match="in a word"):
            reconciling.settle(bank, a_disc().id, TECH, bad)
    settled = reconciling.settle(bank, a_disc().id, TECH, "not the same", "other patient")

    assert new == [True, False]
    assert shown.instances == (photo,)
    assert (settled.state(bank.now()), settled.mark.how) == (State.SETTLED, "not the same")
    with pytest.raises(Conflict):
        reconciling.settle(bank, a_disc().id, TECH, "same")
    assert reconciling.undo(bank, a_disc().id, TECH).state(bank.now()) is State.OPEN


def test_a_side_that_was_put_there_for_want_of_better_is_not_said(bank: Bank) -> None:
    photo = a_photo(bank, About(department=Department.OPHTHALMOLOGY))
    known = {one.field: one for one in reconciling.shown(bank, task_of(photo), TECH).guesses}

    assert (known["laterality"].held, known["laterality"].value, known["laterality"].is_low) == ("B", "", True)


def test_a_rebuilt_bank_has_the_queue_as_it_was_left(bank: Bank) -> None:
    one, two, gone = a_photo(bank), a_photo(bank), a_photo(bank)
    with bank.index.begin() as tx:
        filing.file(bank, tx, a_disc(one.study))
    reconciling.lay_aside(bank, task_of(two), TECH, "not ours")
    reconciling.postpone(bank, a_disc().id, TECH)
    reconciling.undo(bank, a_disc().id, TECH)
    remove.remove(bank, Selection(study=gone.study), ADMIN)
    do_jobs(bank)
    before = reconciling.page(bank, Wanted(), TECH), reconciling.page(bank, Wanted(State.ASIDE), TECH)
    bank.index.wipe()
    reindex.reindex(bank)

    assert len(before[0].tasks) == 2
    assert (reconciling.page(bank, Wanted(), TECH), reconciling.page(bank, Wanted(State.ASIDE), TECH)) == before
