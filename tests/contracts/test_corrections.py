"""Corrections, new versions on their way, and former versions, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from contracts.described import a_kept, at, digest_of
from contracts.indexes import opened
from imagebank.model.access import Scope
from imagebank.model.correction import Correction, State, Step
from imagebank.model.imaging import Instance, Kept, Location, Outcome, Selection
from imagebank.model.original import Original
from imagebank.model.person import PatientId
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL = Scope(organizations=None)
LOCAL = Scope.of("local")
SOUTH = Scope.of("south")
A, B = b"A" * 16, b"B" * 16
STUDY = Uid("1.1")
NAME = {"vr": "PN", "Value": [{"Alphabetic": "Díaz^Ana"}]}
ONE = Correction(
    id="c1",
    at=at(10),
    study=STUDY,
    principal="tech",
    organization="local",
    reason="it was\0 of somebody else",
    changes={"PatientName": NAME, "StudyID": None},
    series="1.1.1",
    address="192.0.2.7",
    total=2,
    patient=PatientId("local", "P1"),
)
OLD = a_kept(uid="1.1.9.1", record=1, received=1, content="old")
NEW = replace(a_kept(uid="1.1.9.1", record=2, received=5, content="new", patient="P2"), correction="c1", sealed_by=B)


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with filled(address) as made:
        yield made


@contextmanager
def filled(address: str) -> Iterator[SQLIndex]:
    """One instance that is held, under key A."""
    with opened(address) as index:
        enter(index, replace(OLD, sealed_by=A))
        yield index


def enter(index: SQLIndex, *kept: Kept) -> list[Outcome]:
    with index.begin() as tx:
        return [entered.outcome for entered in tx.enter(kept)]


def switch(index: SQLIndex) -> bool:
    with index.begin() as tx:
        tx.corrections.put(ONE)
        tx.corrections.supersede("c1", STUDY, [OLD.description.uid])
        tx.unfold(STUDY)
        tx.enter([NEW])
        return tx.corrections.finish(replace(ONE, state=State.DONE, count=1, before={"1": [NAME]}, after={"1": [None]}))


def held(index: SQLIndex) -> Instance:
    (one,) = index.instances(Selection(study=STUDY), ALL)
    return one


def test_a_correction_is_kept_as_it_was_told_and_shown_to_who_sees_the_study(index: SQLIndex) -> None:
    later = replace(ONE, id="c2", at=at(11), undoes="c1", state=State.FAILED, fault="the disk is full")
    with index.begin() as tx:
        tx.corrections.put(ONE)
        tx.corrections.put(later)
    kept = replace(ONE, reason="it was of somebody else")

    assert index.corrections.of_study(STUDY, LOCAL) == [replace(later, reason=kept.reason), kept]
    assert index.corrections.of_study(STUDY, SOUTH) == []
    assert index.corrections.of_study(Uid("1.2"), ALL) == []
    assert index.corrections.under_way("c1") == kept
    assert index.corrections.under_way("c2") is None


def test_a_correction_ends_once(index: SQLIndex) -> None:
    assert switch(index)
    with index.begin() as tx:
        assert not tx.corrections.finish(replace(ONE, state=State.FAILED))

    assert [one.state for one in index.corrections.of_study(STUDY, ALL)] == [State.DONE]


def test_steps_are_kept_one_for_an_instance_until_the_end(index: SQLIndex) -> None:
    first = Step(Uid("1.1.9.1"), OLD.location, Location("segment-2", 4096, 8192, 700), {"1": NAME}, {"1": None}, B)
    again = replace(first, location=Location("segment-2", 16384, 8192, 700))
    with index.begin() as tx:
        tx.corrections.put(ONE)
        tx.corrections.put_steps("c1", [first])
        tx.corrections.put_steps("c1", [again])
    steps, places = index.corrections.steps("c1"), list(index.locations(ALL))
    switch(index)

    assert steps == [again]
    assert ("1.1.9.1", again.location) in places
    assert ("1.1.9.1", again.location) not in list(index.locations(LOCAL))
    assert index.corrections.steps("c1") == []


def test_the_former_version_stays_and_is_told_apart(index: SQLIndex) -> None:
    switch(index)
    (former,) = index.corrections.versions(OLD.description.uid, LOCAL)

    assert held(index).location == NEW.location
    assert (former.location, former.digest, former.content_digest) == (OLD.location, OLD.digest, OLD.content_digest)
    assert (former.received_at, former.superseded_by) == (OLD.received_at, "c1")
    assert index.corrections.versions(OLD.description.uid, SOUTH) == []
    assert index.corrections.superseded(OLD.description.uid) == [(OLD.content_digest, OLD.location)]


def test_a_correction_takes_the_place_of_what_is_held_whatever_the_policy(index: SQLIndex) -> None:
    """As a rebuild enters it."""
    other = replace(a_kept(uid="1.1.9.1", record=3, received=6, content="other"), sealed_by=A)

    assert enter(index, NEW, NEW) == [Outcome.STORED, Outcome.DUPLICATE]
    assert enter(index, other) == [Outcome.QUARANTINED]
    assert held(index).location == NEW.location
    assert [one.superseded_by for one in index.corrections.versions(OLD.description.uid, ALL)] == ["c1"]


def test_what_a_correction_took_the_place_of_is_a_duplicate(index: SQLIndex) -> None:
    switch(index)
    again = a_kept(uid="1.1.9.1", record=4, received=7, content="old")
    with index.begin() as tx:
        (entered,) = tx.enter([again])

    assert (entered.outcome, entered.is_spare) == (Outcome.DUPLICATE, True)
    assert index.quarantined(ALL) == []


def test_with_a_key_go_all_versions_of_what_it_seals(index: SQLIndex) -> None:
    switch(index)
    photo = Original(
        OLD.description.uid, Location("segment-3", 0, 4096, 9), digest_of("photo"), "image/jpeg", "p", at(1), A
    )
    step = Step(OLD.description.uid, NEW.location, Location("segment-2", 4096, 8192, 700), {}, {}, A)
    other = replace(a_kept(study="1.3", uid="1.3.9.1"), sealed_by=A)
    enter(index, other)
    with index.begin() as tx:
        tx.keep_original(photo)
        tx.corrections.put(replace(ONE, id="c3"))
        tx.corrections.put_steps("c3", [step])
        gone = tx.corrections.forget_sealed([B])
        tx.shred([B])

    assert set(gone) == {OLD.location, photo.location, step.location}
    assert [location for _, location in index.locations(ALL)] == [other.location]


def test_a_study_that_goes_takes_its_corrections_but_one_that_is_under_way(index: SQLIndex) -> None:
    switch(index)
    with index.begin() as tx:
        tx.corrections.put(replace(ONE, id="c2"))
        tx.remove(Selection(study=STUDY), ALL)
    waits = index.corrections.under_way("c2")
    with index.begin() as tx:
        ended = tx.corrections.finish(replace(ONE, id="c2", state=State.FAILED))
    enter(index, OLD)

    assert waits is not None
    assert ended
    assert index.corrections.of_study(STUDY, ALL) == []


def test_a_rebuild_brings_back_what_is_of_studies_that_are_there(index: SQLIndex) -> None:
    with index.begin() as tx:
        studies = tx.corrections.restore([ONE, replace(ONE, id="c9", study=Uid("1.9"))])

    assert studies == [STUDY]
    assert [(one.id, one.state) for one in index.corrections.of_study(STUDY, ALL)] == [("c1", State.DONE)]
