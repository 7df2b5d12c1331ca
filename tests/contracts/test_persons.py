"""Patient records, the persons that they are linked to, the queue and the decisions, on both databases."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from contracts.described import a_kept
from contracts.indexes import opened
from imagebank.model.access import Clause, Scope
from imagebank.model.attribute import Level
from imagebank.model.identity import Decision, Deed, Evidence, Ground, Identity, Likeness, Linked, Move, Origin
from imagebank.model.identity_weights import Census
from imagebank.model.person import PatientId, PersonName
from imagebank.storage.index import SQLIndex

START = datetime(2026, 1, 1, tzinfo=UTC)
ALL = Scope(organizations=None)
NORTH = Scope.of("north")
ADA = Identity(
    PatientId("north", "1"),
    PersonName("Yamada^Ada", "山田^", "やまだ^"),
    "19610723",
    "F",
    "12 Mill Lane",
    "01234",
    "Kiss",
    (PatientId("national", "4711"),),
    Origin.HL7,
    START,
    "pa",
)
BEA = Identity(PatientId("south", "1"), PersonName("Varga^Bea"), heard_at=START, own="pb")
EVE = Identity(PatientId("south", "2"), PersonName("Varga^Eve"), heard_at=START, own="pe")
EVIDENCE = (Evidence("family", "same", 7.51), Evidence("sex", "other", -5.64))
LINK = Decision(
    "d1",
    START,
    Deed.LINK,
    Ground.SCORE,
    "imagebank",
    (BEA.patient, ADA.patient),
    score=41.07,
    evidence=EVIDENCE,
    moves=(Move(BEA.patient, "pb", "pa"),),
)
UNDO = Decision("d2", START + timedelta(seconds=1), Deed.UNDO, Ground.HUMAN, "root", LINK.records, "no", "d1")
LIKE = Likeness(ADA.patient, BEA.patient, 21.35, EVIDENCE, "one issuer")


@pytest.fixture
def index(address: str) -> Iterator[SQLIndex]:
    with filled(address) as made:
        yield made


@contextmanager
def filled(address: str) -> Iterator[SQLIndex]:
    with opened(address) as index:
        with index.begin() as tx:
            for each, keys in ((ADA, ("k1", "is family yamada")), (BEA, ("k1", "k2", "is family varga"))):
                tx.persons.put_identity(each, keys)
            tx.persons.put_identity(EVE, ("k2", "is family varga"))
        yield index


def of(*linked: Linked) -> list[PatientId]:
    return [each.identity.patient for each in linked]


def test_a_record_is_kept_as_it_was_heard_and_belongs_to_itself(index: SQLIndex) -> None:
    assert index.persons.identity(ADA.patient, ALL) == Linked(ADA, "pa")
    assert index.persons.identity(PatientId("north", "9"), ALL) is None


def test_what_is_heard_later_takes_the_place_and_leaves_the_person(index: SQLIndex) -> None:
    later = replace(BEA, name=PersonName("Nul\0^Bea"), own="another")
    with index.begin() as tx:
        tx.persons.move(BEA.patient, "pa")
        tx.persons.put_identity(later, ("k3",))
        found = of(*tx.persons.candidates(["k1"], 9)), of(*tx.persons.candidates(["k3"], 9))

    assert index.persons.identity(BEA.patient, ALL) == Linked(replace(BEA, name=PersonName("Nul^Bea")), "pa")
    assert of(*index.persons.person("pa", ALL)) == [ADA.patient, BEA.patient]
    assert found == ([ADA.patient], [BEA.patient])


def test_pages_go_on_behind_the_last_record(index: SQLIndex) -> None:
    first = of(*index.persons.identities(ALL, 2))

    assert first == [ADA.patient, BEA.patient]
    assert of(*index.persons.identities(ALL, 2, first[-1])) == [EVE.patient]


def test_a_key_that_too_many_have_tells_nothing(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert of(*tx.persons.candidates(["k1", "k2"], 2)) == of(Linked(ADA, ""), Linked(BEA, ""), Linked(EVE, ""))
        assert tx.persons.candidates(["k1", "k2"], 1) == []
        assert tx.persons.candidates([], 9) == []


def test_names_are_counted(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert tx.persons.census(["family varga", "family nobody"]) == Census(3, {"family varga": 2})


def test_a_decision_is_kept_as_it_was_made_and_never_changed(index: SQLIndex) -> None:
    with index.begin() as tx:
        assert tx.persons.last_decided_at() is None
        tx.persons.put_decision(LINK)
        tx.persons.put_decision(replace(LINK, by="somebody else"))
        tx.persons.put_decision(UNDO)
        assert tx.persons.decisions_about([ADA.patient]) == [LINK, UNDO]
        assert tx.persons.decisions_about([EVE.patient]) == []
        assert tx.persons.last_decided_at() == UNDO.at

    assert index.persons.decisions(ALL, 9) == [UNDO, LINK]
    assert index.persons.decisions(ALL, 1) == [UNDO]
    assert index.persons.decisions(ALL, 9, identifier="d1") == [LINK]
    assert index.persons.decisions(ALL, 9, EVE.patient) == []


def test_a_pair_stands_in_the_queue_once_whichever_comes_first(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.persons.ask([replace(LIKE, score=12.0)], START)
        tx.persons.ask([replace(LIKE, first=BEA.patient, second=ADA.patient)], START)
        tx.persons.ask([Likeness(EVE.patient, BEA.patient, 33.3, ())], START)
        assert tx.persons.question(BEA.patient, ADA.patient) == LIKE
        assert tx.persons.question(EVE.patient, ADA.patient) is None

    assert [one.score for one in index.persons.queue(ALL, 9)] == [33.3, 21.35]
    assert index.persons.queue(ALL, 9)[1] == LIKE
    with index.begin() as tx:
        tx.persons.withdraw(BEA.patient, EVE.patient)
        assert tx.persons.question(BEA.patient, EVE.patient) is None
        tx.persons.move(BEA.patient, "pa")
        tx.persons.settle("pa")
        assert tx.persons.question(BEA.patient, ADA.patient) is None
        tx.persons.ask([LIKE], START)
        tx.persons.withdraw(ADA.patient)
    assert index.persons.queue(ALL, 9) == []


def test_only_records_with_a_study_in_scope_are_shown_and_what_is_about_them(index: SQLIndex) -> None:
    study = a_kept(study="1.1")
    patient = study.description.patient
    owner = Scope.of(study.source.organization)
    mine = replace(ADA, patient=patient, own="pm")
    with index.begin() as tx:
        tx.enter([study])
        tx.persons.put_identity(mine, ())
        tx.persons.ask([replace(LIKE, first=patient)], START)
        tx.persons.put_decision(replace(LINK, moves=()))
        tx.persons.put_decision(
            replace(UNDO, records=(patient,), moves=(Move(patient, "a", "b"), Move(BEA.patient, "a", "b")))
        )

    assert of(*index.persons.identities(owner, 9)) == [patient]
    assert index.persons.identity(ADA.patient, owner) is None
    assert index.persons.person("pa", owner) == []
    assert (index.persons.queue(owner, 9), len(index.persons.queue(ALL, 9))) == ([], 1)
    (decision,) = index.persons.decisions(owner, 9)
    assert (decision.id, decision.moves) == ("d2", (Move(patient, "a", "b"),))
    assert index.persons.identities(Scope.of("nowhere"), 9) == []


def test_who_is_forgotten_leaves_nothing_but_a_place_in_decisions(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.persons.put_decision(LINK)
        tx.persons.ask([LIKE], START)
        tx.persons.forget(ADA.patient)
        tx.persons.forget(PatientId("north", "9"))
        (decision,) = tx.persons.decisions_about([BEA.patient])
        place = decision.records[1]
        kept = tx.persons.record(place)
        assert tx.persons.candidates(["k1"], 9) == [Linked(BEA, "pb")]

    assert place.issuer == ""
    assert kept == Linked(replace(Identity(place), origin=Origin.HL7, heard_at=START, own="pa"), "pa")
    assert index.persons.identity(ADA.patient, ALL) is None
    assert of(*index.persons.identities(ALL, 9)) == [BEA.patient, EVE.patient]
    assert index.persons.queue(ALL, 9) == []


def test_one_transaction_at_a_time_links(index: SQLIndex) -> None:
    def count(_: int) -> None:
        with index.begin() as tx:
            tx.persons.lock()
            linked = tx.persons.record(ADA.patient)
            assert linked is not None
            tx.persons.move(ADA.patient, f"{int(linked.person.removeprefix('pa') or 0) + 1}")

    with index.begin() as tx:
        tx.persons.move(ADA.patient, "0")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(count, range(24)))
    linked = index.persons.identity(ADA.patient, ALL)
    assert linked is not None
    assert linked.person == "24"


def test_who_identifies_studies_is_shown_records_of_the_organization_that_nothing_hides(index: SQLIndex) -> None:
    hers = Scope(frozenset({"south"}), denies=(Clause(departments=frozenset({"secret"})),))
    with index.begin() as tx:
        tx.enter([a_kept(study="1.1", patient="1", issuer="south", organization="south")])
        secret = a_kept(study="1.2", patient="2", issuer="south", organization="south")
        secret.description.levels[Level.SERIES]["00081040"] = {"vr": "LO", "Value": ["secret"]}
        tx.enter([secret])
        tx.persons.put_identity(replace(EVE, patient=PatientId("south", "3"), own="p3"), ("k2", "is family varga"))

    assert of(*index.persons.like(["k1", "k2"], "south", 9, hers)) == [BEA.patient, PatientId("south", "3")]
    assert of(*index.persons.like(["k2"], "south", 2, hers)) == []
    assert of(*index.persons.called("VÁR", "south", 9, hers)) == [BEA.patient, PatientId("south", "3")]
    assert of(*index.persons.called(" 1 ", "south", 9, hers)) == [BEA.patient]
    assert of(*index.persons.called("var xy", "south", 9, hers)) == []
    assert of(*index.persons.called("--", "south", 9, hers)) == []
    assert index.persons.census(["family varga"], hers) == Census(4, {"family varga": 3})
