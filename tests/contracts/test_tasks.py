"""The reconciliation queue on both databases: what follows from the objects, what is filed, and what was done about it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.described import a_kept, at
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.identity import Evidence, Identity, Likeness
from imagebank.model.imaging import Selection
from imagebank.model.person import PatientId, PersonName
from imagebank.model.task import ASIDE, Kind, Mark, Priority, State, Task, Wanted, filed, unidentified
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

NOW = datetime(2026, 2, 1, tzinfo=UTC)
ALL = Scope(organizations=None)
NORTH, SOUTH = Scope.of("north"), Scope.of("south")
ADA, BEA = PatientId("north", "1"), PatientId("south", "1")
LIKE = Likeness(ADA, BEA, 21.35, (Evidence("family", "same", 7.51),), "one issuer")


def deposit(index: SQLIndex, study: str, organization: str = "north", patient: str = "", **given: object) -> None:
    with index.begin() as tx:
        tx.enter([a_kept(study=study, patient=patient, organization=organization, **given)])  # type: ignore[arg-type]


def alike(index: SQLIndex, days: int = 20) -> None:
    """Two records of two organizations that are alike, each with a study."""
    with index.begin() as tx:
        for patient in (ADA, BEA):
            tx.persons.put_identity(Identity(patient, PersonName("Varga^Ada"), own=patient.issuer), ())
        tx.persons.ask([LIKE], NOW - timedelta(days=days))
    deposit(index, "5.1", "north", "1", issuer="north")
    deposit(index, "5.2", "south", "1", issuer="south")


def a_task(key: str = "disc 7", *studies: str, **given: object) -> Task:
    about = tuple(Uid(each) for each in studies or ("1.1",))
    task = Task(filed(Kind.MEDIA, key), Kind.MEDIA, "north", about, NOW - timedelta(hours=1), note="another hospital's")
    return replace(task, **given)  # type: ignore[arg-type]


def put(index: SQLIndex, task: Task) -> bool:
    with index.begin() as tx:
        return tx.tasks.file(task)


def mark(index: SQLIndex, task: str, **given: object) -> None:
    with index.begin() as tx:
        tx.tasks.mark(replace(Mark(task, by="root", at=NOW), **given))  # type: ignore[arg-type]


def ids(index: SQLIndex, scope: Scope = ALL, now: datetime = NOW, **wanted: object) -> list[str]:
    return [task.id for task in index.tasks.tasks(Wanted(**wanted), scope, now).tasks]  # type: ignore[arg-type]


def test_a_study_that_names_nobody_waits_as_long_as_it_names_nobody(index: SQLIndex) -> None:
    deposit(index, "1.1", received=3, InstitutionalDepartmentName="Eye Clinic")
    deposit(index, "1.2", patient="P1")
    (task,) = index.tasks.tasks(Wanted(), ALL, NOW).tasks
    with index.begin() as tx:
        tx.remove(Selection(study=Uid("1.1")), ALL)

    assert task == Task(
        unidentified("1.1"), Kind.UNIDENTIFIED, "north", (Uid("1.1"),), at(3), "Eye Clinic", mark=Mark(task.id)
    )
    assert ids(index) == []
    assert index.tasks.task(task.id, ALL, NOW) is None


def test_what_waits_of_every_kind_stands_in_one_list_the_oldest_first_and_what_is_urgent_before_all(
    index: SQLIndex,
) -> None:
    deposit(index, "1.1")
    alike(index)
    put(index, a_task("old", opened_at=NOW - timedelta(days=9)))
    put(index, a_task("now", priority=Priority.HIGH))
    listed = index.tasks.tasks(Wanted(), ALL, NOW).tasks
    kinds = [task.kind for task in listed]

    assert kinds == [Kind.MEDIA, Kind.UNIDENTIFIED, Kind.SAME_PERSON, Kind.MEDIA]
    assert listed[2].likeness == LIKE
    assert listed[2].opened_at == NOW - timedelta(days=20)
    assert listed[3].note == "another hospital's"
    assert ids(index, kind=Kind.SAME_PERSON) == [listed[2].id]
    assert ids(index, kind=Kind.SAME_PIXELS) == []
    assert all(index.tasks.task(task.id, ALL, NOW) == task for task in listed)


def test_pages_go_on_where_the_page_before_ended_and_leave_nothing_out(index: SQLIndex) -> None:
    for number in range(3):
        deposit(index, f"1.{number}")
        put(index, a_task(f"disc {number}", "1.0", priority=Priority(number)))
    alike(index)

    for size in (1, 2, 3, 100):
        seen, after = list[str](), "first"
        while after:
            page = index.tasks.tasks(Wanted(limit=size, after=after.removeprefix("first")), ALL, NOW)
            seen += [task.id for task in page.tasks]
            after = page.after

        assert seen == ids(index)
        assert len(set(seen)) == 7


def test_a_page_that_no_page_named_is_refused(index: SQLIndex) -> None:
    for after in ("x", "AAAA", "W10=", "e30", "eyJ1IjpbLTFdfQ==", "é"):
        with pytest.raises(Invalid, match="this page of the queue"):
            index.tasks.tasks(Wanted(after=after), ALL, NOW)


def test_what_a_scope_hides_is_neither_listed_nor_counted_nor_found(index: SQLIndex) -> None:
    deposit(index, "1.1")
    alike(index)
    put(index, a_task("one side", "1.1", "5.2"))
    put(index, a_task("gone", "1.1", "9.9"))
    everything = ids(index)

    assert len(everything) == 3
    assert ids(index, NORTH) == [unidentified("1.1")]
    assert ids(index, SOUTH) == []
    assert index.tasks.counts(SOUTH, NOW).total == 0
    assert index.tasks.waiting(SOUTH, NOW, 9) == 0
    assert [index.tasks.task(each, SOUTH, NOW) for each in everything] == [None] * 3


def test_what_is_no_task_is_not_there(index: SQLIndex) -> None:
    for name in ("", "x", "unidentified-", "same-person-1", "same-person-a-b", "media-0"):
        assert index.tasks.task(name, NORTH, NOW) is None


def test_filing_the_same_twice_is_once_also_when_it_is_settled(index: SQLIndex) -> None:
    deposit(index, "1.1", patient="P1")
    first, again = put(index, a_task()), put(index, a_task(opened_at=NOW))
    mark(index, a_task().id, how="apart", reason="two patients")
    later = put(index, a_task())

    assert (first, again, later) == (True, False, False)
    assert ids(index) == []
    (settled,) = index.tasks.tasks(Wanted(State.SETTLED), ALL, NOW).tasks
    assert settled.state(NOW) is State.SETTLED
    assert (settled.mark.how, settled.mark.by, settled.mark.reason) == ("apart", "root", "two patients")
    assert ids(index, state=State.SETTLED, kind=Kind.MEDIA) == [settled.id]
    assert ids(index, state=State.SETTLED, kind=Kind.SAME_PERSON) == []


def test_one_has_a_task_for_a_while_and_nobody_else_meanwhile(index: SQLIndex) -> None:
    deposit(index, "1.1")
    task, later = unidentified("1.1"), NOW + timedelta(minutes=10)
    with index.begin() as tx:
        took = [tx.tasks.take(task, who, NOW, later) for who in ("ada", "bea", "ada")]
    found = index.tasks.task(task, ALL, NOW)
    with index.begin() as tx:
        gave = [tx.tasks.let_go(task, who) for who in ("bea", "ada")]
        after = tx.tasks.take(task, "bea", NOW, later)
        expired = tx.tasks.take(task, "ada", later, later + timedelta(minutes=1))

    assert took == [True, False, True]
    assert found is not None
    assert (found.mark.taken_by, found.mark.is_taken(NOW), found.mark.is_taken(later)) == ("ada", True, False)
    assert ids(index) == [task]
    assert gave == [False, True]
    assert (after, expired) == (True, True)


def test_what_is_put_off_comes_back_by_itself_and_what_is_laid_aside_does_not(index: SQLIndex) -> None:
    for study in ("1.1", "1.2", "1.3"):
        deposit(index, study)
    put(index, a_task())
    later = NOW + timedelta(days=1)
    one, two, three = (unidentified(study) for study in ("1.1", "1.2", "1.3"))
    for task in (one, a_task().id):
        mark(index, task, postponed_until=later)
    mark(index, two, how=ASIDE, reason="not ours")
    stands = {task: index.tasks.task(task, ALL, NOW) for task in (one, two, three)}

    assert ids(index) == [three]
    assert ids(index, state=State.POSTPONED) == [one, a_task().id]
    assert ids(index, state=State.ASIDE) == [two]
    assert set(ids(index, now=later)) == {one, three, a_task().id}
    assert [found and found.state(NOW) for found in stands.values()] == [State.POSTPONED, State.ASIDE, State.OPEN]


def test_what_was_done_about_a_study_that_names_nobody_again_is_no_answer(index: SQLIndex) -> None:
    deposit(index, "1.1", uid="1.1.9", received=5)
    mark(index, unidentified("1.1"), how="identified")
    before = index.tasks.task(unidentified("1.1"), ALL, NOW)
    with index.begin() as tx:
        tx.remove(Selection(study=Uid("1.1")), ALL)
    deposit(index, "1.1", patient="P1", uid="1.1.9", received=5)
    after = index.tasks.task(unidentified("1.1"), ALL, NOW)

    assert before is not None
    assert before.state(NOW) is State.OPEN
    assert after is not None
    assert after.state(NOW) is State.SETTLED
    assert ids(index, state=State.SETTLED) == [after.id]
    assert ids(index, state=State.SETTLED, scope=SOUTH) == []


def test_what_waits_is_counted_by_kind_department_and_age(index: SQLIndex) -> None:
    deposit(index, "1.1", received=(NOW - at(0)).total_seconds() - 60, InstitutionalDepartmentName="Eye Clinic")
    deposit(index, "1.2")
    alike(index)
    put(index, a_task(department="EYE clinic"))
    put(index, a_task("aside", priority=Priority.LOW))
    mark(index, a_task("aside").id, how=ASIDE)
    counts = index.tasks.counts(ALL, NOW)

    assert counts.kinds == (
        (Kind.UNIDENTIFIED, 2),
        (Kind.SAME_PERSON, 1),
        (Kind.SAME_PIXELS, 0),
        (Kind.MEDIA, 1),
        (Kind.CONTRIBUTED, 0),
        (Kind.REPEAT, 0),
    )
    assert counts.departments == (("", 2), ("eye clinic", 2))
    assert counts.ages == (("day", 2), ("week", 0), ("month", 1), ("older", 1))
    assert counts.total == 4
    assert ids(index, department="Eye clinic") == [a_task().id, unidentified("1.1")]
    assert (index.tasks.waiting(ALL, NOW, 9), index.tasks.waiting(ALL, NOW, 1)) == (4, 3)


def test_a_rebuilt_index_has_the_same_queue(index: SQLIndex) -> None:
    deposit(index, "1.1", uid="1.1.9", received=5)
    mark(index, unidentified("1.1"), how=ASIDE)
    before = index.tasks.task(unidentified("1.1"), ALL, NOW)
    with index.begin() as tx:
        tx.clear()
    deposit(index, "1.1", uid="1.1.9", received=5)

    assert before is not None
    assert index.tasks.task(unidentified("1.1"), ALL, NOW) == before
