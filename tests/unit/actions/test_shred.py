"""Shredding an account: what is left of it in any file, and what is left of the others."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import collect, consent, reindex, retrieve, scrub, shred
from imagebank.actions.collect import Journal, Tally
from imagebank.bank import Bank
from imagebank.errors import NotAllowed, NotFound, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.uid import Uid
from imagebank.storage.files import FileBlobs, segments_below
from imagebank.storage.keys import FileKeys
from make import a_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
ADA, BOB = PatientId("local", "ADA-4711"), PatientId("local", "BOB-0815")
PIXELS = b"\x5a\xa5\xc3\x3c\x0f\xf0" * 24


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def a_file_of(patient: PatientId, **given: Any) -> bytes:
    return a_file(**{"PatientID": patient.identifier, **given})


def of_ada(number: int, **given: Any) -> bytes:
    """An image of Ada's that is known again in any file."""
    about = {
        "PatientName": "Lovelace^Augusta",
        "StudyInstanceUID": "1.2.3.4711",
        "SeriesInstanceUID": "1.2.3.4711.5",
        "SOPInstanceUID": f"1.2.3.4711.5.{number}",
        "StudyDescription": "Kneescan Lovelace",
        "PixelData": PIXELS[:128],
    }
    return a_file_of(ADA, **(about | given))


def a_wish_of(patient: PatientId) -> Provision:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    return Provision("", Kind.CONSENT, True, patient, reason="Lovelace wished it", starts_at=long_ago)


def here(bank: Bank) -> dict[str, bytes]:
    """What is in the archive: the bytes of each object by its UID."""
    return {one.uid: bank.blobs.read(one.location) for one in bank.index.instances(Selection(), ALL)}


def raw(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_nothing_recognisable_is_left_in_any_file(bank: Bank, tmp_path: Path) -> None:
    inside = tmp_path / "Lovelace^Augusta"
    inside.mkdir()
    for number in range(30):
        (inside / f"{number}.dcm").write_bytes(of_ada(number))
    journal = Journal(bank.settings.data / "imports" / "one.jsonl")
    collect.bring_in(bank, collect.look([inside]), SOURCE, journal, Tally())
    journal.close()
    others = [a_file_of(BOB, PatientName="Babbage^Charles") for _ in range(30)]
    keep(bank, *others)
    keep(bank, of_ada(3, StudyDescription="Kneescan Lovelace, another"))  # goes to quarantine
    consent.decide(bank, a_wish_of(ADA), ADMIN)
    consent.put_label(bank, Uid("1.2.3.4711"), "sensitive", ADMIN)
    retrieve.series_metadata(bank, Uid("1.2.3.4711.5"), ALL)
    before = here(bank)
    sealed = {name: data for name, data in raw(bank.settings.data).items() if name.suffix == ".seg"}
    traces = (b"Lovelace", b"ADA-4711", b"1.2.3.4711.5", b"Kneescan", PIXELS[:24])
    assert any(b"Lovelace" in data for data in raw(bank.settings.data).values()), "there was something to be found"
    shred.shred(bank, ADA, ADMIN)
    found = {(path.name, trace) for path, data in raw(bank.settings.data).items() for trace in traces if trace in data}

    assert found == set()
    assert here(bank) == {uid: content for uid, content in before.items() if not uid.startswith("1.2.3.4711")}
    assert len(here(bank)) == 30
    assert bank.index.quarantined(ALL) == []
    assert bank.index.provisions(ALL, ADA) == []
    assert sealed, "objects were kept in segments"


def test_its_data_keys_cannot_be_unwrapped_even_with_the_root_key(bank: Bank) -> None:
    keep(bank, of_ada(1), a_file_of(BOB))
    ada, bob = (
        next(one for one in bank.index.instances(Selection(), ALL) if one.patient == patient) for patient in (ADA, BOB)
    )
    name = bank.blobs.wrapped_by(ada.location)
    shred.shred(bank, ADA, ADMIN)
    bank.index.close()
    root = FileKeys(bank.settings.data / "root.key")
    objects = FileBlobs(bank.settings.data / "objects", root)
    told = [record.note for record in objects.kept_keys() if record.note is not None]

    assert bank.blobs.wrapped_by(bob.location) != name
    assert len(told) == 1
    assert name.hex() not in told[0].decode()
    with pytest.raises(Unavailable):
        objects.read(ada.location)
    assert name in objects.destroyed_keys()
    objects.close()


def test_what_was_shredded_is_not_there_for_anybody(bank: Bank) -> None:
    keep(bank, of_ada(1))
    (one,) = bank.index.instances(Selection(), ALL)
    shred.shred(bank, ADA, ADMIN)

    assert here(bank) == {}
    with pytest.raises(NotFound):
        bank.blobs.read(one.location)
    assert [record.is_gone for record in bank.blobs.records()] == [True]
    assert scrub.verify(bank).is_clean
    assert scrub.verify(bank).orphans == []


@pytest.mark.parametrize("loses_database", [False, True])
def test_a_rebuild_does_not_bring_it_back(tmp_path: Path, *, loses_database: bool) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, of_ada(1), a_file_of(BOB))
        consent.decide(bank, a_wish_of(ADA), ADMIN)
        consent.decide(bank, a_wish_of(BOB), ADMIN)
        while worker.step(bank):
            pass
        older = {path: path.read_bytes() for path in segments_below(bank.settings.data / "objects")}
        shred.shred(bank, ADA, ADMIN)
        rest = here(bank)
    for path, data in older.items():  # as a backup of the objects would
        path.write_bytes(data)
    if loses_database:
        for path in (tmp_path / "bank").glob("index.db*"):
            path.unlink()
    with open_test_bank(tmp_path) as bank:
        rebuilt = reindex.reindex(bank)

        assert rebuilt.unreadable == []
        assert here(bank) == rest
        assert [one.patient for one in bank.index.provisions(ALL)] == [BOB]
        assert bank.keys.names_of(ADA) == []
        assert scrub.verify(bank).is_clean


