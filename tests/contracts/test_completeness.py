"""What was announced of studies, and what was found of them, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.described import a_kept
from imagebank.model.access import Clause, Scope
from imagebank.model.completeness import Completeness, Lack, Progress, Standing, Word
from imagebank.model.expectation import Expectation, ExpectedSeries, Origin
from imagebank.model.imaging import Selection
from imagebank.model.order import Order, Patient, State
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.ports.completeness import Asked
from imagebank.storage.index import SQLIndex

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL, NORTH, SOUTH = Scope(organizations=None), Scope.of("north"), Scope.of("south")
HERE, OTHER, NEVER = Uid("1.1"), Uid("1.2"), Uid("1.9")
ADA = PatientId("north", "ADA")
EVERY = Asked(tuple(Progress))
WORD = Expectation(NEVER, "north", ADA, Origin.MPPS, "9", NOW, "CT1", (ExpectedSeries("1.9.1", ("i1",), 2),))


def enter(index: SQLIndex, study: Uid, organization: str = "north", **about: Any) -> None:
    """An image of a study arrives."""
    with index.begin() as tx:
        tx.enter([a_kept(study=study, organization=organization, patient="ADA", content=study + str(about), **about)])
        tx.completeness.arrive([study], NOW)


def found(study: Uid, organization: str = "north", progress: Progress = Progress.MISSING, **about: Any) -> Completeness:
    lack = Lack(Origin.MPPS, "CT1", 2, 4, instances=("i1", "i2"))
    words = (Word(Origin.MPPS, "CT1", NOW, 4), Word(Origin.HEADER, "", NOW))
    standing = Standing(progress, 4, 2 if progress is Progress.MISSING else 0)
    made = Completeness(
        study, organization, ADA, standing, 2, True, (lack,), words, None, ("CT",), "20260102", "A1", NOW
    )
    return replace(made, **about)


def put(index: SQLIndex, one: Completeness) -> bool:
    versions = {series: version for _, series, version in index.series_of(Selection(study=one.study), ALL)}
    with index.begin() as tx:
        return tx.completeness.put(one, versions if one.is_here else {}, NOW)


def absent(study: Uid = NEVER, organization: str = "north", **about: Any) -> Completeness:
    return found(study, organization, received=0, is_here=False, **about)


def test_a_study_that_comes_is_arriving_and_goes_on_as_it_was_found_last(index: SQLIndex) -> None:
    enter(index, HERE)
    first = index.completeness.of_study(HERE, ALL)
    put(index, found(HERE, progress=Progress.COMPLETE))
    judged = index.completeness.of_study(HERE, ALL)
    enter(index, HERE, uid="1.1.9")
    again = index.completeness.of_study(HERE, ALL)

    assert first == Completeness(
        HERE, "north", PatientId("", ""), Standing(Progress.ARRIVING), 1, modalities=("CT",), date="20260102"
    )
    assert judged == replace(found(HERE, progress=Progress.COMPLETE), received=1)
    assert again is not None
    assert again.standing == Standing(Progress.ARRIVING, 4)
    assert (again.received, again.lacks) == (2, judged.lacks if judged else ())


def test_nothing_is_written_of_a_study_that_changed_meanwhile(index: SQLIndex) -> None:
    enter(index, HERE)
    with index.begin() as tx:
        assert not tx.completeness.put(found(HERE), {}, NOW)
        assert not tx.completeness.put(found(HERE), {Uid("1.1.1"): 7}, NOW)
        assert tx.completeness.put(found(HERE, "south"), {}, NOW)

    assert index.completeness.standings([HERE, NEVER], ALL) == {HERE: Standing(Progress.ARRIVING)}
    assert index.completeness.standings([], ALL) == {}


def test_studies_are_listed_by_how_far_they_are_when_what_and_by_whose_word(index: SQLIndex) -> None:
    enter(index, HERE)
    enter(index, OTHER, Modality="MR")
    put(index, found(HERE))
    header = (Lack(Origin.HEADER, "", 1, 3),)
    put(index, found(OTHER, modalities=("MR", "SR"), date="20260105", lacks=header))
    put(index, absent(date="20260103", standing=Standing(Progress.ARRIVING, 4)))

    def listed(**asked: Any) -> list[Uid]:
        wanted = replace(Asked(), **asked)
        listed = [one.study for one in index.completeness.listed(wanted, ALL)]
        assert index.completeness.count(wanted, ALL) >= len(listed)
        return listed

    assert listed() == [OTHER, NEVER, HERE]
    assert listed(limit=1, offset=1) == [NEVER]
    assert listed(progress=(Progress.MISSING,)) == [OTHER, HERE]
    assert listed(modality="SR") == [OTHER]
    assert listed(modality="R") == []
    assert listed(since="20260103", until="20260104") == [NEVER]
    assert listed(origin=Origin.HEADER) == [OTHER]
    assert listed(origin=Origin.MPPS) == [NEVER, HERE]
    assert listed(progress=()) == []


def test_a_study_is_shown_with_what_is_found_of_it_and_one_that_never_came_as_an_order(index: SQLIndex) -> None:
    enter(index, HERE)
    put(index, found(HERE))
    put(index, absent())
    put(index, absent(OTHER, "south", modalities=("CT", "PT")))

    def seen(scope: Scope) -> list[Uid]:
        listed = [one.study for one in index.completeness.listed(EVERY, scope)]
        assert index.completeness.count(EVERY, scope) == len(listed)
        assert [study for study in (HERE, OTHER, NEVER) if index.completeness.of_study(study, scope)] == sorted(listed)
        assert set(index.completeness.standings([HERE, OTHER, NEVER], scope)) == {HERE} & set(listed)
        return sorted(listed)

    assert seen(ALL) == [HERE, OTHER, NEVER]
    assert seen(NORTH) == [HERE, NEVER]
    assert seen(SOUTH) == [OTHER]
    assert seen(Scope.nothing()) == []
    assert seen(replace(ALL, studies=frozenset({HERE, NEVER}))) == [HERE]
    assert seen(replace(ALL, denies=(Clause(modalities=frozenset({"PT"})),))) == [HERE, NEVER]
    assert seen(replace(ALL, denies=(Clause(organizations=frozenset({"north"})),))) == [OTHER]
    assert seen(replace(SOUTH, permits=(Clause(modalities=frozenset({"CT"})),))) == [HERE, OTHER, NEVER]
    assert seen(replace(NORTH, permits=(Clause(modalities=frozenset({"CT"})),))) == [HERE, NEVER]
    assert seen(replace(NORTH, permits=(Clause(modalities=frozenset()),))) == [HERE, NEVER]


def test_studies_that_were_never_looked_at_are_known(index: SQLIndex) -> None:
    enter(index, HERE)
    enter(index, OTHER)
    with index.begin() as tx:
        tx.completeness.drop(HERE)
        tx.completeness.drop(OTHER, ["south"])
    unjudged = index.completeness.unjudged(9, ALL)

    assert unjudged == [HERE, OTHER]
    assert index.completeness.unjudged(9, ALL, HERE) == [OTHER]
    assert index.completeness.unjudged(1, NORTH) == [HERE]
    assert index.completeness.unjudged(1, SOUTH) == []


def test_a_second_word_of_the_same_source_replaces_the_first(index: SQLIndex) -> None:
    other = replace(WORD, organization="south")
    with index.begin() as tx:
        for one in (WORD, replace(WORD, key="10"), other, replace(WORD, by="CT2", is_final=False)):
            tx.expectations.put(one)
        said = tx.expectations.about(NEVER)
        tx.expectations.put(replace(WORD, key="10", is_withdrawn=True))
        left = tx.expectations.about(NEVER)

    assert sorted(said, key=repr) == sorted(
        [replace(WORD, by="CT2", is_final=False), replace(WORD, key="10", by="CT1"), replace(other, by="CT1")],
        key=repr,
    )
    assert len(left) == 2


def test_instances_are_looked_for_in_all_studies_of_an_organization(index: SQLIndex) -> None:
    enter(index, HERE, uid="1.1.7")
    enter(index, OTHER, "south", uid="1.2.7")
    with index.begin() as tx:
        assert tx.expectations.held(["1.1.7", "1.2.7", "1.3"], "north") == {"1.1.7"}
        assert tx.expectations.held([], "north") == frozenset()
        assert (tx.expectations.owner_of(OTHER), tx.expectations.owner_of(NEVER)) == ("south", None)


def test_what_was_said_is_forgotten_by_study_and_by_patient(index: SQLIndex) -> None:
    put(index, absent())
    with index.begin() as tx:
        tx.expectations.put(WORD)
        withdrawn = tx.expectations.withdraw(NEVER)
        left = tx.expectations.about(NEVER)
    gone = index.completeness.of_study(NEVER, ALL)
    put(index, absent())
    with index.begin() as tx:
        tx.expectations.put(WORD)
        tx.expectations.forget(PatientId("north", "EVE"))
        kept = tx.expectations.about(NEVER)
        tx.expectations.forget(ADA)
        assert tx.expectations.about(NEVER) == []

    assert [one.key for one in withdrawn] == [one.key for one in kept] == ["9"]
    assert (left, gone, index.completeness.of_study(NEVER, ALL)) == ([], None, None)


def test_orders_are_words_about_their_studies_until_those_come(index: SQLIndex) -> None:
    done = Order("north", Patient(ADA), NOW, State.DONE, filler="F1", study=NEVER, accession="A9", modality="CT")
    plan = replace(done, filler="F2", study=OTHER, state=State.STARTED, accession="", scheduled_at="202603011200")
    with index.begin() as tx:
        for one in (done, plan, replace(plan, filler="F3", study=Uid("1.4"), state=State.CANCELLED)):
            tx.orders.put_order(one)
        words = [*tx.expectations.about(NEVER), *tx.expectations.about(OTHER), *tx.expectations.about(Uid("1.4"))]
        day, week = timedelta(days=1), timedelta(days=7)
        late = tx.expectations.overdue(NOW + day, NOW - week, 9)
        early = tx.expectations.overdue(NOW - day, NOW - week, 9)
        old = tx.expectations.overdue(NOW + week, NOW + day, 9)
        assert len(tx.expectations.overdue(NOW + day, NOW - week, 1)) == 1
        assert tx.expectations.withdraw(NEVER) == []

    assert [(one.by, one.is_certain, one.reason, one.said_at) for one in words] == [
        ("F1", True, "", NOW),
        ("F2", False, "202603011200", NOW),
    ]
    assert (sorted(late), early, old) == ([OTHER, NEVER], [], [])
    enter(index, OTHER)
    enter(index, Uid("1.5"), AccessionNumber="A9")
    put(index, absent())
    with index.begin() as tx:
        assert tx.expectations.about(NEVER) == [], "it came under another UID"
        assert tx.expectations.overdue(NOW + day, NOW - week, 9) == [NEVER], "so that what was found is found anew"


def test_a_rebuild_begins_without_any_word(index: SQLIndex) -> None:
    enter(index, HERE)
    with index.begin() as tx:
        tx.expectations.put(WORD)
        tx.clear()
        assert tx.expectations.about(NEVER) == []

    assert index.completeness.of_study(HERE, ALL) is None
