"""Two organizations in one bank: what one deposits neither gets into a study of the other's that it may not see, nor
learns of it.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, open_test_bank
from imagebank import worker
from imagebank.actions import consent, ingest, quarantine, reindex, remove, rights
from imagebank.bank import Bank
from imagebank.model.access import Principal, Role, Scope
from imagebank.model.imaging import Outcome, Receipt, Selection
from imagebank.model.note import NOT_TAKEN, OTHER_ORGANIZATION
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from make import a_file

ALL = Scope(organizations=None)
STUDY, SERIES, INSTANCE = "1.2.3", "1.2.3.1", "1.2.3.1.1"
UIDS = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": INSTANCE}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def caller(bank: Bank, organization: str, role: Role = Role.TECHNOLOGIST) -> Principal:
    return rights.principal(bank, "somebody", role, organization)


def deposit(bank: Bank, organization: str, *files: bytes, role: Role = Role.TECHNOLOGIST) -> list[Receipt]:
    """As the edges do it: for the depositor's organization, with what it sees."""
    source = replace(SOURCE, organization=organization)
    joins = caller(bank, organization, role).joins
    return ingest.receive(bank, [ingest.Arrival(io.BytesIO(file), len(file)) for file in files], source, sees=joins)


def share(bank: Bank, owner: str, to: str, patient: str = "ADA") -> None:
    draft = Provision("", Kind.CONSENT, True, PatientId(owner, patient), bank.now(), organization=to)
    consent.decide(bank, draft, caller(bank, "local", Role.ADMIN))


def seen(bank: Bank, organization: str) -> list[str]:
    found = bank.index.instances(Selection(), caller(bank, organization).scope)
    return sorted(str(one.uid) for one in found)


def rows(bank: Bank) -> dict[str, Any]:
    """What each organization sees, whose the study is, and why something was laid aside."""
    return {
        "seen": {name: seen(bank, name) for name in ("north", "south")},
        "owner": bank.index.owner_of(Uid(STUDY), ALL),
        "aside": sorted((one.reason, one.source.organization, one.uid) for one in bank.index.quarantined(ALL)),
    }


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def rebuilt(bank: Bank) -> dict[str, Any]:
    do_jobs(bank)
    reindex.reindex(bank)
    return rows(bank)


def of_study(uid: str = "", **attributes: Any) -> bytes:
    """One more object of the study, in a series of its own."""
    return a_file(StudyInstanceUID=STUDY, SOPInstanceUID=uid or generate_uid(), PatientID="ADA", **attributes)


def test_every_way_to_touch_a_hidden_study_is_answered_alike_and_changes_nothing(bank: Bank) -> None:
    own = a_file(**UIDS, PatientID="ADA")
    deposit(bank, "north", own)
    before = rows(bank)
    tries = (
        own,  # equal bytes
        a_file(**UIDS, PatientID="ADA"),  # other content under the same name
        of_study(),  # a further object of the study, of the right patient
        a_file(StudyInstanceUID=STUDY, PatientID="NOBODY"),  # and of another one
        a_file(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES),
        a_file(SeriesInstanceUID=SERIES),  # its series in another study
        a_file(SOPInstanceUID=INSTANCE),  # its object in another study
    )
    receipts = [deposit(bank, "south", file)[0] for file in tries]
    said = {(one.outcome, type(one.error), str(one.error), one.warnings) for one in receipts}

    assert len(said) == 1
    assert receipts[0].outcome is Outcome.QUARANTINED
    assert str(receipts[0].error) == NOT_TAKEN
    assert {one.reason for one in bank.index.quarantined(ALL)} == {OTHER_ORGANIZATION}
    assert len(bank.index.quarantined(ALL)) == len(tries)
    assert (rows(bank)["seen"], rows(bank)["owner"]) == (before["seen"], "north")
    assert rebuilt(bank) == rows(bank)


def test_what_came_together_is_told_apart_by_whose_it_is(bank: Bank) -> None:
    (first,), (second,) = deposit(bank, "south", of_study("1.5")), deposit(bank, "north", of_study("1.6"))

    assert (first.outcome, second.outcome) == (Outcome.STORED, Outcome.QUARANTINED)
    assert seen(bank, "south") == ["1.5"]


def test_who_sees_a_study_may_add_to_it_and_is_told_what_is_wrong(bank: Bank) -> None:
    deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    share(bank, "north", to="south")
    (added,) = deposit(bank, "south", of_study("1.5"))
    (other,) = deposit(bank, "south", a_file(**UIDS, PatientID="ADA"))
    (astray,) = deposit(bank, "south", a_file(SeriesInstanceUID=SERIES))
    (again,) = deposit(bank, "south", bank.blobs.read(bank.index.instances(Selection(), ALL)[0].location))

    assert added.outcome is Outcome.STORED
    assert "another patient" in added.warnings[0]
    assert "another object" in str(other.error)
    assert "another study" in str(astray.error)
    assert again.outcome is Outcome.DUPLICATE
    assert seen(bank, "north") == sorted(["1.5", INSTANCE])


