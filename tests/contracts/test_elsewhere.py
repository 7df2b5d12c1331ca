"""What other archives hold, who may know of it, and what is fetched from them, on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from imagebank.model.access import Asker, Clause, Purpose, Role, Scope
from imagebank.model.elsewhere import Elsewhere, Line, Recall
from imagebank.model.identity import Identity
from imagebank.model.person import PatientId
from imagebank.model.provision import Kind, Provision
from imagebank.model.transfer import State
from imagebank.model.uid import Uid
from imagebank.storage.index import SQLIndex

ALL = Scope(None)
AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA, BEN = PatientId("harbour", "A"), PatientId("harbour", "B")
OWN = PatientId("local", "ADA")
CT = Elsewhere("Harbour", ADA, Uid("1.1"), "harbour", AT, "20250102", "1010", "CT HEAD", "X1", ("CT", "SR"), 9)
OLD = Elsewhere("Harbour", ADA, Uid("1.2"), "harbour", AT)
THEIRS = Elsewhere("Quay", BEN, Uid("1.3"), "quay", AT, "20250101")
ASKER = Asker("kim", Role.CLINICIAN, "local", Purpose.TREATMENT, AT)


@pytest.fixture
def filled(index: SQLIndex) -> SQLIndex:
    with index.begin() as tx:
        tx.elsewhere.answered("Harbour", ADA, [CT, OLD], AT)
        tx.elsewhere.answered("Quay", BEN, [THEIRS], AT)
    return index


def seen(index: SQLIndex, scope: Scope) -> list[str]:
    return [str(one.study) for one in index.elsewhere.held([ADA, BEN], scope)]


def test_an_answer_is_kept_as_it_was_given_until_the_next_one(filled: SQLIndex) -> None:
    assert filled.elsewhere.held([ADA], ALL) == [CT, OLD]
    assert filled.elsewhere.held([], ALL) == []
    assert filled.elsewhere.one("Harbour", Uid("1.1"), ALL) == CT
    assert filled.elsewhere.one("Quay", Uid("1.1"), ALL) is None
    assert filled.elsewhere.asked_at("Harbour", ADA) == AT
    assert filled.elsewhere.asked_at("Harbour", BEN) is None

    with filled.begin() as tx:
        tx.elsewhere.answered("Harbour", ADA, [], AT + HOUR)

    assert filled.elsewhere.held([ADA], ALL) == []
    assert filled.elsewhere.asked_at("Harbour", ADA) == AT + HOUR
    assert seen(filled, ALL) == ["1.3"]


def test_the_rules_for_studies_say_who_may_know_of_one(filled: SQLIndex) -> None:
    assert seen(filled, Scope.of("harbour")) == ["1.1", "1.2"]
    assert seen(filled, Scope.of("local")) == []
    assert seen(filled, Scope.nothing()) == []
    assert seen(filled, Scope(None, studies=frozenset([Uid("1.2")]))) == ["1.2"]
    assert seen(filled, Scope(None, patients=frozenset([BEN]))) == ["1.3"]
    permitted = Scope.of("local")
    assert seen(filled, replace(permitted, permits=(Clause(organizations=frozenset(["quay"])),))) == ["1.3"]
    assert seen(filled, replace(permitted, permits=(Clause(modalities=frozenset(["CT", "SR"])),))) == ["1.1"]
    assert seen(filled, replace(permitted, permits=(Clause(modalities=frozenset(["CT"])),))) == []
    assert seen(filled, replace(permitted, permits=(Clause(departments=frozenset(["ward"])),))) == []
    assert seen(filled, replace(permitted, permits=(Clause(since="20250102"),))) == ["1.1"]


def test_what_an_archive_does_not_say_of_a_study_may_be_what_is_denied(filled: SQLIndex) -> None:
    denied = Clause(modalities=frozenset(["MR"]))
    assert seen(filled, replace(ALL, denies=(denied,))) == ["1.1"]
    assert seen(filled, replace(ALL, denies=(Clause(departments=frozenset(["Ward"])),))) == []
    theirs = Clause(organizations=frozenset(["quay"]), departments=frozenset(["Ward"]))
    assert seen(filled, replace(ALL, denies=(theirs,))) == ["1.1", "1.2"]
    assert seen(filled, replace(ALL, denies=(Clause(until="20250101"),))) == ["1.1"]


def _decided(index: SQLIndex, **about: object) -> None:
    one = Provision("p1", Kind.CONSENT, True, ADA, AT - HOUR)
    with index.begin() as tx:
        tx.put_provision(replace(one, **about))  # type: ignore[arg-type] # a field by its name


def test_what_a_person_decided_counts(filled: SQLIndex) -> None:
    _decided(filled, organization="local")
    asked = replace(Scope.of("local"), asker=ASKER)
    assert seen(filled, asked) == ["1.1", "1.2"]

    _decided(filled, organization="local", modality="CT")
    assert seen(filled, asked) == []

    _decided(filled, organization="local", body_part="HEAD")
    assert seen(filled, asked) == []

    _decided(filled, permits=False, organization="local")
    assert seen(filled, replace(asked, organizations=None)) == ["1.3"]

    _decided(filled, permits=False, organization="local", body_part="KNEE")
    assert seen(filled, replace(asked, organizations=None)) == ["1.3"]

    _decided(filled, permits=False, organization="local", modality="MR")
    assert seen(filled, replace(asked, organizations=None)) == ["1.1"]


def test_what_was_decided_for_all_of_a_person_counts_for_a_linked_record(filled: SQLIndex) -> None:
    with filled.begin() as tx:
        for one in (ADA, OWN):
            tx.persons.put_identity(Identity(one, own=one.identifier), [])
            tx.persons.move(one, "person")
    asked = replace(ALL, asker=ASKER)
    _decided(filled, patient=OWN, permits=False)
    assert seen(filled, asked) == ["1.1", "1.3", "1.2"]

    _decided(filled, patient=OWN, permits=False, of_person=True)
    assert seen(filled, asked) == ["1.3"]


def test_how_an_archive_answers_is_known_to_all(index: SQLIndex) -> None:
    away = Line("Harbour", 3, AT, AT + HOUR, "it does not answer", AT - HOUR)
    with index.begin() as tx:
        tx.elsewhere.put_line(Line("Harbour", answered_at=AT))
        tx.elsewhere.put_line(away)

    assert index.elsewhere.lines() == [away]
    assert away.is_away


def test_a_study_is_fetched_once_at_a_time(index: SQLIndex) -> None:
    wanted = Recall("Harbour", Uid("1.1"), ADA, "kim", Role.CLINICIAN, "local", AT, "127.0.0.1")
    with index.begin() as tx:
        tx.elsewhere.put(wanted)
        tx.elsewhere.progress("Harbour", Uid("1.1"), 9, 4, "it broke off")
    assert index.elsewhere.recall("Harbour", Uid("1.1")) == replace(wanted, total=9, kept=4, reason="it broke off")
    assert index.elsewhere.recall("Quay", Uid("1.1")) is None

    with index.begin() as tx:
        ends = [tx.elsewhere.settle("Harbour", Uid("1.1"), State.DONE, "", AT + HOUR) for _ in range(2)]
    done = replace(wanted, total=9, kept=4, state=State.DONE, ended_at=AT + HOUR)
    assert (ends, index.elsewhere.recalls("kim", 9), index.elsewhere.recalls("", 9)) == ([True, False], [done], [done])
    assert index.elsewhere.recalls("lee", 9) == []


def test_what_is_old_and_what_is_a_destroyed_account_s_is_forgotten(filled: SQLIndex) -> None:
    with filled.begin() as tx:
        tx.elsewhere.put(Recall("Harbour", Uid("1.1"), ADA, "kim", Role.CLINICIAN, "local", AT))
        tx.elsewhere.forget(AT)
    assert seen(filled, ALL) == ["1.1", "1.3", "1.2"]

    with filled.begin() as tx:
        tx.close_account(ADA, [])
    assert (seen(filled, ALL), filled.elsewhere.recalls("", 9)) == (["1.3"], [])
    assert filled.elsewhere.asked_at("Harbour", ADA) is None

    with filled.begin() as tx:
        tx.elsewhere.forget(AT + HOUR)
        tx.elsewhere.answered("Quay", BEN, [THEIRS], AT)
    assert seen(filled, ALL) == ["1.3"]
