"""Files of departments without DICOM come in, become objects, and can be had back as they were."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite

from bank import SOURCE, open_test_bank
from imagebank.actions import ingest, media, quarantine, reindex, remove, scrub, shred
from imagebank.actions.ingest import Arrival
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.imaging import Outcome, Receipt, Selection
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.model.upload import About, Department
from make import a_file

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(organizations=None))
NIFTI = bytes(344) + b"n+1\0" + bytes(100)
LATER = datetime(2027, 1, 2, tzinfo=UTC)
ANA = About(PatientId("", "4711"), "Diaz^Ana", date(1980, 2, 3), "F", Department.DERMATOLOGY, description="Left arm")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as bank:
        yield bank


def a_jpeg(colour: str = "red") -> bytes:
    with io.BytesIO() as stream:
        Image.new("RGB", (48, 32), colour).save(stream, "JPEG")
        return stream.getvalue()


def take(bank: Bank, *files: bytes, about: About | None = ANA, name: str = "photo.jpg") -> list[Receipt]:
    return media.receive(bank, [Arrival(io.BytesIO(file), len(file), name) for file in files], SOURCE, about)


def test_a_photograph_becomes_an_object_and_can_be_had_back_as_it_came(bank: Bank) -> None:
    photo = a_jpeg()
    (receipt,) = take(bank, photo)

    assert receipt.outcome is Outcome.STORED
    assert receipt.uid is not None
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ADMIN.scope)
    assert instance.patient == PatientId("local", "4711")
    found, pieces = media.original(bank, Selection(instance=receipt.uid), ADMIN)
    assert b"".join(pieces) == photo
    assert (found.media_type, found.name) == ("image/jpeg", "photo.jpg")


def test_the_same_photograph_again_is_a_duplicate(bank: Bank) -> None:
    take(bank, a_jpeg())
    (receipt,) = take(bank, a_jpeg(), about=replace(ANA, department=Department.OTHER, taken_at=LATER))

    assert receipt.outcome is Outcome.DUPLICATE
    assert scrub.verify(bank).is_clean
    assert not scrub.verify(bank).orphans


def stating(**attributes: str) -> bytes:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    with io.BytesIO() as stream:
        dcmwrite(stream, ds, implicit_vr=False, little_endian=True)
        return stream.getvalue()


def test_whoever_names_the_object_hears_of_that_one(bank: Bank) -> None:
    (first,) = take(bank, a_jpeg())
    named = replace(ANA, instance=Uid("1.2.3"), given=stating(SOPInstanceUID="1.2.3", ImageComments="after"))
    (second,) = take(bank, a_jpeg(), about=named)
    # An object that is made another second says another time.
    later = replace(bank, now=lambda: datetime.now(UTC) + timedelta(seconds=2))
    (again,), (unnamed,) = (take(later, a_jpeg(), about=about) for about in (named, ANA))

    assert (second.outcome, second.uid) == (Outcome.STORED, "1.2.3")
    assert (again.outcome, again.uid) == (Outcome.DUPLICATE, "1.2.3")
    assert unnamed.outcome is Outcome.DUPLICATE
    assert unnamed.uid in (first.uid, second.uid)


def test_a_batch_of_everything_is_answered_file_by_file_in_order(bank: Bank) -> None:
    receipts = take(
        bank, a_file(), a_jpeg(), a_file(), b"\xff\xd8\xff\xe0 broken", b"what nobody knows", name="of today"
    )

    assert [one.outcome for one in receipts] == [
        Outcome.STORED,
        Outcome.STORED,
        Outcome.STORED,
        Outcome.QUARANTINED,
        Outcome.REFUSED,
    ]
    assert isinstance(receipts[3].error, Invalid)


def test_what_cannot_become_an_object_lies_in_quarantine_as_it_came(bank: Bank) -> None:
    (receipt,) = take(bank, NIFTI, name="brain.nii")

    assert receipt.outcome is Outcome.QUARANTINED
    assert isinstance(receipt.error, Invalid)
    assert receipt.quarantine is not None
    assert b"".join(quarantine.content(bank, receipt.quarantine, ADMIN, is_original=True)) == NIFTI


def test_nobody_known_is_nobody(bank: Bank) -> None:
    (receipt,) = take(bank, a_jpeg(), about=None)

    assert receipt.uid is not None
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ADMIN.scope)
    assert instance.patient.identifier == ""


def test_a_file_larger_than_anything_is_refused(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, max_instance_bytes=100) as bank:
        (receipt,) = take(bank, a_jpeg())

    assert receipt.outcome is Outcome.REFUSED


def test_a_model_without_magic_is_known_by_its_length(bank: Bank) -> None:
    model = bytes(80) + (2).to_bytes(4, "little") + bytes(100)
    (receipt,) = take(bank, model, name="jaw.stl")

    assert receipt.outcome is Outcome.STORED


def test_the_file_goes_where_its_object_goes(bank: Bank) -> None:
    (receipt,) = take(bank, a_jpeg())
    assert receipt.uid is not None
    remove.remove(bank, Selection(instance=receipt.uid), ADMIN)

    with pytest.raises(NotFound):
        media.original(bank, Selection(instance=receipt.uid), ADMIN)
    assert list(bank.index.locations(ADMIN.scope)) == []


def test_a_shredded_account_has_no_files_either(bank: Bank) -> None:
    (receipt,) = take(bank, a_jpeg())
    assert receipt.uid is not None
    shred.shred(bank, PatientId("local", "4711"), ADMIN)

    assert bank.index.original(receipt.uid, ADMIN.scope) is None
    assert list(bank.index.locations(ADMIN.scope)) == []


def test_a_rebuilt_index_knows_the_file_again(bank: Bank) -> None:
    first, second = (receipt.uid for receipt in take(bank, a_jpeg(), a_jpeg("blue")))
    assert first is not None
    assert second is not None
    remove.remove(bank, Selection(instance=second), ADMIN)
    before = bank.index.original(first, ADMIN.scope)
    reindex.reindex(bank)

    assert bank.index.original(first, ADMIN.scope) == before
    assert bank.index.original(second, ADMIN.scope) is None


def test_who_may_not_see_the_object_gets_no_file(bank: Bank) -> None:
    (receipt,) = take(bank, a_jpeg())
    assert receipt.uid is not None
    stranger = Principal("bob", Role.CLINICIAN, "elsewhere", RIGHTS[Role.CLINICIAN], Scope.nothing())

    with pytest.raises(NotFound):
        media.original(bank, Selection(instance=receipt.uid), stranger)
    with pytest.raises(NotAllowed):
        media.original(
            bank, Selection(instance=receipt.uid), Principal("tom", Role.DEVICE, "local", frozenset(), ADMIN.scope)
        )


def test_what_came_as_dicom_has_no_other_file(bank: Bank) -> None:
    (receipt,) = take(bank, a_file())
    assert receipt.uid is not None

    with pytest.raises(NotFound):
        media.original(bank, Selection(instance=receipt.uid), ADMIN)


def test_what_lies_in_quarantine_lies_there_after_a_rebuild_for_the_same_reason(bank: Bank) -> None:
    (receipt,) = take(bank, NIFTI, name="brain.nii")
    before = bank.index.quarantined(ADMIN.scope)
    reindex.reindex(bank)

    assert bank.index.quarantined(ADMIN.scope) == before
    assert receipt.quarantine == before[0].id


def test_a_file_that_is_sent_in_again_from_quarantine_and_cannot_be_taken_still_stays_there_once(bank: Bank) -> None:
    (receipt,) = take(bank, NIFTI, name="brain.nii")
    assert receipt.quarantine is not None
    again = quarantine.submit_again(bank, receipt.quarantine, ADMIN)

    assert again.outcome is Outcome.QUARANTINED
    assert [one.id for one in bank.index.quarantined(ADMIN.scope)] == [receipt.quarantine]


def test_a_file_whose_object_never_came_is_made_whole_by_sending_it_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("the database is away")

    with monkeypatch.context() as broken:
        broken.setattr(ingest, "receive", fail)
        with pytest.raises(Unavailable):
            take(bank, a_jpeg())
    (receipt,) = take(bank, a_jpeg())

    assert receipt.outcome is Outcome.STORED
    assert receipt.uid is not None
    assert media.original(bank, Selection(instance=receipt.uid), ADMIN)[0].name == "photo.jpg"
    assert not scrub.verify(bank).orphans


def test_the_same_photograph_of_another_patient_is_another_object(bank: Bank) -> None:
    (first,) = take(bank, a_jpeg())
    (second,) = take(bank, a_jpeg(), about=About(PatientId("", "4712")))

    assert second.outcome is Outcome.STORED
    assert first.uid != second.uid