def test_what_joined_a_study_stays_in_it_when_the_index_is_rebuilt_and_nobody_sees_it_any_more(bank: Bank) -> None:
    deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    share(bank, "north", to="south")
    deposit(bank, "south", of_study("1.5"))
    (given,) = bank.index.provisions(ALL)
    consent.revoke(bank, given.id, caller(bank, "local", Role.ADMIN))
    deposit(bank, "south", of_study("1.6"))
    before = rows(bank)

    assert before["seen"] == {"north": sorted(["1.5", INSTANCE]), "south": []}
    assert [uid for _, _, uid in before["aside"]] == ["1.6"]
    assert rebuilt(bank) == before
    assert rebuilt(bank) == before


def test_a_study_stays_its_owners_as_long_as_anything_of_the_owners_is_in_it(bank: Bank) -> None:
    deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    share(bank, "north", to="south")
    deposit(bank, "south", of_study("1.5", PatientName="Guest^Name"))
    deposit(bank, "north", of_study("1.6"))
    keeper = caller(bank, "north", Role.ADMIN)
    remove.remove(bank, Selection(instance=Uid(INSTANCE)), keeper)
    do_jobs(bank)
    with_some_left = rows(bank)

    assert with_some_left["owner"] == "north"
    assert rebuilt(bank) == with_some_left

    remove.remove(bank, Selection(instance=Uid("1.6")), keeper)
    do_jobs(bank)

    assert rows(bank)["owner"] == "south"
    assert rebuilt(bank)["owner"] == "south"


def test_a_study_that_another_organization_has_taken_the_name_of_is_for_an_administrator_to_decide(bank: Bank) -> None:
    deposit(bank, "south", of_study("1.5", PatientName="Squatter^Sam"))
    (refused,) = deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    keeper = caller(bank, "local", Role.ADMIN)
    (aside,) = quarantine.listed(bank, keeper)
    remove.remove(bank, Selection(study=Uid(STUDY)), keeper)
    kept = quarantine.submit_again(bank, aside.id, keeper)

    assert refused.outcome is Outcome.QUARANTINED
    assert (aside.source.organization, aside.reason) == ("north", OTHER_ORGANIZATION)
    assert kept.outcome is Outcome.STORED
    assert (seen(bank, "north"), seen(bank, "south")) == ([INSTANCE], [])


def test_an_administrator_may_let_an_object_into_the_study_of_another_organization(bank: Bank) -> None:
    deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    deposit(bank, "south", of_study("1.5"))
    keeper = caller(bank, "local", Role.ADMIN)
    (aside,) = quarantine.listed(bank, keeper)
    kept = quarantine.submit_again(bank, aside.id, keeper)
    before = rows(bank)

    assert kept.outcome is Outcome.STORED
    assert before["seen"] == {"north": sorted(["1.5", INSTANCE]), "south": []}
    assert rebuilt(bank) == before


@pytest.mark.parametrize("role", [Role.ADMIN, Role.DEVICE, Role.SYSTEM, Role.CLINICIAN])
def test_nobody_mixes_studies_by_a_deposit_for_seeing_everything(bank: Bank, role: Role) -> None:
    deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))
    (receipt,) = deposit(bank, "south", of_study("1.5"), role=role)

    assert receipt.outcome is Outcome.QUARANTINED


def test_a_guest_may_not_be_revised_by_the_studys_owner_nor_the_other_way_round(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, duplicates="revise") as bank:
        deposit(bank, "south", a_file(**UIDS, PatientID="ADA"))
        share(bank, "south", to="north")
        deposit(bank, "north", of_study("1.5"))
        receipts = [*deposit(bank, "south", of_study("1.5")), *deposit(bank, "north", a_file(**UIDS, PatientID="ADA"))]
        revised = deposit(bank, "south", a_file(**UIDS, PatientID="ADA"))

        assert [one.outcome for one in receipts] == [Outcome.QUARANTINED, Outcome.QUARANTINED]
        assert revised[0].outcome is Outcome.STORED


def test_a_hidden_object_that_is_damaged_is_mended_by_its_owner_alone(bank: Bank) -> None:
    own = a_file(**UIDS, PatientID="ADA")
    deposit(bank, "north", own)
    (held,) = bank.index.instances(Selection(), ALL)
    bank.blobs.destroy([held.location])
    (foreign,), (mended,) = deposit(bank, "south", own), deposit(bank, "north", own)

    assert (foreign.outcome, mended.outcome) == (Outcome.QUARANTINED, Outcome.STORED)
