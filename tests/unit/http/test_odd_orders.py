"""Odd orders and odd studies: the priors, and whether an order repeats an exam, whatever way it is asked."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bank import SOURCE, a_token, bearer, keep, open_test_bank
from hl7 import msh, pid, segments
from imagebank.actions import consent, orders, persons, repeat_orders
from imagebank.app import web_application
from imagebank.bank import Bank
from imagebank.hl7.messages import read
from imagebank.hl7.orders import orders as orders_of
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from imagebank.worker import WORK, step
from make import a_file
from unit.portal.browsing import SITE, Browser

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""It is the third of March already where the site is."""
ZONE = "Pacific/Auckland"
SYSTEM = "urn:imagebank:issuer:north"
ADMIN = Principal("root", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(None))
WAYS = ("cds", "api", "hl7")
_LOOKING = {repeat_orders.JOB: WORK[repeat_orders.JOB]}


@dataclass(frozen=True)
class Case:
    """An order, and earlier studies by what they say: which of them answers it, if any, and which are its priors.

    `beside` is what the order says of the side beside its words: a part of the body, a tag, a protocol.
    """

    order: str
    studies: tuple[dict[str, str], ...]
    told: int | None
    priors: tuple[int, ...]
    modality: str = "CT"
    beside: str = ""


def of(words: str, modality: str = "CT", day: str = "20260228", **tags: str) -> dict[str, str]:
    return {"StudyDescription": words, "Modality": modality, "StudyDate": day, **tags}


LEFT, RIGHT = of("MR knee left", "MR"), of("MR knee right", "MR", Laterality="R")
TRUNK = of("CT chest abdomen pelvis with contrast")
ABDOMEN = "CT abdomen with contrast"
CASES = {
    "the other side": Case("MR knee right", (LEFT,), None, (), "MR"),
    "the same side": Case("MR knee right", (LEFT, RIGHT), 1, (1,), "MR"),
    "an order whose sides contradict": Case("MR knee left", (LEFT,), None, (0,), "MR", "right"),
    "a study whose sides contradict": Case("MR knee left", ({**LEFT, "Laterality": "R"},), None, (0,), "MR"),
    "a body part that the words say": Case("CT head", (of("Schädel nativ"),), 0, (0,)),
    "a body part that nobody says": Case("CT head", (of(""),), None, (0,)),
    "an order without a body part": Case("CT", (of("CT head"),), None, (0,)),
    "a child": Case("Paed CT abdomen", (of("CT abdomen paediatric", PatientAge="004Y"),), 0, (0,)),
    "an implant": Case("XR hip left, prosthesis", (of("XR hip left after replacement", "DX"),), 0, (0,), "DX"),
    "a modality that is none": Case(ABDOMEN, (of(ABDOMEN, "OT"),), 0, (0,)),
    "a report without images": Case(ABDOMEN, (of(ABDOMEN, "SR"),), None, ()),
    "another modality": Case(ABDOMEN, (of("MR abdomen with contrast", "MR"),), None, (0,)),
    "a part of several regions": Case(ABDOMEN, (TRUNK,), 0, (0,)),
    "another region than several": Case("CT head", (TRUNK,), None, ()),
    "several regions of which one was made": Case(TRUNK["StudyDescription"], (of(ABDOMEN),), None, (0,)),
    "a clock that is a day ahead": Case("XR chest", (of("XR chest", "DX", "20260304"),), 0, (0,), "DX"),
    "a clock that is wrong": Case("XR chest", (of("XR chest", "DX", "20260305"),), None, (), "DX"),
    "the last day of a window": Case("XR chest", (of("XR chest", "DX", "20260228"),), 0, (0,), "DX"),
    "a day too many where the site is": Case("XR chest", (of("XR chest", "DX", "20260227"),), None, (0,), "DX"),
}  # fmt: skip


