"""Did everything arrive: found by a job, told to who may see it, settled by a person, and the same after a rebuild."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import DigitalXRayImageStorageForPresentation, generate_uid

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import (
    completeness,
    expecting,
    finding,
    notes,
    orders,
    performing,
    reindex,
    remove,
    retrieve,
    shred,
)
from imagebank.actions.performing import Made
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.completeness import Completeness, Progress, Standing
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.imaging import Selection
from imagebank.model.note import Amendment
from imagebank.model.order import Order, Patient, Performed, PerformedSeries, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.search import Facet, Wish
from imagebank.model.uid import Uid
from imagebank.ports.completeness import Asked
from make import a_file, a_series, read

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
CT1 = Principal("CT1", Role.DEVICE, "local", RIGHTS[Role.DEVICE], Scope.of("local"))
P1 = PatientId("local", "P1")
LATER = timedelta(minutes=10)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def after(bank: Bank, passed: timedelta) -> Bank:
    """The same bank later."""
    return replace(bank, now=lambda: datetime.now(UTC) + passed)


def do_jobs(bank: Bank, passed: timedelta = LATER) -> None:
    while worker.step(after(bank, passed)):
        pass


class Exam:
    """Files of one series, and the modality that says what it does."""

    def __init__(self, bank: Bank, count: int = 4, **attributes: Any) -> None:
        self.bank = bank
        self.study, self.series, self.step = (Uid(generate_uid()) for _ in range(3))
        shared = {"StudyInstanceUID": self.study, "SeriesInstanceUID": self.series}
        self.files = a_series(count, **(shared | attributes))
        self.names = tuple(str(read(file).SOPInstanceUID) for file in self.files)

    def begin(self) -> None:
        step = Performed(
            self.step,
            "",
            P1,
            State.STARTED,
            (Reference(str(self.study), "A1"), Reference("no uid")),
            "",
            self.bank.now(),
        )
        performing.begin(self.bank, replace(step, modality="CT"), CT1)

    def end(self, state: State = State.DONE, *, names: tuple[str, ...] | None = None) -> None:
        made = Made(
            (PerformedSeries(str(self.series), self.names if names is None else names),), (("EntranceDose", "3"),)
        )
        performing.end(self.bank, self.step, state, CT1, made=made)

    def send(self, count: int) -> None:
        keep(self.bank, *self.files[:count])

    def found(self) -> Completeness | None:
        return self.bank.index.completeness.of_study(self.study, ALL)

    def standing(self) -> Standing | None:
        found = self.found()
        return found.standing if found else None


def test_a_study_arrives_and_is_held_against_what_the_modality_said(bank: Bank) -> None:
    exam = Exam(bank)
    exam.begin()
    do_jobs(bank, timedelta())
    begun = exam.standing()
    exam.send(2)
    arriving = exam.standing()
    exam.end()
    do_jobs(bank, timedelta())
    ended = exam.standing()
    do_jobs(bank)
    quiet = exam.standing()
    exam.send(4)
    do_jobs(bank, timedelta())
    again = exam.standing()
    do_jobs(bank)

    assert (begun, arriving) == (Standing(Progress.ARRIVING), Standing(Progress.ARRIVING))
    assert ended == Standing(Progress.ARRIVING, 4, 2)
    assert quiet == Standing(Progress.MISSING, 4, 2)
    assert again == Standing(Progress.ARRIVING, 4, 2)
    assert exam.standing() == Standing(Progress.COMPLETE, 4)


def test_the_search_chooses_by_how_far_a_study_has_come(bank: Bank) -> None:
    def chosen(progress: Progress) -> int:
        wish = Wish("", {Facet.COMPLETENESS: (progress.value,)})
        answer = finding.everything(bank, wish, KEEPER, "test", 10)
        assert sum(number for _, number in answer.counts[Facet.COMPLETENESS]) == answer.total
        return answer.total

    exam = Exam(bank)
    exam.begin()
    exam.send(2)
    exam.end()
    do_jobs(bank)
    first = chosen(Progress.MISSING), chosen(Progress.COMPLETE)
    exam.send(4)
    do_jobs(bank)

    assert (first, (chosen(Progress.MISSING), chosen(Progress.COMPLETE))) == ((1, 0), (0, 1))


def test_what_a_step_says_of_its_dose_and_series_is_kept(bank: Bank) -> None:
    exam = Exam(bank)
    exam.begin()
    exam.end(State.STARTED)
    performing.end(bank, exam.step, State.DONE, CT1)
    with bank.index.begin() as tx:
        step = tx.orders.performed(exam.step, "local")

    assert step is not None
    assert (step.dose, step.modality) == ((("EntranceDose", "3"),), "CT")
    assert step.series == (PerformedSeries(str(exam.series), exam.names),)


def test_an_exam_that_is_broken_off_expects_what_it_names_and_nothing_else(bank: Bank) -> None:
    one, other = Exam(bank), Exam(bank)
    for exam in (one, other):
        exam.begin()
    one.end(State.STOPPED, names=())
    other.end(State.STOPPED, names=other.names[:1])
    do_jobs(bank)

    assert one.standing() is None
    assert other.standing() == Standing(Progress.MISSING, 1, 1)


def test_headers_and_gaps_are_told_by_a_study_nobody_announced(bank: Bank) -> None:
    counted = Exam(bank, 3, NumberOfSeriesRelatedInstances=5, NumberOfStudyRelatedInstances=5)
    gappy = Exam(bank, 8)
    keep(bank, *counted.files, *gappy.files[:4], *gappy.files[5:])
    do_jobs(bank)

    assert counted.standing() == Standing(Progress.MISSING, 5, 2)
    assert gappy.standing() == Standing(Progress.MISSING, 8, 1, is_certain=False)
    found = gappy.found()
    assert found is not None
    assert [one.numbers for one in found.lacks] == ["5"]


@pytest.mark.parametrize(
    "attributes",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Modality": "DX", "SOPClassUID": DigitalXRayImageStorageForPresentation},
        {"PixelData": None},
        {"NumberOfFrames": 2, "rows": 4, "PixelData": b"\0" * 128},
    ],
)
def test_gaps_are_told_of_slices_only(bank: Bank, attributes: dict[str, Any]) -> None:
    exam = Exam(bank, 8, **attributes)
    keep(bank, *exam.files[:4], *exam.files[5:])
    do_jobs(bank)

    assert exam.standing() == Standing(Progress.UNKNOWN)


def test_an_order_whose_study_never_came_is_missing_and_forgotten_when_it_comes(bank: Bank) -> None:
    now, day = bank.now(), timedelta(days=2)
    named, planned = Uid(generate_uid()), Uid(generate_uid())
    done = Order("local", Patient(P1), now, State.DONE, filler="F1", study=named, accession="A7", modality="CT")
    plan = replace(done, state=State.SCHEDULED, filler="F2", study=planned, accession="A8")
    plan = replace(plan, scheduled_at=f"{now:%Y%m%d%H%M}")
    orders.hear(bank, [done, plan, replace(plan, filler="F3", study=Uid("1.2.3"), scheduled_at="")], "RIS")
    do_jobs(bank)
    early = completeness.look_for_overdue(bank)
    late = completeness.look_for_overdue(after(bank, day))
    do_jobs(bank, day)
    found = bank.index.completeness.listed(Asked(), ALL)
    keep(bank, a_file(AccessionNumber="A7"), a_file(StudyInstanceUID=planned, AccessionNumber="A8"))
    completeness.look_for_overdue(after(bank, day))
    do_jobs(bank, day)

    assert (early, late) == (0, 2)
    assert {(one.study, one.standing.is_certain) for one in found} == {(named, True), (planned, False)}
    assert [lack.unit for one in found for lack in one.lacks] == ["study", "study"]
    assert bank.index.completeness.listed(Asked(), ALL) == []


def test_what_was_deleted_is_not_missing_and_a_study_that_is_gone_is_not_waited_for(bank: Bank) -> None:
    exam = Exam(bank)
    exam.begin()
    exam.end()
    exam.send(4)
    remove.remove(bank, Selection(instance=Uid(exam.names[0])), KEEPER)
    do_jobs(bank)
    partly = exam.standing()
    remove.remove(bank, Selection(study=exam.study), KEEPER)
    do_jobs(bank)
    gone = exam.found()
    reindex.reindex(bank)
    do_jobs(bank)

    assert partly == Standing(Progress.COMPLETE, 3)
    assert gone is None
    assert exam.found() is None


def test_a_rebuild_comes_to_the_same(bank: Bank) -> None:
    lacking, cut, settled = Exam(bank), Exam(bank), Exam(bank)
    for exam in (lacking, cut, settled):
        exam.begin()
        exam.end()
        exam.send(3)
    remove.remove(bank, Selection(instance=Uid(cut.names[0])), KEEPER)
    do_jobs(bank)
    completeness.settle(bank, settled.study, "the patient left", KEEPER)
    do_jobs(bank)
    before = [exam.found() for exam in (lacking, cut, settled)]
    reindex.reindex(bank)
    do_jobs(bank)
    rebuilt = [exam.found() for exam in (lacking, cut, settled)]

    assert [one.standing.progress for one in before if one] == [Progress.MISSING, Progress.MISSING, Progress.COMPLETE]
    assert before[1] is not None
    assert before[1].standing.missing == 1, "of the two that are not here one was deleted"
    assert rebuilt == before


def test_somebody_settles_a_study_and_takes_that_back(bank: Bank) -> None:
    exam = Exam(bank)
    exam.begin()
    exam.end()
    exam.send(2)
    do_jobs(bank)
    with pytest.raises(Invalid):
        completeness.settle(bank, exam.study, " ", KEEPER)
    with pytest.raises(Invalid):
        completeness.settle(bank, exam.study, "x" * 501, KEEPER)
    with pytest.raises(NotAllowed):
        completeness.settle(bank, exam.study, "because", CT1)
    with pytest.raises(NotFound):
        completeness.settle(bank, Uid("1.2.3"), "because", KEEPER)
    with pytest.raises(NotFound):
        completeness.reopen(bank, exam.study, KEEPER)
    settled = completeness.settle(bank, exam.study, "the patient\nleft", KEEPER)
    do_jobs(bank)
    reopened = completeness.reopen(after(bank, LATER), exam.study, KEEPER)

    assert settled.standing == Standing(Progress.COMPLETE, 2)
    assert settled.settled is not None
    assert settled.settled.reason == "the patient left"
    assert reopened.standing == Standing(Progress.MISSING, 4, 2)
    details = [one.detail for one in bank.index.events(ALL) if one.study == exam.study and one.principal == "keeper"]
    assert details[:2] == ["completeness: all there is, taken back", "completeness: all there is"]


def test_only_who_may_find_is_told_and_only_what_the_scope_shows(bank: Bank) -> None:
    exam = Exam(bank)
    exam.send(2)
    do_jobs(bank)
    other = replace(CT1, scope=Scope.of("south"))

    assert completeness.of_study(bank, exam.study, CT1).received == 2
    assert completeness.listed(bank, Asked((Progress.UNKNOWN,)), CT1)[0] == 1
    assert completeness.listed(bank, Asked((Progress.UNKNOWN,)), other) == (0, [])
    with pytest.raises(NotFound):
        completeness.of_study(bank, exam.study, other)
    for ask in (
        lambda who: completeness.of_study(bank, exam.study, who),
        lambda who: completeness.listed(bank, Asked(), who),
    ):
        with pytest.raises(NotAllowed):
            ask(replace(CT1, rights=frozenset()))


def test_studies_from_before_are_judged_when_the_worker_catches_up(bank: Bank) -> None:
    exam = Exam(bank)
    exam.send(2)
    with bank.index.begin() as tx:
        tx.completeness.drop(exam.study)
    found = completeness.catch_up(bank)
    do_jobs(bank)

    assert found == 1
    assert exam.standing() == Standing(Progress.UNKNOWN)
    assert completeness.catch_up(bank) == 0


def test_a_medium_is_heard_for_each_organization_apart(bank: Bank) -> None:
    exam = Exam(bank)
    series = (ExpectedSeries(exam.series, count=9),)
    word = Expectation(exam.study, "south", P1, Origin.MEDIA, "cd", bank.now(), "CD", series)
    with bank.index.begin() as tx:
        expecting.expect(bank, tx, word)
        expecting.expect(bank, tx)
    exam.send(4)
    do_jobs(bank)

    assert exam.standing() == Standing(Progress.UNKNOWN), "others announce nothing of our studies"
    (mine, theirs) = sorted(
        bank.index.completeness.listed(Asked(tuple(Progress)), ALL), key=lambda one: not one.is_here
    )
    assert (mine.organization, theirs.organization, theirs.standing.missing) == ("local", "south", 9)


def test_a_study_that_goes_or_grows_while_it_is_judged_is_judged_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = Exam(bank)
    exam.send(2)
    do_jobs(bank, timedelta())
    metadata = retrieve.series_metadata

    def grow(*given: Any) -> bytes:
        exam.send(3)
        return metadata(bank, exam.series, ALL)

    def go(*given: Any) -> bytes:
        raise NotFound("gone")

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(retrieve, "series_metadata", grow)
        grown = completeness.judge(after(bank, LATER), exam.study)
        meanwhile.setattr(retrieve, "series_metadata", go)
        went = completeness.judge(after(bank, LATER), exam.study)

    assert (grown, went) == (None, None)
    assert exam.standing() == Standing(Progress.ARRIVING)


def test_a_study_that_comes_while_its_absence_is_judged_is_judged_again(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    exam = Exam(bank)
    exam.begin()
    exam.end()
    read = completeness._received

    def come(*_: Any) -> Any:
        nothing = read(bank, exam.study)
        exam.send(4)
        return nothing

    monkeypatch.setattr(completeness, "_received", come)

    assert completeness.judge(bank, exam.study) is None
    assert exam.standing() == Standing(Progress.ARRIVING)


def test_an_account_that_is_closed_leaves_no_word(bank: Bank) -> None:
    exam = Exam(bank)
    exam.begin()
    exam.end()
    do_jobs(bank)
    before = exam.found()
    shred.shred(bank, P1, KEEPER)

    assert before is not None
    assert exam.found() is None
    with bank.index.begin() as tx:
        assert tx.expectations.about(exam.study) == []


def test_of_two_words_that_lie_in_any_order_the_later_one_counts_after_a_rebuild(bank: Bank) -> None:
    study = Uid(generate_uid())
    word = Expectation(study, "local", P1, Origin.MEDIA, "cd", bank.now(), "CD", (ExpectedSeries("1.2.1", count=9),))
    older = replace(word, said_at=word.said_at - LATER, series=())
    for one in (word, older):
        notes.amend_job(bank, notes.amend_payload(Amendment(one.said_at, expectations=(one,))))
    reindex.reindex(bank)

    with bank.index.begin() as tx:
        assert tx.expectations.about(study) == [word]
