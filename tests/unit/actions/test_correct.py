"""A correction makes new versions and destroys nothing; the former ones can be had back, and nothing is half seen."""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset

from bank import SOURCE, keep, open_test_bank
from imagebank import worker
from imagebank.actions import (
    correct,
    finding,
    ingest,
    new_version,
    open_file,
    reindex,
    remove,
    retrieve,
    scrub,
    shred,
    unnamed,
    versions,
)
from imagebank.bank import Bank
from imagebank.dicom.changes import element_of_text
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound, OutOfSpace, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.correction import Correction, State
from imagebank.model.event import Act
from imagebank.model.imaging import Location, Outcome, Selection
from imagebank.model.person import PatientId
from imagebank.model.search import Wish
from imagebank.model.uid import Uid
from imagebank.ports import Entered
from imagebank.storage.transaction import SQLTransaction
from make import a_file, a_series, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
TECH = Principal("tech", Role.TECHNOLOGIST, "local", RIGHTS[Role.TECHNOLOGIST], Scope.of("local"))
ANA = {"PatientName": element_of_text("PatientName", "Diaz^Ana")}
ANAS = ANA | {"PatientID": element_of_text("PatientID", "4711")}


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def study_of(file: bytes) -> Uid:
    return Uid(read(file).StudyInstanceUID)


def uid_of(file: bytes) -> Uid:
    return Uid(read(file).SOPInstanceUID)


def corrected(bank: Bank, file: bytes, changes: Mapping[str, Any] = ANA, principal: Principal = TECH) -> Correction:
    return correct.correct(bank, Selection(study=study_of(file)), changes, principal, "the wrong patient was chosen")


def served(bank: Bank, file: bytes) -> Dataset:
    (instance,) = retrieve.select(bank, Selection(instance=uid_of(file)), ALL)
    return read(b"".join(retrieve.stored(bank, instance)))


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=10))
    while worker.step(later):
        pass


def test_every_instance_of_the_study_becomes_a_new_version(bank: Bank) -> None:
    files = a_series(3)
    keep(bank, *files)
    done = corrected(bank, files[0], ANAS)

    assert (done.state, done.count, done.total) == (State.DONE, 3, 3)
    assert done.before["00100020"] == [{"vr": "LO", "Value": ["P1"]}]
    assert done.after["00100010"] == [{"vr": "PN", "Value": [{"Alphabetic": "Diaz^Ana"}]}]
    assert done.patient == PatientId("local", "4711")
    for file in files:
        found = served(bank, file)
        former = found.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
        assert (found.PatientName, found.PatientID, former.PatientID) == ("Diaz^Ana", "4711", "P1")
        assert found.PixelData == read(file).PixelData
    assert {one.patient for one in bank.index.instances(Selection(), ALL)} == {PatientId("local", "4711")}


