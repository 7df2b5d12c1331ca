"""An officer decides about, reviews and reads of the own organization, unless that keeps the bank."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import consent, disclosure, emergency, persons, rights, trail
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Identity
from imagebank.model.imaging import Selection
from imagebank.model.ledger import Line, Sought
from imagebank.model.person import PatientId, PersonName
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
NORTHS, SOUTHS = Uid("1.2.1"), Uid("1.2.2")
ADA, BOB = PatientId("north", "ADA"), PatientId("south", "BOB")
REASON = "unconscious after a fall"


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """North keeps a bank in which south has a study, too."""
    with open_test_bank(tmp_path, organization="north") as opened:
        for study, patient in ((NORTHS, ADA), (SOUTHS, BOB)):
            file = a_file(StudyInstanceUID=study, PatientID=patient.identifier)
            keep(opened, file, source=replace(SOURCE, organization=patient.issuer))
        yield opened


def somebody(bank: Bank, organization: str, role: Role = Role.PRIVACY_OFFICER) -> Principal:
    return rights.principal(bank, f"{role} of {organization}", role, organization)


def about(patient: PatientId, study: Uid | None = None) -> Provision:
    return Provision("", Kind.CONSENT, True, patient, LONG_AGO, study=study, organization="east")


@pytest.mark.parametrize(
    ("organization", "role"), [("north", Role.PRIVACY_OFFICER), ("south", Role.ADMIN), ("north", Role.ADMIN)]
)
def test_who_keeps_the_bank_is_in_charge_of_all(bank: Bank, organization: str, role: Role) -> None:
    who = somebody(bank, organization, role)
    decided = [consent.decide(bank, about(patient), who) for patient in (ADA, BOB)]
    consent.put_label(bank, SOUTHS, "sensitive", who)

    assert consent.listed(bank, None, who) == decided
    assert {line.organization for line in lines(bank, who)} >= {"north", "south"}


def test_what_is_decided_holds_for_linked_records_as_far_as_who_decided_is_in_charge_of_them(bank: Bank) -> None:
    file = a_file(StudyInstanceUID="1.2.3", PatientID="BEN")
    keep(bank, file, source=replace(SOURCE, organization="south"))
    ben = PatientId("south", "BEN")
    for number, patient in enumerate((ADA, BOB, ben)):
        persons.hear(bank, Identity(patient, PersonName(f"{patient.identifier * 3}^A"), f"19{number}10101"))
    keeper = somebody(bank, "north", Role.ADMIN)
    persons.link(bank, keeper, ADA, BOB)
    persons.link(bank, keeper, ben, BOB)

    def seen() -> set[str]:
        return {one.study for one in bank.index.instances(Selection(), somebody(bank, "east", Role.CLINICIAN).scope)}

    assert seen() == set()
    of_south = consent.decide(bank, about(BOB), somebody(bank, "south"))
    assert seen() == {SOUTHS, "1.2.3"}
    of_all = consent.decide(bank, about(BOB), somebody(bank, "north"))
    assert seen() == {NORTHS, SOUTHS, "1.2.3"}
    assert consent.listed(bank, ADA, keeper) == [of_all]
    assert consent.listed(bank, ben, keeper) == [of_south, of_all]
    persons.unlink(bank, keeper, ADA)
    assert seen() == {SOUTHS, "1.2.3"}
    emergency.break_glass(bank, BOB, REASON, somebody(bank, "north", Role.CLINICIAN))
    persons.link(bank, keeper, ADA, BOB)
    scope = somebody(bank, "north", Role.CLINICIAN).scope
    assert {one.study for one in bank.index.instances(Selection(), scope)} == {NORTHS, SOUTHS, "1.2.3"}


def test_an_officer_decides_about_patients_and_studies_of_the_own_organization(bank: Bank) -> None:
    south, north = somebody(bank, "south"), somebody(bank, "north")
    theirs = consent.decide(bank, about(ADA), north)
    own = consent.decide(bank, about(BOB), south)
    of_study = consent.decide(bank, about(PatientId("east", "X"), SOUTHS), south)
    refusals = [about(ADA), about(ADA, NORTHS), about(PatientId("east", "X")), about(ADA, Uid("1.9"))]
    for refused in refusals:
        with pytest.raises(NotAllowed, match="another organization"):
            consent.decide(bank, refused, south)
    with pytest.raises(NotAllowed):
        consent.decide_together(bank, [about(BOB), about(ADA)], south)

    assert consent.listed(bank, None, south) == [own, of_study]
    assert consent.listed(bank, ADA, south) == []
    assert consent.kept(bank, own.id, south) == [own]
    hidden: list[Callable[[], object]] = [
        lambda: consent.kept(bank, theirs.id, south),
        lambda: consent.revoke(bank, theirs.id, south),
    ]
    for look in hidden:
        with pytest.raises(NotFound):
            look()
    consent.revoke(bank, own.id, south)
    (left,) = bank.index.provisions(ALL, ADA)

    assert left.revoked_at is None


def test_an_officer_labels_studies_of_the_own_organization(bank: Bank) -> None:
    south, north = somebody(bank, "south"), somebody(bank, "north")
    consent.put_label(bank, NORTHS, "sensitive", north)
    consent.put_label(bank, SOUTHS, "sensitive", south)
    consent.remove_label(bank, SOUTHS, "sensitive", south)
    said = set()
    for study in (NORTHS, Uid("1.9")):
        with pytest.raises(NotFound) as put:
            consent.put_label(bank, study, "sensitive", south)
        with pytest.raises(NotFound) as removed:
            consent.remove_label(bank, study, "sensitive", south)
        said.add((str(put.value), str(removed.value)))
    doctor = somebody(bank, "north", Role.CLINICIAN)

    assert len(said) == 1, "whether there is such a study is not told"
    assert bank.index.instances(Selection(), doctor.scope) == []


def test_an_officer_reviews_what_the_own_people_opened_and_what_was_opened_of_the_own_patients(bank: Bank) -> None:
    south = somebody(bank, "south")
    doctors = {name: somebody(bank, name, Role.CLINICIAN) for name in ("north", "south")}
    by_own = emergency.break_glass(bank, ADA, REASON, doctors["south"])
    of_own = emergency.break_glass(bank, BOB, REASON, doctors["north"])
    other = emergency.break_glass(bank, ADA, REASON, doctors["north"])
    waiting = {one.id for one in emergency.unreviewed(bank, south)}
    with pytest.raises(NotFound):
        emergency.review(bank, other.id, "it was right", south)
    emergency.review(bank, by_own.id, "it was right", south)

    assert waiting == {by_own.id, of_own.id}
    assert {one.id for one in emergency.unreviewed(bank, somebody(bank, "north"))} == {of_own.id, other.id}


def lines(bank: Bank, who: Principal, patient: PatientId | None = None) -> list[Line]:
    return [entry.line for entry in trail.search(bank, Sought(patient=patient), who)]


def test_an_officer_reads_of_the_own_people_studies_and_patients(bank: Bank) -> None:
    south, north = somebody(bank, "south"), somebody(bank, "north")
    consent.decide(bank, about(ADA), north)
    consent.decide(bank, about(BOB), north)
    keeper = somebody(bank, "north", Role.ADMIN)
    for study in (NORTHS, SOUTHS):
        bank.reads.count(keeper, bank.index.instances(Selection(study=study), ALL), "WADO-RS", "")
    mine = lines(bank, south)
    of_bob, of_ada = lines(bank, south, BOB), lines(bank, south, ADA)

    assert mine
    assert all(line.organization == "south" or line.study == SOUTHS for line in mine)
    assert any(line.organization == "north" for line in mine), "who looked at south's study"
    assert any(line.act == Act.DECIDED for line in of_bob)
    assert not any(line.act == Act.DECIDED or line.study == NORTHS for line in of_ada)
    assert disclosure.accounting(bank, ADA, south).disclosures == ()
    assert len(disclosure.accounting(bank, BOB, south).disclosures) == 1
