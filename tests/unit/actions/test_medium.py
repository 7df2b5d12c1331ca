"""Discs of other hospitals: what they announce, what of it did not come, and whose images they are."""

import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest

from bank import SOURCE, open_test_bank
from imagebank import worker
from imagebank.actions import collect, media, medium, persons, reconciling, reindex, uploads
from imagebank.actions.collect import Journal, Tally
from imagebank.actions.ingest import Arrival
from imagebank.actions.medium import Inventory
from imagebank.bank import Bank
from imagebank.dicom import dicomdir
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.completeness import Progress
from imagebank.model.expectation import Origin
from imagebank.model.identity import Identity
from imagebank.model.imaging import Outcome, Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import Kind, Wanted
from imagebank.model.upload import About
from imagebank.ports.completeness import Asked
from samples import sample_data

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
DISC = sample_data() / "media-dicomdir"
OURS = PatientId("local", "OURS")
ELSEWHERE = About(hospital="St. Elsewhere")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


@pytest.fixture
def disc(tmp_path: Path) -> Path:
    return shutil.copytree(DISC, tmp_path / "disc")


def bring_in(bank: Bank, *paths: Path, about: About | None = None) -> Tally:
    journal, tally = Journal(bank.settings.data / "journal"), Tally()
    try:
        collect.bring_in(bank, collect.look(paths), SOURCE, journal, tally, about=about)
    finally:
        journal.close()
    return tally


def do_jobs(bank: Bank) -> None:
    while worker.step(bank):
        pass


def test_of_a_whole_disc_nothing_is_refused_or_missing(bank: Bank, disc: Path) -> None:
    tally = bring_in(bank, disc)

    assert tally.outcomes == {Outcome.STORED: 31, Outcome.READ: 1}
    assert (tally.refused, tally.missing) == ([], [])


def test_files_that_the_disc_names_and_does_not_bring_are_said_by_name_each_time(bank: Bank, disc: Path) -> None:
    (disc / "77654033/CT2/17106").unlink()
    # As a system writes names that keeps small letters alone, and versions.
    (disc / "77654033/CT2/17136").rename(disc / "77654033/CT2/17136.;1")
    (disc / "77654033").rename(disc / "other")
    (disc / "other").rename(disc / "77654033")
    tallies = [bring_in(bank, disc) for _ in range(2)]

    for tally in tallies:
        assert [name.rpartition("disc/")[2] for name in tally.missing] == ["77654033/CT2/17106"]
        assert tally.refused == []
    assert (tallies[1].skipped, tallies[1].files_total) == (31, 31)


def test_a_disc_in_an_archive_is_held_against_what_lies_in_it_and_is_settled(bank: Bank, disc: Path) -> None:
    (disc / "98892003/MR1/4919").unlink()
    with zipfile.ZipFile(disc.parent / "disc.zip", "w") as archive:
        for file in sorted(disc.rglob("*")):
            archive.write(file, file.relative_to(disc.parent))
    tallies = [bring_in(bank, disc.parent / "disc.zip") for _ in range(2)]

    missing = [[name.rpartition("!/")[2] for name in tally.missing] for tally in tallies]
    assert missing == [["disc/98892003/MR1/4919"], ["disc/98892003/MR1/4919"]]
    assert [tally.refused for tally in tallies] == [[], []]
    assert [tally.skipped for tally in tallies] == [0, 1]
    data = (disc.parent / "disc.zip").read_bytes()
    became = uploads.take(bank, iter([data]), len(data), "disc.zip", {}, KEEPER)
    assert [one.receipt.name for one in became if one.receipt.outcome is Outcome.REFUSED] == [
        "disc.zip!/disc/98892003/MR1/4919"
    ]


def test_a_study_of_which_the_disc_announces_more_is_known_to_be_incomplete(bank: Bank, disc: Path) -> None:
    (disc / "77654033/CT2/17106").unlink()
    bring_in(bank, disc)
    later = bank.now() + timedelta(hours=2)
    do_jobs(replace(bank, now=lambda: later))
    incomplete = bank.index.completeness.listed(Asked((Progress.MISSING,)), ALL)

    assert [(one.standing.missing, one.lacks[0].origin) for one in incomplete] == [(1, Origin.MEDIA)]


def test_a_table_of_contents_that_comes_by_itself_misses_nothing(bank: Bank) -> None:
    data = (DISC / "DICOMDIR").read_bytes()
    became = uploads.take(bank, iter([data]), len(data), "DICOMDIR", {}, KEEPER)

    assert [one.receipt.outcome for one in became] == [Outcome.READ]


