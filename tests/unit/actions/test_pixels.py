"""The same picture under another identity is found whatever codes it, reported, settled, and never merged."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEGLSLossless, RLELossless, UltrasoundMultiFrameImageStorage, VideoEndoscopicImageStorage

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import notes, persons, pixels, reconciling, reindex, remove
from imagebank.bank import Bank
from imagebank.dicom.sandbox import Sandbox
from imagebank.dicom.transcode import transcode
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Identity, Origin
from imagebank.model.imaging import Instance, Selection
from imagebank.model.note import Amendment
from imagebank.model.person import PatientId
from imagebank.model.picture import Answer, Finding, Fingerprint, Ground, Verdict, Whose
from imagebank.model.task import Kind, Priority, State, Wanted
from imagebank.model.uid import Uid
from make import a_dataset, as_file, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
H264 = "1.2.840.10008.1.2.4.102"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(1) as decoders:
        yield decoders


@pytest.fixture
def bank(tmp_path: Path, sandbox: Sandbox) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield replace(opened, sandbox=sandbox)


def scene(seed: int = 1, side: int = 64, frames: int = 1) -> Any:
    """Something to be seen: hills that no two seeds have in common."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [
        random.normal() * np.sin(6.3 * (random.uniform(0, 4) * x + random.uniform(0, 4) * y) + n) for n in range(9)
    ]
    hills = sum(waves)
    grey = ((hills - hills.min()) / np.ptp(hills) * 3000 + 500).astype("<u2")
    return np.stack([np.roll(grey, 5 * n, axis=0) for n in range(frames)])


def an_image(cells: Any, **attributes: Any) -> Dataset:
    frames, rows, columns = cells.shape
    given = {"PixelData": cells.tobytes(), **({"NumberOfFrames": frames} if frames > 1 else {})}
    return a_dataset(rows=rows, columns=columns, **(given | attributes))


def a_picture(seed: int = 1, **attributes: Any) -> bytes:
    return as_file(an_image(scene(seed), **attributes))


def in_a_stream(seed: int = 1, **attributes: Any) -> Dataset:
    """An image of which the pixel data is a stream that nothing decodes."""
    image = an_image(scene(seed), **attributes)
    image.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x08\0\0\0filmfilm\xfe\xff\xdd\xe0\0\0\0\0"
    image["PixelData"].is_undefined_length = True
    image["PixelData"].VR = "OB"
    return image


def instance(bank: Bank, file: bytes) -> Instance:
    (found,) = bank.index.instances(Selection(instance=Uid(read(file).SOPInstanceUID)), ALL)
    return found


def seen(bank: Bank, file: bytes) -> Fingerprint:
    keep(bank, file)
    return pixels.see(bank, instance(bank, file))


def look(bank: Bank) -> int:
    return pixels.fill(bank, lambda *_: None)


def findings(bank: Bank, **asked: Any) -> list[Finding]:
    return pixels.findings(bank, KEEPER, **asked)


def tasks(bank: Bank, state: State = State.OPEN) -> list[tuple[Priority, str]]:
    page = bank.index.tasks.tasks(Wanted(state, Kind.SAME_PIXELS), ALL, bank.now())
    return [(one.priority, one.mark.how) for one in page.tasks]


def test_a_digest_is_of_the_pixels_whatever_codes_them(bank: Bank) -> None:
    plain = a_picture(PatientID="A")
    coded = [transcode(bank.sandbox, a_picture(PatientID="B"), Uid(one)) for one in (RLELossless, JPEGLSLossless)]
    prints = [seen(bank, one) for one in (plain, *coded)]
    other = seen(bank, a_picture(2))

    assert len(set(prints)) == 1
    assert len(prints[0].digest) == 32
    assert prints[0].is_telling
    assert other.digest != prints[0].digest


def test_every_frame_counts_and_the_middle_one_is_looked_at(bank: Bank) -> None:
    loop = scene(frames=5)
    changed = loop.copy()
    changed[4, 0, 0] += 1
    first, second = (
        seen(bank, as_file(an_image(one, SOPClassUID=UltrasoundMultiFrameImageStorage))) for one in (loop, changed)
    )

    assert first.digest != second.digest
    assert first.look == second.look


