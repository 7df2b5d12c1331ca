"""What a deposit tells of its patient, once the job that it leaves behind is done."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRBigEndian, generate_uid

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import remove
from imagebank.actions.hearing import hear_job, identity_of
from imagebank.bank import Bank
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import DataSet, Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.uid import Uid
from make import a_dataset, a_file, as_file, read

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
ADA = PatientId("local", "P1")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=1))
    while worker.step(later):
        pass


def heard(bank: Bank, patient: PatientId = ADA) -> Identity | None:
    found = bank.index.persons.identity(patient, ALL)
    return None if found is None else found.identity


def other_identifiers(*pairs: tuple[str, str]) -> list[Dataset]:
    items = []
    for issuer, identifier in pairs:
        item = Dataset()
        item.PatientID = identifier
        item.IssuerOfPatientID = issuer
        items.append(item)
    return items


def test_a_deposit_makes_its_patient_known(bank: Bank) -> None:
    about: dict[str, Any] = {
        "PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "PatientAddress": "12 Mill Lane",
        "PatientTelephoneNumbers": "01234 567890",
        "PatientMotherBirthName": "Kiss^Eva",
        "OtherPatientIDsSequence": other_identifiers(("national", "4711"), ("", "12"), ("national", "4711")),
    }
    keep(bank, a_file(**about))
    assert heard(bank) is None
    do_jobs(bank)
    kept = heard(bank)

    assert kept is not None
    assert kept.name == PersonName("Yamada^Tarou", "山田^太郎", "やまだ^たろう")
    assert (kept.birth_date, kept.sex, kept.address, kept.phone) == ("19700101", "F", "12 Mill Lane", "01234 567890")
    assert (kept.mother, kept.others, kept.origin) == ("Kiss^Eva", (PatientId("national", "4711"),), Origin.DICOM)


def test_a_new_study_brings_what_has_changed(bank: Bank) -> None:
    for name in ("Varga^Ada", "Kiss^Ada"):
        keep(bank, a_file(PatientName=name))
        do_jobs(bank)
    kept = heard(bank)

    assert kept is not None
    assert kept.name.alphabetic == "Kiss^Ada"


def test_a_second_series_of_a_study_is_no_news(bank: Bank) -> None:
    study = generate_uid()
    keep(bank, a_file(StudyInstanceUID=study))
    do_jobs(bank)
    keep(bank, a_file(StudyInstanceUID=study))

    assert bank.jobs.claim(("hear",), bank.now() + timedelta(hours=1), 1) is None


def test_nothing_is_heard_of_nobody_or_of_what_is_gone(bank: Bank) -> None:
    nobody, gone = a_file(PatientID=""), a_file()
    keep(bank, nobody, gone)
    remove.remove(bank, Selection(study=Uid(read(gone).StudyInstanceUID)), ADMIN)
    do_jobs(bank)
    hear_job(bank, {"study": str(read(nobody).StudyInstanceUID)})

    assert bank.index.persons.identities(ALL, 10) == []


def test_an_object_that_is_destroyed_while_its_header_is_wanted_tells_nothing(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    bank.blobs.destroy([one.location for one in bank.index.instances(Selection(), ALL)])
    hear_job(bank, {"study": str(read(file).StudyInstanceUID)})

    assert heard(bank) is None


def test_a_header_that_cannot_be_scanned_is_read_all_the_same(bank: Bank) -> None:
    dataset = a_dataset(PatientAddress="12 Mill Lane", PixelData=None)
    keep(bank, as_file(dataset, ExplicitVRBigEndian))
    do_jobs(bank)
    kept = heard(bank)

    assert kept is not None
    assert kept.address == "12 Mill Lane"


def test_odd_values_are_no_demographics() -> None:
    odd: DataSet = {"00100010": {"vr": "PN", "Value": ["plain"]}, "00100030": {"vr": "DA", "Value": [None, 7]}}

    assert identity_of(ADA, {}) == identity_of(ADA, odd) == Identity(ADA)