@pytest.mark.parametrize("size", [4096, 100])
def test_one_that_is_broken_is_refused_and_its_files_come_all_the_same(bank: Bank, disc: Path, size: int) -> None:
    whole = (disc / "DICOMDIR").read_bytes()
    (disc / "DICOMDIR").write_bytes((sample_data() / "media-dicomdir-variants/DICOMDIR-nooffset").read_bytes())
    tally = bring_in(bank, disc)
    large = Arrival(BytesIO(whole), dicomdir.MAX_BYTES + 1, "DICOMDIR")

    assert tally.outcomes == {Outcome.STORED: 31, Outcome.REFUSED: 1}
    assert "read all the same" in tally.refused[0][1]
    assert medium.take(bank, large, SOURCE).outcome is Outcome.REFUSED


def test_patients_of_another_hospital_are_not_taken_for_ours_until_somebody_says_who_they_are(
    bank: Bank, disc: Path
) -> None:
    bring_in(bank, disc, about=ELSEWHERE)
    bring_in(bank, DISC, about=ELSEWHERE)
    patients = {one.patient for one in bank.index.instances(Selection(), ALL)}
    page = bank.index.tasks.tasks(Wanted(kind=Kind.MEDIA), ALL, bank.now())

    assert {one.issuer for one in patients} == {"St. Elsewhere"}
    assert len(page.tasks) == len({one.study for one in bank.index.instances(Selection(), ALL)})
    task, study = page.tasks[0], page.tasks[0].studies[0]
    persons.hear(bank, Identity(OURS, PersonName("Doe^Peter"), "19600101"))
    shown = reconciling.shown(bank, task.id, KEEPER, sought="OURS")
    assert [one.identity.patient for one in shown.candidates] == [OURS]
    reconciling.identify(bank, task.id, KEEPER, OURS)
    (now, *_) = bank.index.instances(Selection(study=study), ALL)
    assert now.patient == OURS
    assert b"St. Elsewhere" in bank.blobs.read(now.location), "the source of the previous values"
    do_jobs(bank)
    reconciling.undo(bank, task.id, KEEPER)
    (then, *_) = bank.index.instances(Selection(study=study), ALL)
    assert then.patient.issuer == "St. Elsewhere"
    do_jobs(bank)
    before = {(one.uid, one.patient) for one in bank.index.instances(Selection(), ALL)}
    reindex.reindex(bank)
    assert {(one.uid, one.patient) for one in bank.index.instances(Selection(), ALL)} == before
    assert len(bank.index.tasks.tasks(Wanted(kind=Kind.MEDIA), ALL, bank.now()).tasks) == len(page.tasks)


def test_a_photograph_of_another_hospital_keeps_its_identifier(bank: Bank) -> None:
    data = next((sample_data() / "non-dicom/jpeg").iterdir()).read_bytes()
    about = replace(ELSEWHERE, patient=PatientId("", "X1"))
    (receipt,) = media.receive(bank, [Arrival(BytesIO(data), len(data), "a.jpg")], SOURCE, about)
    (instance,) = bank.index.instances(Selection(instance=receipt.uid), ALL)

    assert instance.patient == PatientId("St. Elsewhere", "X1")


def test_a_table_that_announces_nothing_or_nonsense_does_no_harm(bank: Bank) -> None:
    empty = (sample_data() / "media-dicomdir-variants/DICOMDIR-empty.dcm").read_bytes()
    odd = (DISC / "DICOMDIR").read_bytes().replace(b"1.3.6.1.4.1.5962", b"1.3.6.1.4.1..962")
    for data in (empty, odd):
        assert medium.take(bank, Arrival(BytesIO(data), len(data), "DICOMDIR"), SOURCE).outcome is Outcome.READ
    assert bank.index.completeness.listed(Asked(), ALL) == []


def test_what_a_table_does_not_place_in_a_study_announces_nothing(bank: Bank) -> None:
    data = (sample_data() / "media-dicomdir-variants/DICOMDIR-nopatient").read_bytes()
    inventory = Inventory()
    receipt = medium.take(bank, Arrival(BytesIO(data), len(data), "a/DICOMDIR"), SOURCE, inventory)

    assert receipt.outcome is Outcome.READ
    assert len(list(inventory.missing())) == 31
    assert list(inventory.missing()) == []