@dataclass(frozen=True)
class Here:
    bank: Bank
    browser: Browser
    doctor: dict[str, str]

    def ask(self, way: str, case: Case, patient: str, **more: Any) -> set[str]:
        """The studies that are said to answer an order for a patient."""
        if way == "hl7":
            return self.hear(case, patient)
        answer = self.sign(case, patient, **more) if way == "cds" else self.post(case, patient)
        if way == "cds":
            return {one["links"][0]["url"].rpartition("/")[2] for one in answer["cards"]}
        return {one["study"] for one in answer["alerts"]}

    def sign(self, case: Case, patient: str, **more: Any) -> Any:
        order: dict[str, Any] = {"resourceType": "ServiceRequest", "id": "o1", "code": {"text": case.order}, **more}
        if case.beside:
            order["bodySite"] = [{"text": f"knee {case.beside}"}]
        who = {"resourceType": "Patient", "id": "p1", "identifier": [{"system": SYSTEM, "value": patient}]}
        context = {"patientId": "p1", "userId": "Practitioner/1", "draftOrders": {"entry": [{"resource": order}]}}
        call = {"hook": "order-sign", "hookInstance": "1", "context": context, "prefetch": {"patient": who}}
        return self.sent("/cds-services/repeat-check-sign", call)

    def post(self, case: Case, patient: str) -> Any:
        order = {"description": case.order, "modality": case.modality, "laterality": case.beside[:1].upper()}
        whose = {"issuer": "north", "identifier": patient}
        return self.sent("/api/v1/repeat-check", {"patient": whose, "order": order})

    def sent(self, path: str, body: Any) -> Any:
        answer = self.browser.ask("POST", path, self.doctor, content=json.dumps(body))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def hear(self, case: Case, patient: str) -> set[str]:
        """Take in an order by HL7, with what follows from it; its number is that of its patient."""
        protocol = f"^P^MR knee {case.beside}^L" if case.beside else ""
        message = segments(
            msh("ORM^O01", version="2.3.1"),
            pid(patient),
            f"ORC|NW|{patient}||||||||||||WARD",
            f"OBR|1|{patient}||X^{case.order}^L{protocol}|||||||||||||||||||||{case.modality}",
        )
        orders.hear(self.bank, orders_of(read(message), "north", NOW), "ris")
        while step(self.bank, _LOOKING):
            pass
        found = self.bank.index.alerts.of_order("north", [patient], Scope(None))
        return {str(one.study) for one in found if one.task}

    def priors(self, patient: str) -> list[str]:
        answer = self.browser.get(f"/api/v1/orders/{patient}/priors", self.doctor)
        assert answer.status_code == 200, answer.text
        return [one["study"] for one in answer.json()["priors"]]

    def keep(self, patient: str, *studies: dict[str, str]) -> list[str]:
        """Deposit studies of a patient; their UIDs."""
        who = {"PatientID": patient, "IssuerOfPatientID": "north", "BodyPartExamined": ""}
        files = [a_file(**who, **one) for one in studies]
        return [str(one.study) for one in keep(self.bank, *files, source=replace(SOURCE, organization="north"))]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    given = {"organization": "north", "public_url": SITE, "time_zone": ZONE}
    with open_test_bank(tmp_path_factory.mktemp("odd"), **given) as opened:
        bank = replace(opened, now=lambda: NOW)
        doctor = bearer(a_token(bank, Role.CLINICIAN, organization="north"))
        yield Here(bank, Browser(web_application(bank)), doctor)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CASES)
def test_an_order_repeats_what_answers_it_and_nothing_else(here: Here, name: str, way: str) -> None:
    case, patient = CASES[name], f"{way}{list(CASES).index(name)}"
    made = here.keep(patient, *case.studies)

    assert here.ask(way, case, patient) == ({made[case.told]} if case.told is not None else set())


@pytest.mark.parametrize("name", CASES)
def test_priors_of_an_order_are_those_worth_comparing(here: Here, name: str) -> None:
    case, patient = CASES[name], f"priors{list(CASES).index(name)}"
    made = here.keep(patient, *case.studies)
    here.hear(case, patient)

    assert here.priors(patient) == [made[one] for one in case.priors]


@pytest.mark.parametrize("way", WAYS)
def test_records_that_were_merged_are_one_person(here: Here, way: str) -> None:
    old, new = f"old{way}", f"new{way}"
    made = here.keep(old, of(ABDOMEN))
    for one in (old, new):
        persons.hear(here.bank, Identity(PatientId("north", one), PersonName.parse("Doe^Ana"), heard_at=NOW))
    persons.merge(here.bank, ADMIN, PatientId("north", old), PatientId("north", new), "twice registered")

    assert here.ask(way, Case(ABDOMEN, (), 0, ()), new) == set(made)
    if way == "hl7":
        assert here.priors(new) == made


@pytest.mark.parametrize("way", WAYS)
def test_an_exam_that_was_broken_off_answers_nothing_and_one_before_it_does(here: Here, way: str) -> None:
    patient = f"broken{way}"
    before, broken = here.keep(patient, of(ABDOMEN, day="20260220"), of(ABDOMEN))
    order = Order("north", Patient(PatientId("north", patient)), NOW, State.STOPPED, f"b{way}", study=Uid(broken))
    orders.hear(here.bank, [order], "ris")

    assert here.ask(way, Case(ABDOMEN, (), 0, ()), patient) == {before}


@pytest.mark.parametrize("way", WAYS)
def test_a_denied_exam_is_given_away_by_nothing(here: Here, way: str) -> None:
    case, patient, nobody = Case(ABDOMEN, (), None, ()), f"denied{way}", f"nobody{way}"
    here.keep(patient, of(ABDOMEN))
    denied = Provision("", Kind.CONSENT, permits=False, patient=PatientId("north", patient), starts_at=NOW)
    consent.decide(here.bank, replace(denied, starts_at=NOW - timedelta(days=1)), ADMIN)

    assert here.ask(way, case, patient) == set()
    if way == "hl7":
        assert here.hear(case, nobody) == set()
        assert here.priors(patient) == here.priors(nobody) == []
        assert here.bank.index.alerts.of_order("north", [patient, nobody], Scope(None)) == []
    else:
        asked = here.sign if way == "cds" else here.post
        assert asked(case, patient) == asked(case, nobody)


def test_the_day_of_a_moment_is_that_of_the_site(here: Here) -> None:
    case = Case("XR chest", (), 0, (), "DX")
    made = here.keep("moment", of("XR chest", "DX", "20260228"))

    assert here.ask("cds", case, "moment", occurrenceDateTime="2026-03-03T02:00:00-08:00") == set(made)
    assert here.ask("cds", case, "moment", occurrenceDateTime="2026-03-03T04:00:00-08:00") == set()
