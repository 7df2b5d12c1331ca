"""What is worth comparing with an exam that is only ordered, and the same as the answer to a search."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import consent, finding, orders, prior_view, priors, rights, unknown_words
from imagebank.bank import Bank
from imagebank.errors import Invalid, Mismatch, NotAllowed, NotFound
from imagebank.model.access import Principal, Right, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.exam import Group
from imagebank.model.order import Code, Order, Ordered, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.query import Query, condition
from imagebank.model.uid import Uid
from unit.actions.test_priors import ADMIN, ALL, N1, NORTH, S1, deposit, linked, of

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
HEAD = Order(
    "north",
    Patient(N1, "Varga^Ada"),
    NOW,
    State.SCHEDULED,
    placer="P/1",
    filler="F1",
    accession="A5",
    modality="CT",
    scheduled_at="202603021000",
    ordered=Ordered(Code("70450", "CT HEAD WO", "C4")),
)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path, organization="north", time_zone="Asia/Tokyo") as opened:
        yield replace(opened, now=lambda: NOW)


def found_by(bank: Bank, principal: Principal = ADMIN, **keys: str) -> list[str]:
    named = ((bank.catalogue.by_keyword[keyword], value) for keyword, value in keys.items())
    asked = tuple(each for attribute, value in named if (each := condition(attribute, value)) is not None)
    found = prior_view.find(bank, Query(Level.STUDY, asked), principal, "test")
    return [one.attributes["0020000D"]["Value"][0] for one in found]


def test_an_order_has_priors_of_all_linked_records(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20250101", "CT HEAD")
    deposit(bank, S1, "1.2.2", "20260101", "CT Kopf nativ")
    deposit(bank, N1, "1.2.3", "20260201", "CT FOOT LT")
    linked(bank)
    orders.hear(bank, [HEAD], "RIS")
    by_number = [priors.of_order(bank, ADMIN, number, "test", "10.0.0.1") for number in ("P/1", "F1")]

    assert [of(one) for one in by_number] == [["1.2.2", "1.2.1"]] * 2
    asked = by_number[0].asked
    assert (asked.exam.group, asked.exam.regions, asked.day) == (Group.CT, ("HEAD",), date(2026, 3, 2))
    assert of(priors.of_order(bank, NORTH, "F1", "test")) == ["1.2.1"]
    told = {one.detail.removesuffix(": more") for one in bank.index.events(ALL) if one.address == "10.0.0.1"}
    assert told == {"test: priors of an order"}


def test_an_order_that_is_not_there_or_of_others_does_not_exist(bank: Bank) -> None:
    orders.hear(bank, [HEAD], "RIS")
    of_a_card = replace(
        NORTH, role=Role.RECIPIENT, scope=Scope(frozenset({"north"}), studies=frozenset({Uid("1.2.1")}))
    )
    with pytest.raises(NotFound):
        priors.of_order(bank, of_a_card, "F1", "test")
    for caller, number in ((ADMIN, "F9"), (ADMIN, ""), (replace(ADMIN, scope=Scope.of("south")), "F1")):
        with pytest.raises(NotFound, match="there is no such order here"):
            priors.of_order(bank, caller, number, "test")
    with pytest.raises(NotFound):
        priors.of_order(bank, ADMIN, "", "test", by_accession=True)
    with pytest.raises(NotAllowed):
        priors.of_order(bank, replace(of_a_card, rights=frozenset({Right.GET})), "F1", "test")


def test_a_number_of_several_patients_is_none_and_of_several_steps_the_first_that_is_open_counts(bank: Bank) -> None:
    foot = replace(HEAD, step_id="S2", ordered=Ordered(Code("X", "CT FOOT LT", "L")), scheduled_at="202603030900")
    orders.hear(bank, [replace(HEAD, step_id="S1", state=State.DONE), foot], "RIS")
    orders.hear(bank, [replace(HEAD, placer="P2", filler="F2", state=State.CANCELLED)], "RIS")
    assert priors.of_order(bank, ADMIN, "F1", "test").asked.exam.regions == ("FOOT",)
    assert priors.of_order(bank, ADMIN, "F2", "test").asked.exam.regions == ("HEAD",)

    orders.hear(bank, [replace(HEAD, organization="south", patient=Patient(S1))], "RIS")
    with pytest.raises(Invalid, match="several patients have an order with this number"):
        priors.of_order(bank, ADMIN, "F1", "test")


def test_days_are_the_sites_own_and_a_clock_may_be_a_day_ahead(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260303", "CT HEAD")
    deposit(bank, N1, "1.2.2", "20260304", "CT HEAD")
    deposit(bank, N1, "1.2.3", "", "CT HEAD")
    orders.hear(
        bank, [replace(HEAD, scheduled_at="", modality="", ordered=Ordered(protocol=Code("", "CT HEAD", "")))], "RIS"
    )
    found = priors.of_order(bank, ADMIN, "F1", "test")

    assert found.asked.day == date(2026, 3, 2)  # in Tokyo it is the next morning
    assert of(found) == ["1.2.1", "1.2.3"]
    assert priors.of_study(bank, ADMIN, Uid("1.2.3"), "test").asked.day == date(2026, 3, 2)


def test_a_side_that_contradicts_is_no_prior_and_a_missing_body_part_is_read_from_words(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260101", "XR KNEE LEFT", Modality="DX")
    deposit(bank, N1, "1.2.2", "20260101", "XR KNEE RIGHT", Modality="DX")
    deposit(bank, N1, "1.2.3", "20260101", "XR KNEE LEFT", Modality="DX", BodyPartExamined="KNEE", Laterality="R")
    knee = replace(HEAD, modality="DX", ordered=Ordered(Code("", "XR KNEE RIGHT", "")))
    orders.hear(bank, [knee], "RIS")
    found = of(priors.of_order(bank, ADMIN, "F1", "test"))

    assert found[0] == "1.2.2"
    assert "1.2.1" not in found


def test_a_search_for_a_study_or_an_order_finds_its_priors_best_first(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO", AccessionNumber="A7")
    deposit(bank, N1, "1.2.2", "20250101", "CT HEAD", AccessionNumber="A8")
    deposit(bank, S1, "1.2.3", "20260101", "MR HEAD", Modality="MR")
    linked(bank)
    orders.hear(bank, [HEAD], "RIS")

    assert found_by(bank, StudyInstanceUID="1.2.1") == of(priors.of_study(bank, ADMIN, Uid("1.2.1"), "test"))
    assert set(found_by(bank, AccessionNumber="A7", PatientID="N1")) == {"1.2.2", "1.2.3"}
    assert found_by(bank, AccessionNumber="A7", ModalitiesInStudy="MR") == ["1.2.3"]
    assert found_by(bank, NORTH, AccessionNumber="A7") == ["1.2.2"]
    assert found_by(bank, StudyInstanceUID="1.2.2") == []
    assert found_by(bank, AccessionNumber="A5")[0] == "1.2.1"
    assert found_by(bank, AccessionNumber="A5", PatientID="N9") == []
    assert found_by(bank, StudyInstanceUID="1.2.99") == found_by(bank, AccessionNumber="A99") == []


def test_a_search_that_names_no_single_study_is_refused(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO", AccessionNumber="A7")
    deposit(bank, N1, "1.2.2", "20260101", "CT HEAD", AccessionNumber="A7")
    vague: tuple[dict[str, str], ...] = ({}, {"AccessionNumber": "A*"}, {"StudyInstanceUID": "1.2.1\\1.2.2"})
    for keys in (*vague, {"PatientID": "N1"}):
        with pytest.raises(Mismatch, match="name the study"):
            found_by(bank, ADMIN, **keys)
    with pytest.raises(Mismatch, match="several studies"):
        found_by(bank, AccessionNumber="A7")
    with pytest.raises(NotAllowed):
        found_by(bank, replace(ADMIN, rights=frozenset()), AccessionNumber="A7")


def test_words_that_no_table_knows_are_told_when_three_persons_have_them(bank: Bank) -> None:
    for number, words in enumerate(
        ("jennyscan head", "JENNYSCAN head zorgblat", "jennyscan x17q", "zorgblat", "varga")
    ):
        patient = PatientId("north", f"U{number}")
        deposit(bank, patient, f"1.3.{number}", "20260101", f"CT {words}")
        finding.write(bank, Uid(f"1.3.{number}"))
    deposit(bank, PatientId("north", ""), "1.3.9", "20260101", "CT zorgblat")
    finding.write(bank, Uid("1.3.9"))

    assert unknown_words.unknown(bank, ADMIN) == [unknown_words.Unknown("jennyscan", 3, "CT")]
    assert unknown_words.unknown(bank, ADMIN, studies=2) == unknown_words.unknown(bank, ADMIN, most=0) == []
    with pytest.raises(NotAllowed):
        unknown_words.unknown(bank, replace(ADMIN, rights=frozenset()))


def test_three_records_of_one_person_are_one_person(bank: Bank) -> None:
    for number, patient in enumerate((N1, S1, PatientId("west", "W1"))):
        deposit(bank, patient, f"1.3.{number}", "20260101", "CT jennyscan")
        finding.write(bank, Uid(f"1.3.{number}"))
    linked(bank)

    assert unknown_words.unknown(bank, ADMIN) == []


def test_what_the_patient_denies_gives_nothing_away(bank: Bank) -> None:
    deposit(bank, N1, "1.2.1", "20260115", "CT HEAD WO", AccessionNumber="A7")
    deposit(bank, S1, "1.2.2", "20260101", "CT HEAD", AccessionNumber="A8")
    linked(bank)
    orders.hear(bank, [HEAD], "RIS")
    since = NOW - timedelta(days=1)
    permit = Provision("", Kind.CONSENT, permits=True, patient=S1, organization="north", starts_at=since)
    officer = replace(ADMIN, organization="south")

    def seen() -> tuple[list[str], list[str], list[str]]:
        doctor = rights.principal(bank, "doctor", Role.CLINICIAN, "north")
        by_order = of(priors.of_order(bank, doctor, "F1", "test"))
        return by_order, found_by(bank, doctor, AccessionNumber="A7"), found_by(bank, doctor, AccessionNumber="A8")

    before = seen()
    made = consent.decide(bank, permit, officer)
    with_consent = seen()
    consent.revoke(bank, made.id, officer)

    assert before == seen() == (["1.2.1"], [], [])
    assert with_consent == (["1.2.1", "1.2.2"], ["1.2.2"], [])