def test_the_former_version_can_be_had_back_byte_by_byte(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    done = corrected(bank, file)
    former, now = versions.listed(bank, uid_of(file), TECH)
    _, pieces = versions.content(bank, uid_of(file), 1, TECH)

    assert b"".join(pieces) == file
    assert (former.superseded_by, now.superseded_by) == (done.id, "")
    with pytest.raises(NotFound):
        versions.content(bank, uid_of(file), 3, TECH)
    with pytest.raises(NotFound):
        versions.listed(bank, uid_of(a_file()), TECH)


def test_after_a_rebuild_all_is_as_it_was(bank: Bank) -> None:
    files = [*a_series(2), a_file()]
    keep(bank, *files)
    corrected(bank, files[0], ANAS)
    corrected(bank, files[0], {"StudyDescription": element_of_text("StudyDescription", "Neck")})
    do_jobs(bank)
    before = [bank.index.instances(Selection(), ALL), versions.listed(bank, uid_of(files[0]), TECH)]
    history = correct.listed(bank, study_of(files[0]), TECH)
    reindex.reindex(bank)

    assert [bank.index.instances(Selection(), ALL), versions.listed(bank, uid_of(files[0]), TECH)] == before
    assert correct.listed(bank, study_of(files[0]), TECH) == history
    assert [one.after for one in history] == [
        {"00081030": [{"vr": "LO", "Value": ["Neck"]}]},
        {"00100010": [ANA["PatientName"]], "00100020": [ANAS["PatientID"]]},
    ]
    assert scrub.verify(bank).is_clean


def test_the_original_that_is_deposited_again_is_a_duplicate(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    corrected(bank, file)
    corrected(bank, file, {"AccessionNumber": None})
    (receipt,) = keep(bank, file)
    (other,) = keep(bank, a_file(SOPInstanceUID=uid_of(file), StudyInstanceUID=study_of(file)))

    assert receipt.outcome is Outcome.DUPLICATE
    assert other.outcome is Outcome.QUARANTINED
    assert served(bank, file).PatientName == "Diaz^Ana"


def test_a_correction_is_undone_by_another(bank: Bank) -> None:
    first, second = a_series(2)
    second_again = read(second)
    keep(bank, first, second)
    done = corrected(bank, first, ANAS)
    undone = correct.undo(bank, study_of(first), done.id, TECH, "it was the right one")

    assert undone.undoes == done.id
    for file in (first, second):
        assert (served(bank, file).PatientName, served(bank, file).PatientID) == ("Doe^Jane", "P1")
        assert len(versions.listed(bank, uid_of(file), TECH)) == 3
    assert served(bank, second).PixelData == second_again.PixelData
    with pytest.raises(NotFound):
        correct.undo(bank, study_of(first), "f" * 32, TECH, "no such")


def test_who_may_not_or_does_not_see_corrects_nothing(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    doctor = Principal("doc", Role.CLINICIAN, "local", RIGHTS[Role.CLINICIAN], Scope.of("local"))
    stranger = replace(TECH, organization="south", scope=Scope.of("south"))
    guest = replace(TECH, organization="south", scope=Scope.of("south", "local"))

    for caller, refusal in ((doctor, NotAllowed), (stranger, NotFound), (guest, NotAllowed)):
        with pytest.raises(refusal):
            corrected(bank, file, principal=caller)
    with pytest.raises(NotAllowed):
        correct.listed(bank, study_of(file), doctor)
    with pytest.raises(NotAllowed):
        versions.listed(bank, uid_of(file), doctor)
    assert corrected(bank, file, principal=KEEPER).state is State.DONE


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"Rows": None}, "why not"),
        ({"PatientBirthDate": {"vr": "DA", "Value": ["yesterday"]}}, "no date"),
        ({"PatientID": element_of_text("PatientID", "P1")}, "as it is"),
        (ANA, " "),
    ],
)
def test_what_is_no_correction_is_refused(bank: Bank, changes: Mapping[str, Any], reason: str) -> None:
    file = a_file()
    keep(bank, file)
    with pytest.raises(Invalid):
        correct.correct(bank, Selection(study=study_of(file)), changes, TECH, reason)

    assert correct.listed(bank, study_of(file), TECH) == []


def test_one_study_is_corrected_at_a_time(bank: Bank) -> None:
    keep(bank, a_file(), a_file())
    with pytest.raises(Invalid, match="one study"):
        correct.correct(bank, Selection(), ANA, TECH, "all of them")


