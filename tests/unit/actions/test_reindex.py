"""A rebuilt index comes to the same decisions as the one that was lost, also about what is not there any more."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import generate_uid

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import consent, emergency, notes, reindex, remove, rights, scrub
from imagebank.bank import Bank
from imagebank.errors import Invalid, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity
from imagebank.model.imaging import Location, Outcome, Selection
from imagebank.model.note import REMOVED, Amendment, Wanted
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.task import Mark
from imagebank.model.uid import Uid
from make import a_file, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def fail_to_deposit(bank: Bank, file: bytes) -> None:
    """Deposit while the database does not answer: the bytes are durable by then."""

    def is_away(_: Any) -> None:
        raise Unavailable("the database does not answer")

    with pytest.MonkeyPatch.context() as away:
        away.setattr(type(bank.index), "begin", is_away)
        with pytest.raises(Unavailable):
            keep(bank, file)


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def delete_study_of(bank: Bank, file: bytes) -> None:
    remove.remove(bank, Selection(study=Uid(read(file).StudyInstanceUID)), KEEPER)


def archived(bank: Bank) -> list[str]:
    return [str(one.uid) for one in bank.index.instances(Selection(), ALL)]


def reasons(bank: Bank) -> list[str]:
    return [one.reason for one in bank.index.quarantined(ALL)]


def test_a_deleted_object_does_not_come_back_by_a_copy_whose_deposit_failed(bank: Bank) -> None:
    file = a_file()
    fail_to_deposit(bank, file)
    keep(bank, file)
    delete_study_of(bank, file)
    do_jobs(bank)
    reindex.reindex(bank)

    assert archived(bank) == []
    assert reasons(bank) == [REMOVED], "it is not lost either"


def test_an_object_that_was_deleted_and_deposited_again_is_there_after_a_rebuild(bank: Bank) -> None:
    file = a_file()
    for _ in range(2):
        keep(bank, file)
        delete_study_of(bank, file)
    keep(bank, file)
    do_jobs(bank)
    reindex.reindex(bank)

    assert archived(bank) == [read(file).SOPInstanceUID]
    assert reasons(bank) == []


def test_a_rebuild_first_does_what_a_deletion_has_left_to_be_done(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)

    def is_away(_: Any, locations: Sequence[Location]) -> None:
        raise Unavailable("the store does not answer")

    with pytest.MonkeyPatch.context() as away:
        away.setattr(type(bank.blobs), "destroy", is_away)
        delete_study_of(bank, file)
    reindex.reindex(bank)
    do_jobs(bank)

    assert archived(bank) == []
    assert scrub.verify(bank).lost == []


def of_one_series(**other: Any) -> tuple[bytes, bytes]:
    """Two objects that name one series and two studies: only the first can be right."""
    series = generate_uid()
    return a_file(SeriesInstanceUID=series, PatientID="first"), a_file(SeriesInstanceUID=series, **other)


def test_a_copy_that_was_laid_aside_stays_aside_when_what_it_contradicted_is_gone(bank: Bank) -> None:
    first, second = of_one_series(PatientID="second")
    (_, aside) = keep(bank, first, second)
    before = reasons(bank)
    delete_study_of(bank, first)
    do_jobs(bank)
    reindex.reindex(bank)

    assert aside.outcome is Outcome.QUARANTINED
    assert archived(bank) == []
    assert reasons(bank) == before


def test_amendments_are_nobodys_orphans_and_are_never_swept(bank: Bank) -> None:
    first, second = of_one_series()
    keep(bank, first, second)
    delete_study_of(bank, first)
    do_jobs(bank)
    findings = scrub.verify(replace(bank, now=lambda: bank.now() + timedelta(days=1)), sweep=True)
    reindex.reindex(bank)

    assert (findings.is_clean, findings.orphans) == (True, [])
    assert archived(bank) == []
    assert len(reasons(bank)) == 1


def test_no_object_can_be_had_from_where_an_amendment_lies(bank: Bank) -> None:
    notes.amend_job(bank, notes.amend_payload(Amendment(bank.now(), removed=("1.2.3",))))
    (record,) = bank.blobs.records()

    assert record.note is not None
    assert notes.unpack(record.note) == Amendment(notes.unpack(record.note).at, removed=("1.2.3",))  # type: ignore[union-attr]
    with pytest.raises(Invalid):
        notes.note_at(bank, record.location)


@pytest.mark.parametrize("packed", [b"", b"{}", b'{"amendment":{}}', b"[1]", b"\xff"])
def test_a_note_that_is_none_is_said_to_be_none(packed: bytes) -> None:
    with pytest.raises(Invalid):
        notes.unpack(packed)


def test_a_number_in_quarantine_is_the_same_after_a_rebuild(bank: Bank) -> None:
    files = [a_file() for _ in range(3)]
    others = [a_file(SOPInstanceUID=str(read(file).SOPInstanceUID), Rows=3) for file in files]
    for file in (*files, *others):
        keep(bank, file)
    first, second, third = [(one.id, one.location) for one in bank.index.quarantined(ALL)]
    with bank.index.begin() as tx:
        tx.release(first[0])  # its record stays, and is laid aside anew
    reindex.reindex(bank)
    after = [(one.id, one.location) for one in bank.index.quarantined(ALL)]

    assert after[:2] == [second, third]
    assert after[2][0] > third[0]
    assert after[2][1] == first[1]


OFFICER = Principal("officer", Role.PRIVACY_OFFICER, "local", RIGHTS[Role.PRIVACY_OFFICER], Scope.nothing())
ADA = PatientId("local", "ADA")


def rebuilt_from_the_objects_alone(folder: Path, bank: Bank) -> None:
    """Everything is done that waits, and then the database is lost."""
    do_jobs(bank)
    for path in (folder / "bank").glob("index.db*"):
        path.unlink()


def test_what_patients_decided_outlives_the_database(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="ADA"))
        draft = Provision("", Kind.CONSENT, permits=True, patient=ADA, starts_at=bank.now(), study=Uid("1.2.3"))
        one, other = consent.decide(bank, draft, OFFICER), consent.decide(bank, replace(draft, permits=False), OFFICER)
        consent.revoke(bank, one.id, OFFICER)
        doctor = rights.principal(bank, "ann", Role.CLINICIAN, "local")
        opened = emergency.break_glass(bank, ADA, "unconscious after a fall", doctor)
        emergency.review(bank, opened.id, "was on duty", OFFICER)
        before = bank.index.provisions(ALL)
        rebuilt_from_the_objects_alone(tmp_path, bank)
    with open_test_bank(tmp_path) as bank:
        lost = bank.index.provisions(ALL)
        reindex.reindex(bank)
        after = bank.index.provisions(ALL)

    assert (lost, len(before)) == ([], 3)
    assert after == before
    assert {each.id for each in after} == {one.id, other.id, opened.id}


def test_labels_outlive_the_database_as_they_were_last(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        for patient in ("ADA", "BOB"):
            keep(bank, a_file(PatientID=patient, StudyInstanceUID=f"1.2.{len(patient)}.{ord(patient[0])}"))
        ada, bob = Uid("1.2.3.65"), Uid("1.2.3.66")
        for study in (ada, bob):
            consent.put_label(bank, study, "sensitive", OFFICER)
        consent.remove_label(bank, bob, "sensitive", OFFICER)
        rebuilt_from_the_objects_alone(tmp_path, bank)
    with open_test_bank(tmp_path) as bank:
        reindex.reindex(bank)
        doctor = rights.principal(bank, "ann", Role.CLINICIAN, "local")
        seen = bank.index.instances(Selection(), doctor.scope)

    assert [one.study for one in seen] == [bob]


def test_of_amendments_that_were_written_out_of_order_the_later_word_counts(bank: Bank) -> None:
    keep(bank, a_file(PatientID="ADA", StudyInstanceUID="1.2.3"))
    now = bank.now()
    one = Provision("1", Kind.CONSENT, permits=False, patient=ADA, starts_at=now)
    for at, revoked_at, is_sensitive in ((now + timedelta(hours=1), now, False), (now, None, True)):
        told = Amendment(
            at, provisions=(replace(one, revoked_at=revoked_at),), labels=(("1.2.3", "sensitive", is_sensitive),)
        )
        notes.amend_job(bank, notes.amend_payload(told))
    reindex.reindex(bank)
    doctor = rights.principal(bank, "ann", Role.CLINICIAN, "local")

    assert [each.revoked_at for each in bank.index.provisions(ALL)] == [now]
    assert len(bank.index.instances(Selection(), doctor.scope)) == 1


def test_a_patient_record_is_rebuilt_as_it_was_heard_last_in_whatever_order_it_is_met(bank: Bank) -> None:
    keep(bank, a_file(PatientID="ADA"))
    now = bank.now()
    for at, phone in ((now + timedelta(hours=1), "new"), (now, "old")):
        told = Amendment(at, identities=(Identity(ADA, phone=phone, heard_at=at),))
        notes.amend_job(bank, notes.amend_payload(told))
    heard = reindex._listen(bank)

    assert heard.identities[ADA][1].phone == "new"


def test_of_attributes_and_tasks_the_later_word_counts_in_whatever_order_it_is_met(bank: Bank) -> None:
    now = bank.now()
    for at, word, is_on in ((now + timedelta(hours=1), "new", False), (now, "old", True)):
        told = Amendment(at, attributes=((Wanted("study:AccessionNumber"), is_on),), marks=(Mark("task", how=word),))
        notes.amend_job(bank, notes.amend_payload(told))
    heard = reindex._listen(bank)

    assert [is_on for _, _, is_on in heard.attributes.values()] == [False]
    assert heard.marks["task"][1].how == "new"