def test_pictures_are_known_by_the_same_when_several_are_decoded_at_once(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_CHUNK_BYTES", 20_000)  # two of these pictures, and none of a larger one
    files = [
        a_picture(1),
        a_picture(2),
        a_picture(3),
        as_file(an_image(scene(5, side=128))),
        as_file(an_image(scene(6), BitsAllocated=12)),
        a_picture(7),
        as_file(in_a_stream(4), JPEGLSLossless),
        as_file(in_a_stream(9, SOPClassUID=VideoEndoscopicImageStorage), H264),
        as_file(an_image(scene(8, frames=2), SOPClassUID=UltrasoundMultiFrameImageStorage)),
    ]
    keep(bank, *files)
    instances = [instance(bank, file) for file in files]

    at_once = pixels._see_each(bank, instances)

    assert at_once == [pixels._see(bank, one) for one in instances]
    assert [bool(one.small) for one in at_once] == [True, True, True, True, False, True, False, False, True]


def test_long_loops_are_sampled_evenly(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "_MOST_FRAMES", 4)
    monkeypatch.setattr(pixels, "_CHUNK_BYTES", 1)
    asked: list[int] = []
    each = pixels.retrieve.frames_each  # type: ignore[attr-defined]

    def noted(bank: Bank, of: Instance, numbers: Any) -> Any:
        asked.extend(numbers)
        return each(bank, of, numbers)

    monkeypatch.setattr(pixels.retrieve, "frames_each", noted)  # type: ignore[attr-defined]
    found = seen(bank, as_file(an_image(scene(frames=10), SOPClassUID=UltrasoundMultiFrameImageStorage)))

    assert asked == [1, 4, 7, 10]
    assert found.look is not None


def test_what_cannot_be_decoded_is_not_tried_again_and_films_are_known_by_their_stream(bank: Bank) -> None:
    short = an_image(scene())
    short.PixelData = short.PixelData[:100]
    film = in_a_stream(SOPClassUID=VideoEndoscopicImageStorage, PatientID="F")
    no_pixels = a_dataset(PixelData=None)
    prints = [seen(bank, as_file(short)), seen(bank, as_file(film, H264)), seen(bank, as_file(no_pixels))]

    assert prints[0] == prints[2] == Fingerprint()
    assert prints[1].is_telling
    assert (len(prints[1].digest), prints[1].look) == (32, None)
    assert look(bank) == 0
    assert bank.index.pictures.count(ALL) == (2, 2)


def test_the_same_picture_of_another_patient_is_reported_and_loud(bank: Bank) -> None:
    keep(bank, a_picture(PatientID="A"), a_picture(PatientID="B", StudyDate="20260203"), a_picture(2, PatientID="C"))
    new = look(bank)
    (found,) = findings(bank)

    assert new == 1
    assert {found.first.patient.identifier, found.second.patient.identifier} == {"A", "B"}
    assert (found.ground, found.pictures, found.whose) == (Ground.EXACT, 1, Whose.OTHER_PATIENT)
    assert tasks(bank) == [(Priority.HIGH, "")]
    assert len(bank.index.instances(Selection(), ALL)) == 3, "nothing is merged"


def test_the_same_patient_is_a_quiet_finding_and_the_same_study_none(bank: Bank) -> None:
    one = a_picture()
    again = a_picture(StudyInstanceUID=read(one).StudyInstanceUID)
    keep(bank, one, again)
    none = look(bank)
    keep(bank, a_picture())
    look(bank)
    (found,) = findings(bank)

    assert none == 0
    assert (found.whose, found.pictures) == (Whose.SAME_PATIENT, 2)
    assert tasks(bank) == [(Priority.LOW, "")]


def test_linked_records_are_one_person_and_records_without_identifier_nobodys(bank: Bank) -> None:
    north, south = PatientId("local", "N"), PatientId("south", "S")
    for one in (north, south):
        persons.hear(bank, Identity(one, origin=Origin.HL7))
    keep(bank, a_picture(PatientID="N"))
    keep(bank, a_picture(PatientID="S"), source=replace(SOURCE, organization="south"))
    keep(bank, a_picture(3, PatientID=None), a_picture(3, PatientID=None))
    look(bank)
    apart = [one.whose for one in findings(bank)]
    persons.link(bank, KEEPER, north, south)

    assert apart == [Whose.OTHER_PATIENT, Whose.OTHER_PATIENT]
    assert [one.whose for one in findings(bank)] == [Whose.OTHER_PATIENT, Whose.SAME_PERSON]


def test_a_picture_that_was_coded_with_loss_is_found_and_one_that_only_looks_alike_is_not(bank: Bank) -> None:
    noise = np.random.default_rng(5).integers(-60, 60, (1, 64, 64))
    lossy = (scene().astype(np.int32) + noise).astype("<u2")
    alike = (scene().astype(np.int32) + 1500 * (np.mgrid[0:64, 0:64][0] // 2 % 2)).astype("<u2")
    keep(
        bank, a_picture(PatientID="A"), as_file(an_image(lossy, PatientID="B")), as_file(an_image(alike, PatientID="C"))
    )
    look(bank)
    (found,) = findings(bank)

    assert (found.ground, found.whose) == (Ground.ALIKE, Whose.OTHER_PATIENT)
    assert {found.first.patient.identifier, found.second.patient.identifier} == {"A", "B"}


@pytest.mark.parametrize("cells", [np.zeros((1, 64, 64), "<u2"), np.full((1, 64, 64), 700, "<u2")])
def test_what_is_blank_is_no_finding(bank: Bank, cells: Any) -> None:
    keep(bank, as_file(an_image(cells, PatientID="A")), as_file(an_image(cells, PatientID="B")))

    assert look(bank) == 0


def test_a_pattern_that_many_studies_have_is_no_finding(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pixels, "_PATTERN", 2)
    keep(bank, *(a_picture(PatientID=f"P{number}") for number in range(4)))

    assert look(bank) == 0
    assert findings(bank) == []


def test_somebody_settles_a_finding_once_and_it_stays_so_after_a_rebuild(bank: Bank) -> None:
    keep(bank, a_picture(PatientID="A"), a_picture(PatientID="B"))
    look(bank)
    (found,) = findings(bank)
    pair = found.second.study, found.first.study
    with pytest.raises(NotAllowed):
        pixels.settle(bank, replace(KEEPER, rights=frozenset()), *pair, Answer.RIGHT)
    with pytest.raises(NotAllowed):
        pixels.findings(bank, replace(KEEPER, rights=frozenset()))
    with pytest.raises(NotFound):
        pixels.settle(bank, KEEPER, pair[0], Uid("1.2.3"), Answer.RIGHT)
    with pytest.raises(Invalid):
        pixels.settle(bank, KEEPER, *pair, Answer.RIGHT, "x" * 1001)
    settled = pixels.settle(bank, KEEPER, *pair, Answer.RIGHT, "a teaching\ncopy")
    with pytest.raises(Conflict):
        pixels.settle(bank, KEEPER, *pair, Answer.RIGHT)
    changed = pixels.settle(bank, KEEPER, *pair, Answer.DIFFERENT)
    while worker.step(bank):
        pass
    reindex.reindex(bank)
    look(bank)

    assert settled.verdict is not None
    assert (settled.verdict.reason, settled.verdict.by) == ("a teaching copy", "keeper")
    assert changed.verdict is not None
    assert findings(bank) == []
    assert [one.verdict for one in findings(bank, is_open=False)] == [changed.verdict]
    assert tasks(bank) == []
    assert (Priority.HIGH, "not the same") in tasks(bank, State.SETTLED)
    told = [one.detail for one in bank.index.events(ALL) if one.study in pair and one.detail.startswith("pictures")]
    assert told == ["pictures: not the same"] * 2 + ["pictures: same picture is right"] * 2


def test_of_two_verdicts_that_lie_in_any_order_the_later_one_counts_after_a_rebuild(bank: Bank) -> None:
    keep(bank, a_picture(PatientID="A"), a_picture(PatientID="B"))
    look(bank)
    (found,) = findings(bank)
    now = bank.now()
    late, early = (
        Verdict(found.first.study, found.second.study, answer, "keeper", at)
        for answer, at in ((Answer.RIGHT, now), (Answer.DIFFERENT, replace(found).found_at))
    )
    for one in (late, early):
        notes.amend_job(bank, notes.amend_payload(Amendment(one.at, pictures=(one,))))
    reindex.reindex(bank)
    look(bank)

    assert [one.verdict for one in findings(bank, is_open=False)] == [late]


def test_the_queue_settles_a_finding_and_asks_it_again(bank: Bank) -> None:
    keep(bank, a_picture(PatientID="A"), a_picture(PatientID="B"))
    look(bank)
    (task,) = reconciling.page(bank, Wanted(), KEEPER).tasks
    with pytest.raises(Invalid):
        reconciling.settle(bank, task.id, KEEPER, "yes")
    settled = reconciling.settle(bank, task.id, KEEPER, "not the same", "twins")
    answered = [one.verdict.answer for one in findings(bank, is_open=False) if one.verdict]
    reconciling.undo(bank, task.id, KEEPER)
    with pytest.raises(Conflict):
        pixels.settle(bank, KEEPER, task.studies[0], task.studies[1], Answer.OPEN)
    again = findings(bank)
    reconciling.settle(bank, task.id, KEEPER, "not the same")

    assert (settled.mark.how, settled.mark.reason) == ("not the same", "twins")
    assert answered == [Answer.DIFFERENT]
    assert [one.verdict for one in again] == [None]
    assert findings(bank) == []


def test_a_finding_goes_with_its_picture(bank: Bank) -> None:
    one = a_picture(PatientID="A")
    keep(bank, one, a_picture(PatientID="B"))
    look(bank)
    remove.remove(bank, Selection(study=Uid(read(one).StudyInstanceUID)), KEEPER)

    assert findings(bank) == []
    assert bank.index.pictures.count(ALL) == (1, 1)


def test_only_who_sees_both_sides_is_told(bank: Bank) -> None:
    keep(bank, a_picture(PatientID="A"))
    keep(bank, a_picture(PatientID="B"), source=replace(SOURCE, organization="south"))
    look(bank)
    local, both = (replace(KEEPER, scope=Scope.of(*names)) for names in (("local",), ("local", "south")))

    assert pixels.findings(bank, local) == []
    (found,) = pixels.findings(bank, both)
    with pytest.raises(NotFound):
        pixels.settle(bank, local, found.first.study, found.second.study, Answer.RIGHT)


def test_the_worker_looks_at_pictures_once_a_series_is_quiet_and_some_at_a_time(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pixels, "_AT_ONCE", 2)
    keep(
        bank,
        *(
            a_picture(number, PatientID=f"P{number}", SeriesInstanceUID="1.2.9", StudyInstanceUID="1.2")
            for number in range(1, 6)
        ),
    )
    before = bank.index.pictures.count(ALL)
    with bank.index.begin() as tx:
        pixels.look_soon(bank, tx, Uid("1.2.9"))
    minutes = count()
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=next(minutes)))
    while bank.index.pictures.count(ALL)[0] < 5:
        worker.step(later)

    assert before == (0, 5)
    assert bank.index.pictures.count(ALL) == (5, 5)
    assert pixels.catch_up(bank) is False
    keep(bank, a_picture(9))
    assert pixels.catch_up(bank) is True


def test_what_goes_while_it_is_looked_at_harms_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = a_picture(PatientID="A"), as_file(an_image(scene() + 3, PatientID="B"))
    keep(bank, one)
    look(bank)
    keep(bank, other)
    alike = type(bank.index.pictures).alike

    def go(*given: Any) -> Any:
        found = alike(*given)
        remove.remove(bank, Selection(study=Uid(read(one).StudyInstanceUID)), KEEPER)
        return found

    monkeypatch.setattr(type(bank.index.pictures), "alike", go)

    assert look(bank) == 0
    assert findings(bank) == []


def test_a_finding_that_goes_before_it_is_told_is_not_told(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    keep(bank, a_picture(PatientID="A"), a_picture(PatientID="B"))
    monkeypatch.setattr(type(bank.index.pictures), "finding", lambda *_: None)
    look(bank)

    assert tasks(bank) == []


def test_a_picture_that_is_gone_when_it_is_to_be_compared_is_not_the_same(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = a_picture(PatientID="A")
    keep(bank, one)
    look(bank)
    keep(bank, as_file(an_image(scene() + 3, PatientID="B")))
    bank.blobs.destroy([instance(bank, one).location])

    assert look(bank) == 0