def test_a_look_at_what_would_change_changes_nothing(bank: Bank) -> None:
    first, second = a_series(2)
    other = a_file(StudyInstanceUID=study_of(first), PatientName="Diaz^Ana")
    keep(bank, first, second, other)
    seen = correct.preview(bank, Selection(study=study_of(first)), ANA, TECH)

    assert (seen.count, seen.total) == (2, 3)
    assert seen.before == {"00100010": [{"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}]}
    assert len(versions.listed(bank, uid_of(first), TECH)) == 1
    done = corrected(bank, first)
    assert (done.count, done.total) == (2, 3)
    assert len(versions.listed(bank, uid_of(other), TECH)) == 1


def test_one_instance_is_corrected_and_the_rest_is_not(bank: Bank) -> None:
    first, second = a_series(2, BodyPartExamined="HEAD")
    keep(bank, first, second)
    selection = Selection(study_of(first), Uid(read(first).SeriesInstanceUID), uid_of(first))
    done = correct.correct(bank, selection, {"Laterality": element_of_text("Laterality", "L")}, TECH, "it was left")
    correct.undo(bank, study_of(first), done.id, TECH, "it was not")

    assert served(bank, first).get("Laterality", "") == ""
    assert "OriginalAttributesSequence" not in served(bank, second)


def test_the_ledger_tells_both_patients_and_no_name(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    done = corrected(bank, file, ANAS)
    lines = [one for one in bank.index.events(ALL) if one.act is Act.CORRECTED]

    assert [(one.detail, one.principal, one.study) for one in lines] == [
        (f"correction {done.id}", "tech", done.study)
    ] * 2
    for identifier in ("P1", "4711"):
        assert any(one.act is Act.CORRECTED for one in bank.index.events(ALL, patient=PatientId("local", identifier)))


def test_words_are_found_as_they_are_now(bank: Bank) -> None:
    file = a_file(PatientName="Wrongly^Named")
    keep(bank, file)
    do_jobs(bank)
    corrected(bank, file)
    do_jobs(bank)

    assert finding.everything(bank, Wish("diaz"), TECH, "test", 10).total == 1
    assert finding.everything(bank, Wish("wrongly"), TECH, "test", 10).total == 0


def make_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(correct, "_AT_ONCE", (1, 1))
    monkeypatch.setattr(correct, "_A_RUN", (2, 1 << 30))


def test_a_large_study_is_corrected_by_a_job_that_tells_how_far_it_is(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_large(monkeypatch)
    files = a_series(5)
    keep(bank, *files)
    asked = corrected(bank, files[0])
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=10))
    counts = []
    while correct.listed(bank, study_of(files[0]), TECH)[0].state is State.UNDER_WAY:
        assert {str(served(bank, file).PatientName) for file in files} == {"Doe^Jane"}
        assert scrub.verify(bank).orphans == []
        worker.step(later)
        counts.append(correct.listed(bank, study_of(files[0]), TECH)[0].count)

    assert asked.state is State.UNDER_WAY
    assert sorted(set(counts) - {0}) == [2, 4, 5]
    assert {str(served(bank, file).PatientName) for file in files} == {"Diaz^Ana"}


class Killed(BaseException):
    """Nothing of the program goes on after it."""


@contextmanager
def killed_at(bank: Bank, step: int) -> Iterator[None]:
    """Die before that step, counted from 1, of all that write or make durable."""
    left = step

    def patch(patched: pytest.MonkeyPatch, kind: type, name: str) -> None:
        real = getattr(kind, name)

        def each(*given: Any, **named: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise Killed
            return real(*given, **named)

        patched.setattr(kind, name, each)

    with pytest.MonkeyPatch.context() as patched:
        patch(patched, type(bank.index), "begin")
        for name in ("write", "sync", "destroy"):
            patch(patched, type(bank.blobs), name)
        yield


@pytest.mark.parametrize("step", range(1, 9))
def test_killed_between_any_two_steps_nothing_is_half_seen_and_a_job_goes_on(bank: Bank, step: int) -> None:
    files = a_series(3)
    keep(bank, *files)
    with killed_at(bank, step), suppress(Killed):
        corrected(bank, files[0])

    def names() -> set[str]:
        return {str(served(bank, file).PatientName) for file in files}

    assert len(names()) == 1
    if step % 2:
        reindex.reindex(bank)
        assert len(names()) == 1
    do_jobs(bank)
    is_begun = step > 1
    assert names() == ({"Diaz^Ana"} if is_begun else {"Doe^Jane"})
    assert [one.state for one in correct.listed(bank, study_of(files[0]), TECH)] == [State.DONE] * is_begun
    assert scrub.verify(bank).is_clean
    assert [len(versions.listed(bank, uid_of(file), TECH)) for file in files] == [1 + is_begun] * 3
    # What was written and never put in its place does not come back.
    reindex.reindex(bank)
    assert [len(versions.listed(bank, uid_of(file), TECH)) for file in files] == [1 + is_begun] * 3


def readable(bank: Bank, record: Location) -> bool:
    with suppress(NotFound):
        return bool(bank.blobs.read(record))
    return False


def test_with_an_account_go_the_former_versions_of_its_objects_whoever_they_were_of(bank: Bank) -> None:
    """Also that which came of nobody known, under the organization's key, and a new version that is under way."""
    unknown, wrong = a_file(PatientID=""), a_file(PatientID="P1")
    keep(bank, unknown, wrong)
    for file in (unknown, wrong):
        corrected(bank, file, ANAS)
    records = [one.location for file in (unknown, wrong) for one in versions.listed(bank, uid_of(file), TECH)]
    other = a_file(PatientID="P2")
    keep(bank, other)
    do_jobs(bank)
    shred.shred(bank, PatientId("local", "4711"), KEEPER)

    assert not [one for one in records if readable(bank, one)]
    assert [one.uid for one in bank.index.instances(Selection(), ALL)] == [uid_of(other)]
    reindex.reindex(bank)
    assert [one.uid for one in bank.index.instances(Selection(), ALL)] == [uid_of(other)]
    assert scrub.verify(bank).is_clean


def test_who_had_been_wrong_loses_only_the_former_version(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    corrected(bank, file, ANAS)
    shred.shred(bank, PatientId("local", "P1"), KEEPER)

    assert served(bank, file).PatientID == "4711"
    assert len(versions.listed(bank, uid_of(file), TECH)) == 1
    reindex.reindex(bank)
    assert served(bank, file).PatientID == "4711"


def begin(bank: Bank, monkeypatch: pytest.MonkeyPatch, files: list[bytes], changes: Mapping[str, Any] = ANAS) -> None:
    """A correction under way, of which all but the switch is done."""
    make_large(monkeypatch)
    keep(bank, *files)
    corrected(bank, files[0], changes)
    later = replace(bank, now=lambda: bank.now() + timedelta(minutes=10))
    while correct.listed(bank, study_of(files[0]), TECH)[0].count < len(files) - 1:
        worker.step(later)


def test_what_is_under_way_goes_with_the_account_too(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    files = a_series(3)
    begin(bank, monkeypatch, files)
    (one,) = correct.listed(bank, study_of(files[0]), TECH)
    steps = bank.index.corrections.steps(one.id)
    shred.shred(bank, PatientId("local", "P1"), KEEPER)
    do_jobs(bank)

    assert len(steps) == 2
    assert not [step for step in steps if readable(bank, step.location)]
    assert bank.index.corrections.under_way(one.id) is None


def test_a_study_that_is_deleted_takes_its_correction_along(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    files = a_series(3)
    begin(bank, monkeypatch, files)
    (one,) = correct.listed(bank, study_of(files[0]), TECH)
    steps = bank.index.corrections.steps(one.id)
    remove.remove(bank, Selection(study=study_of(files[0])), KEEPER)
    do_jobs(bank)

    assert not [step for step in steps if readable(bank, step.location)]
    assert bank.index.corrections.steps(one.id) == []


def test_what_changes_meanwhile_is_corrected_as_it_is_then(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """One instance went, one came, one was corrected otherwise."""
    files = a_series(3)
    begin(bank, monkeypatch, files)
    study, series = study_of(files[0]), read(files[0]).SeriesInstanceUID
    late = a_file(StudyInstanceUID=study, SeriesInstanceUID=series)
    remove.remove(bank, Selection(instance=uid_of(files[0])), KEEPER)
    keep(bank, late)
    one = Selection(study, Uid(series), uid_of(files[1]))
    monkeypatch.setattr(correct, "_AT_ONCE", (500, 1 << 30))
    correct.correct(bank, one, {"Laterality": element_of_text("Laterality", "L")}, TECH, "side")
    do_jobs(bank)

    assert [str(served(bank, file).PatientName) for file in (*files[1:], late)] == ["Diaz^Ana"] * 3
    assert served(bank, files[1]).Laterality == "L"
    assert len(versions.listed(bank, uid_of(files[1]), TECH)) == 3
    assert scrub.verify(bank).orphans == []


def test_a_study_that_never_stays_as_it_is_waits(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)

    def moved(*_: Any) -> None:
        raise correct._Moved

    with monkeypatch.context() as patched:
        patched.setattr(correct, "_switch", moved)
        waits = corrected(bank, file)
    do_jobs(bank)

    assert waits.state is State.UNDER_WAY
    assert served(bank, file).PatientName == "Diaz^Ana"


def test_what_cannot_be_entered_changes_nothing_and_says_so(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)
    with monkeypatch.context() as patched:
        patched.setattr(new_version, "describe", lambda *_, **__: (_ for _ in ()).throw(Invalid("it is broken")))
        with pytest.raises(Conflict, match="it is broken"):
            corrected(bank, file)

    assert [one.state for one in correct.listed(bank, study_of(file), TECH)] == [State.FAILED]
    assert served(bank, file).PatientName == "Doe^Jane"
    assert corrected(bank, file).state is State.DONE


def test_a_full_disk_changes_nothing(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)

    def is_full(*_: Any) -> None:
        raise OutOfSpace("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(type(bank.blobs), "write", is_full)
        with pytest.raises(OutOfSpace):
            corrected(bank, file)
    do_jobs(bank)

    assert served(bank, file).PatientName == "Doe^Jane"


def test_a_store_that_is_away_for_a_while_delays_it(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)

    def is_away(*_: Any) -> None:
        raise Unavailable("the store does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(type(bank.blobs), "write", is_away)
        waits = corrected(bank, file)
    do_jobs(bank)

    assert waits.state is State.UNDER_WAY
    assert served(bank, file).PatientName == "Diaz^Ana"


def test_a_guest_in_a_study_stays_one(bank: Bank) -> None:
    file = a_file()
    guest = a_file(StudyInstanceUID=study_of(file), PatientName="Guest^Named")
    keep(bank, file)
    arrival = ingest.Arrival(io.BytesIO(guest), len(guest))
    ingest.receive(bank, [arrival], replace(SOURCE, organization="south"), sees=Scope.of("local"))
    corrected(bank, file)
    do_jobs(bank)
    before = bank.index.instances(Selection(), ALL)
    reindex.reindex(bank)

    assert len(before) == 2
    assert bank.index.instances(Selection(), ALL) == before
    assert bank.index.quarantined(ALL) == []


def test_a_large_object_is_written_without_being_held(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new_version, "_IN_MEMORY", 100)
    monkeypatch.setattr(open_file, "_IN_MEMORY", 100)
    file = a_file()
    keep(bank, file)
    corrected(bank, file)

    assert served(bank, file).PixelData == read(file).PixelData

    def is_full(*_: Any) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(open_file, "_IN_MEMORY", 1 << 20)
    monkeypatch.setattr(unnamed, "write_all", is_full)
    with pytest.raises(OutOfSpace):
        corrected(bank, file, {"StudyID": None})


def test_who_deposited_is_named_where_a_name_can_be(bank: Bank) -> None:
    file, odd = a_file(), a_file()
    keep(bank, file)
    keep(bank, odd, source=replace(SOURCE, principal="a\nb"))
    for one in (file, odd):
        corrected(bank, one)

    assert served(bank, file).OriginalAttributesSequence[0].SourceOfPreviousValues == "tester"
    assert served(bank, odd).OriginalAttributesSequence[0].SourceOfPreviousValues == ""


def test_a_job_for_a_correction_that_is_over_does_nothing(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    done = corrected(bank, file)
    correct.correct_job(bank, {"correction": done.id})

    assert len(versions.listed(bank, uid_of(file), TECH)) == 2


def test_what_comes_at_the_last_moment_is_corrected_with_the_rest(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    late = a_file(StudyInstanceUID=study_of(file), SeriesInstanceUID=read(file).SeriesInstanceUID)
    keep(bank, file)
    prepare = new_version.prepare

    def prepared(*given: Any) -> new_version.Work:
        work = prepare(*given)
        keep(bank, late)
        return work

    monkeypatch.setattr(new_version, "prepare", prepared)
    done = corrected(bank, file)

    assert done.count == 2
    assert served(bank, late).PatientName == "Diaz^Ana"


def test_what_another_worker_gave_up_is_not_put_in_place(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    file = a_file()
    keep(bank, file)
    prepare = new_version.prepare

    def prepared(*given: Any) -> new_version.Work:
        work = prepare(*given)
        correct._give_up(bank, given[1], "another worker found a fault")
        return work

    with monkeypatch.context() as patched:
        patched.setattr(new_version, "prepare", prepared)
        with pytest.raises(Conflict, match="another worker"):
            corrected(bank, file)

    assert served(bank, file).PatientName == "Doe^Jane"
    assert scrub.verify(bank).is_clean


def test_an_index_that_lays_a_new_version_aside_has_none_put_in_place(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = a_file()
    keep(bank, file)
    with monkeypatch.context() as patched:
        patched.setattr(SQLTransaction, "enter", lambda *_: [Entered(Outcome.QUARANTINED)])
        with pytest.raises(Conflict, match="does not take"):
            corrected(bank, file)

    assert served(bank, file).PatientName == "Doe^Jane"
    assert len(versions.listed(bank, uid_of(file), TECH)) == 1


def test_a_new_version_that_is_lost_before_it_is_seen_is_written_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_version, "_TOGETHER", 1)
    files = a_series(3)
    begin(bank, monkeypatch, files)
    (one,) = correct.listed(bank, study_of(files[0]), TECH)
    bank.blobs.destroy([bank.index.corrections.steps(one.id)[0].location])
    do_jobs(bank)

    assert {str(served(bank, file).PatientName) for file in files} == {"Diaz^Ana"}


def test_what_somebody_else_has_corrected_by_then_is_said_to_be_so(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    files = a_series(2)
    keep(bank, *files)
    with monkeypatch.context() as patched:
        make_large(patched)
        corrected(bank, files[0])
    corrected(bank, files[0])
    do_jobs(bank)

    assert [one.state for one in correct.listed(bank, study_of(files[0]), TECH)] == [State.DONE, State.FAILED]


def test_an_undoing_leaves_what_the_correction_had_left(bank: Bank) -> None:
    first = a_file()
    other = a_file(StudyInstanceUID=study_of(first), PatientName="Diaz^Ana")
    keep(bank, first, other)
    done = corrected(bank, first)
    undone = correct.undo(bank, study_of(first), done.id, TECH, "it was right")

    with pytest.raises(Invalid, match="nothing would change"):
        correct.undo(bank, study_of(first), done.id, TECH, "once more")
    assert (done.count, undone.count) == (1, 1)
    assert [str(served(bank, file).PatientName) for file in (first, other)] == ["Doe^Jane", "Diaz^Ana"]


def test_a_former_version_that_is_lost_is_found_by_verify(bank: Bank) -> None:
    file = a_file()
    keep(bank, file)
    corrected(bank, file)
    bank.blobs.destroy([versions.listed(bank, uid_of(file), TECH)[0].location])
    found = scrub.verify(bank)

    assert not found.is_clean
    assert str(uid_of(file)) in "".join(found.damaged)
