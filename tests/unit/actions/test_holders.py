"""What an account holds and what a card opens: seen while it holds, and nothing beside."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, holders, persons, rights
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.attribute import Level
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind, Provision, Relation, Term
from imagebank.model.query import Query
from imagebank.model.uid import Uid
from make import a_file

OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "north", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
KEEPER = Principal("keeper", Role.ADMIN, "north", RIGHTS[Role.ADMIN], Scope(organizations=None))
ADA, ADA_TOO, BOB = PatientId("north", "ADA"), PatientId("south", "4711"), PatientId("north", "BOB")
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """Ada's CT of the head and MR of the knee, Bob's CT, and at another organization a CT of who is Ada, too."""
    with open_test_bank(tmp_path, organization="north") as opened:
        head = {"Modality": "CT", "BodyPartExamined": "HEAD", "StudyDate": "20260110"}
        keep(opened, a_file(StudyInstanceUID="1.1", PatientID="ADA", **head), source=of("north"))
        knee = {"Modality": "MR", "BodyPartExamined": "KNEE", "StudyDate": "20250110"}
        keep(opened, a_file(StudyInstanceUID="1.2", PatientID="ADA", **knee), source=of("north"))
        keep(opened, a_file(StudyInstanceUID="1.3", PatientID="BOB", **head), source=of("north"))
        keep(opened, a_file(StudyInstanceUID="1.4", PatientID="4711", **head), source=of("south"))
        yield opened


def of(organization: str) -> Any:
    return replace(SOURCE, organization=organization)


def put(bank: Bank, kind: Kind, patient: PatientId = ADA, **given: Any) -> Provision:
    """What an account or a card action will write."""
    names = {Kind.HOLDING: ("ada@example.org", Role.PATIENT), Kind.CARD: ("card-c0ffee", Role.RECIPIENT)}
    name, role = names[kind]
    given = {"id": "c0ffee.1", "starts_at": LONG_AGO, "principal": name, "role": role, **given}
    one = Provision(kind=kind, permits=True, patient=patient, **given)
    with bank.index.begin() as tx:
        tx.put_provision(one)
    return one


def holder(bank: Bank) -> Principal:
    return rights.principal(bank, "ada@example.org", Role.PATIENT, "north")


def recipient(bank: Bank, number: int = 1) -> Principal:
    return rights.principal(bank, holders.withdrawal_name("c0ffee", number), Role.RECIPIENT, "north")


def seen(bank: Bank, who: Principal) -> list[str]:
    return sorted({str(one.study) for one in bank.index.instances(Selection(), who.scope)})


def test_an_account_sees_what_it_holds_and_nothing_before_or_after(bank: Bank) -> None:
    assert seen(bank, holder(bank)) == []

    one = put(bank, Kind.HOLDING, terms=Relation.OWNER)
    assert seen(bank, holder(bank)) == ["1.1", "1.2"]
    assert holder(bank).scope.reports

    with bank.index.begin() as tx:
        tx.revoke_provision(one.id, bank.now())
    assert seen(bank, holder(bank)) == []


def test_a_parents_hold_ends_by_itself(bank: Bank) -> None:
    put(bank, Kind.HOLDING, terms=Relation.PARENT, ends_at=bank.now() - timedelta(seconds=1))

    assert seen(bank, holder(bank)) == []


def test_what_officers_deny_others_is_not_denied_to_the_owner(bank: Bank) -> None:
    put(bank, Kind.HOLDING)
    consent.decide(bank, Provision("", Kind.CONSENT, permits=False, patient=ADA, starts_at=LONG_AGO), OFFICER)

    assert seen(bank, holder(bank)) == ["1.1", "1.2"]


@pytest.mark.parametrize(("of_person", "expected"), [(True, ["1.1", "1.2", "1.4"]), (False, ["1.1", "1.2"])])
def test_linked_records_are_seen_as_far_as_the_holding_holds_for_them(
    bank: Bank, of_person: bool, expected: list[str]
) -> None:
    for patient in (ADA, ADA_TOO):
        persons.hear(bank, Identity(patient, PersonName("Lovelace^Ada")))
    made = persons.link(bank, KEEPER, ADA, ADA_TOO, "the same passport")
    put(bank, Kind.HOLDING, of_person=of_person)

    assert seen(bank, holder(bank)) == expected

    persons.undo(bank, KEEPER, made.id, "two passports")
    assert seen(bank, holder(bank)) == ["1.1", "1.2"]


@pytest.mark.parametrize(
    ("narrowing", "expected"),
    [
        ({}, ["1.1", "1.2"]),
        ({"study": Uid("1.2")}, ["1.2"]),
        ({"modality": "CT"}, ["1.1"]),
        ({"body_part": "KNEE"}, ["1.2"]),
        ({"body_part": "EYE"}, []),
        ({"since": "20260101"}, ["1.1"]),
    ],
)
def test_a_card_opens_what_it_says(bank: Bank, narrowing: dict[str, Any], expected: list[str]) -> None:
    put(bank, Kind.CARD, **narrowing)

    assert seen(bank, recipient(bank)) == expected
    assert seen(bank, recipient(bank, 2)) == expected


@pytest.mark.parametrize("narrowing", [{"modality": "CT"}, {"body_part": "HEAD"}])
def test_a_report_of_the_dose_does_not_take_a_study_out_of_what_a_card_opens(
    bank: Bank, narrowing: dict[str, Any]
) -> None:
    dose = {"StudyInstanceUID": "1.1", "PatientID": "ADA", "Modality": "SR", "SeriesInstanceUID": "1.1.7"}
    keep(bank, a_file(**dose), source=of("north"))
    keep(bank, a_file(**dose | {"StudyInstanceUID": "1.5", "SeriesInstanceUID": "1.5.7"}), source=of("north"))
    put(bank, Kind.CARD, **narrowing)
    assert seen(bank, recipient(bank)) == ["1.1"]

    keep(bank, a_file(**dose | {"Modality": "MR", "SeriesInstanceUID": "1.1.8"}), source=of("north"))
    assert seen(bank, recipient(bank)) == []


def test_a_card_opens_only_its_owners_studies(bank: Bank) -> None:
    put(bank, Kind.CARD, study=Uid("1.3"))

    assert seen(bank, recipient(bank)) == []


def test_other_cards_and_other_roles_of_that_name_see_nothing(bank: Bank) -> None:
    put(bank, Kind.CARD)
    name = holders.withdrawal_name("c0ffee", 1)

    assert seen(bank, rights.principal(bank, holders.withdrawal_name("beef", 1), Role.RECIPIENT, "north")) == []
    assert seen(bank, rights.principal(bank, name, Role.PATIENT, "north")) == []
    assert seen(bank, rights.principal(bank, name, Role.RECIPIENT, "north", is_proven=False)) == []


def test_a_card_freezes_and_thaws_at_the_next_request(bank: Bank) -> None:
    one = put(bank, Kind.CARD)
    put(bank, Kind.CARD, revoked_at=bank.now())
    assert seen(bank, recipient(bank)) == []

    with bank.index.begin() as tx:
        tx.put_provision(one)
    assert seen(bank, recipient(bank)) == ["1.1", "1.2"]


@pytest.mark.parametrize(
    ("terms", "reports", "takes"),
    [("", False, False), (Term.REPORTS, True, False), (Term.TAKING, False, True), ("reports taking", True, True)],
)
def test_the_terms_of_a_card(bank: Bank, terms: str, reports: bool, takes: bool) -> None:
    put(bank, Kind.CARD, terms=terms)
    who = recipient(bank)

    assert who.scope.reports is reports
    assert who.only_looks is not takes
    if takes:
        who.require_taking()
    else:
        with pytest.raises(NotAllowed):
            who.require_taking()


@pytest.mark.parametrize("terms", ["", Term.REPORTS])
def test_without_reports_documents_among_the_objects_are_not_there_either(bank: Bank, terms: str) -> None:
    named = {"StudyInstanceUID": "1.1", "PatientID": "ADA"}
    keep(bank, a_file(**named, Modality="SR", SeriesInstanceUID="1.1.5"), source=of("north"))
    keep(bank, a_file(**named, Modality="DOC", SeriesInstanceUID="1.1.6"), source=of("north"))
    put(bank, Kind.CARD, terms=terms, study=Uid("1.1"))
    who = recipient(bank)
    document = Selection(series=Uid("1.1.5"))

    assert len(bank.index.instances(Selection(), who.scope)) == (3 if terms else 1)
    assert len([*bank.index.find(Query(Level.SERIES), who.scope)]) == (3 if terms else 1)
    assert bool(bank.index.series_of(document, who.scope)) is bool(terms)
    if not terms:
        with pytest.raises(NotFound):
            bank.index.metadata(Uid("1.1.5"), who.scope)


def test_the_name_of_a_withdrawal_tells_its_card() -> None:
    assert holders.card_of(holders.withdrawal_name("c0ffee", 3)) == "c0ffee"
    assert holders.card_of("Dr Varga") == ""


def test_officers_neither_make_nor_see_nor_end_what_is_the_owners(bank: Bank) -> None:
    one = put(bank, Kind.CARD)

    with pytest.raises(Invalid):
        consent.decide(bank, replace(one, id=""), OFFICER)
    assert consent.listed(bank, ADA, OFFICER) == []
    with pytest.raises(NotFound):
        consent.revoke(bank, "c0ffee", OFFICER)


def test_it_is_explained_why_a_holder_sees_a_study(bank: Bank) -> None:
    put(bank, Kind.HOLDING, terms=Relation.OWNER)
    asker = holder(bank).scope.asker
    assert asker is not None

    explained = rights.explain(bank, Uid("1.1"), asker, KEEPER)

    assert explained.may_see
    assert [(one.effect, one.holds) for one in explained.reasons] == [("permit by holding", True)]


def test_who_holds_nothing_searches_and_finds_nothing(bank: Bank) -> None:
    assert list(bank.index.find(Query(Level.STUDY), holder(bank).scope)) == []
    assert bank.index.count(Query(Level.STUDY), recipient(bank).scope) == 0