def test_objects_alone_tell_the_keys_of_accounts(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, of_ada(1), a_file_of(BOB), a_file(PatientID=""))
        before, names = here(bank), bank.keys.names_of(ADA)
    for path in (tmp_path / "bank").glob("index.db*"):
        path.unlink()
    with open_test_bank(tmp_path) as bank:
        found = scrub.verify(bank)
        reindex.reindex(bank)

        assert (found.damaged, found.lost) == ([], [])
        assert here(bank) == before
        assert bank.keys.names_of(ADA) == names
        keep(bank, of_ada(2))
        assert bank.keys.names_of(ADA) == names
        shred.shred(bank, ADA, ADMIN)
        assert len(here(bank)) == 2


def test_an_account_may_come_again_under_a_new_key(bank: Bank) -> None:
    keep(bank, of_ada(1))
    old = bank.keys.names_of(ADA)
    shred.shred(bank, ADA, ADMIN)
    keep(bank, of_ada(1))

    assert list(here(bank)) == ["1.2.3.4711.5.1"]
    assert bank.keys.names_of(ADA) != old


def test_a_deposit_that_is_under_way_is_refused_and_can_be_repeated(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(bank, of_ada(1))
    write = bank.blobs.write

    def written_before_the_shredding(*given: Any) -> Any:
        location = write(*given)
        shred.shred(bank, ADA, ADMIN)
        return location

    with monkeypatch.context() as patched:
        patched.setattr(bank.blobs, "write", written_before_the_shredding)
        with pytest.raises(Unavailable, match="send it again"):
            keep(bank, of_ada(2))
    (again,) = keep(bank, of_ada(2))

    assert again.outcome is Outcome.STORED
    assert list(here(bank)) == ["1.2.3.4711.5.2"]


def test_of_a_study_that_two_patients_share_only_one_is_taken(bank: Bank) -> None:
    keep(bank, of_ada(1))
    other = a_file_of(BOB, PatientName="Babbage^Charles", StudyInstanceUID="1.2.3.4711", StudyDescription="Both")
    keep(bank, other)
    shred.shred(bank, ADA, ADMIN)
    (left,) = bank.index.instances(Selection(), ALL)

    assert left.patient == BOB
    assert bank.blobs.read(left.location) == other
    assert not any(b"Lovelace" in data for data in raw(bank.settings.data).values())
    shred.shred(bank, BOB, ADMIN)
    assert here(bank) == {}


def test_a_former_version_goes_too(tmp_path: Path) -> None:
    with open_test_bank(tmp_path, duplicates="revise") as bank:
        keep(bank, of_ada(1))
        keep(bank, of_ada(1, StudyDescription="Kneescan, revised"))
        shred.shred(bank, ADA, ADMIN)

        assert list(bank.index.locations(ALL)) == []


def test_what_nobody_knows_whose_it_is_goes_with_its_organization(bank: Bank) -> None:
    keep(bank, a_file(PatientID=""), source=replace(SOURCE, organization="north"))
    keep(bank, a_file(PatientID=""), source=replace(SOURCE, organization="south"))
    shred.shred(bank, PatientId("north", ""), ADMIN)

    assert len(here(bank)) == 1


def test_it_stands_in_the_ledger_under_a_pseudonym(bank: Bank) -> None:
    keep(bank, of_ada(1))
    shred.shred(bank, ADA, ADMIN, "10.0.0.7")
    (line,) = [one for one in bank.index.events(ALL, patient=ADA) if one.act is Act.REMOVED]

    assert (line.principal, line.address, line.detail) == ("root", "10.0.0.7", shred.DETAIL)


def test_only_who_administers_may_do_it(bank: Bank) -> None:
    keep(bank, of_ada(1))
    with pytest.raises(NotAllowed):
        shred.shred(bank, ADA, replace(ADMIN, rights=RIGHTS[Role.CLINICIAN]))

    assert len(here(bank)) == 1


def test_an_account_that_is_not_there_is_not_found(bank: Bank) -> None:
    with pytest.raises(NotFound):
        shred.shred(bank, ADA, ADMIN)


def test_what_was_cut_short_is_finished_by_the_worker(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(bank, of_ada(1))
    with monkeypatch.context() as broken:
        broken.setattr(bank.blobs, "destroy_keys", failing)
        with pytest.raises(Unavailable):
            shred.shred(bank, ADA, ADMIN)
    (one,) = bank.index.instances(Selection(), ALL)
    with pytest.raises(NotFound):
        bank.blobs.read(one.location)
    while worker.step(bank):
        pass

    assert here(bank) == {}
    assert [record.is_gone for record in bank.blobs.records()] == [True]


def failing(*_: object) -> None:
    raise Unavailable("the disk is away")
