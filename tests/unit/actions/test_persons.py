"""Which records are one person's: linked, asked, decided by hand, obeyed, and undone."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank import worker
from imagebank.actions import persons, reindex, shred
from imagebank.actions.persons import NOT_ALONE, SAME_ISSUER
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.identity import Deed, Ground, Identity, Linked, Origin
from imagebank.model.person import PatientId, PersonName
from make import a_file

ALL = Scope(organizations=None)
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
NORTH = Principal("tech", Role.TECHNOLOGIST, "north", RIGHTS[Role.TECHNOLOGIST], Scope.of("north"))
FEED = Principal("adt", Role.SYSTEM, "north", RIGHTS[Role.SYSTEM], Scope.of("north"))
N1, N2, S1, E1, W1 = (
    PatientId(*each) for each in (("north", "1"), ("north", "2"), ("south", "1"), ("east", "1"), ("west", "1"))
)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def ada(patient: PatientId, name: str = "Varga^Ada", **given: Any) -> Identity:
    about: dict[str, Any] = {
        "birth_date": "19610723",
        "sex": "F",
        "address": "12 Mill Lane",
        "phone": "01234 567890",
        "origin": Origin.HL7,
    }
    return Identity(patient, PersonName.parse(name), **(about | given))


def unlike(patient: PatientId) -> Identity:
    return Identity(patient, PersonName(f"{secrets.token_hex(4)}^{patient.issuer}"), origin=Origin.HL7)


def record(bank: Bank, patient: PatientId) -> Linked:
    return persons.shown(bank, patient, ALL)


def together(bank: Bank, *patients: PatientId) -> bool:
    return len({record(bank, each).person for each in patients}) == 1


def do_jobs(bank: Bank) -> None:
    later = replace(bank, now=lambda: bank.now() + persons._TICK * 60_000_000)
    while worker.step(later):
        pass


def three_unlike(bank: Bank) -> None:
    for patient in (N1, S1, E1):
        assert persons.hear(bank, unlike(patient)) == []


def test_like_records_of_two_issuers_are_linked_with_the_score_and_the_reasons(bank: Bank) -> None:
    assert persons.hear(bank, ada(N1)) == []
    (decision,) = persons.hear(bank, ada(S1))

    assert together(bank, N1, S1)
    assert (decision.deed, decision.ground, decision.by) == (Deed.LINK, Ground.SCORE, "imagebank")
    assert decision.records == (S1, N1)
    assert [(move.patient, move.after) for move in decision.moves] == [(S1, record(bank, N1).person)]
    assert decision.score == pytest.approx(sum(each.weight for each in decision.evidence))
    assert bank.index.persons.decisions(ALL, 10) == [decision]
    for patient in (N1, S1):
        (line, *_) = bank.index.events(ALL, patient=patient)
        assert (line.act, line.detail) == (Act.DECIDED, f"persons: link {decision.id}")


def test_hearing_the_same_again_changes_nothing(bank: Bank) -> None:
    for patient in (N1, S1, S1):
        persons.hear(bank, ada(patient))
    before = bank.index.events(ALL, limit=1000)

    assert persons.hear(bank, ada(N1)) == []
    assert bank.index.events(ALL, limit=1000) == before
    with pytest.raises(Invalid):
        persons.hear(bank, ada(PatientId("north", "")))


def test_records_of_one_issuer_are_asked_about_and_never_linked(bank: Bank) -> None:
    for patient in (N1, N2):
        persons.hear(bank, ada(patient))
    (asked,) = persons.queue(bank, ADMIN)

    assert not together(bank, N1, N2)
    assert (asked.first, asked.second, asked.bar) == (N1, N2, SAME_ISSUER)


def test_the_same_holds_over_a_third_record(bank: Bank) -> None:
    for patient in (N1, S1, N2):
        persons.hear(bank, ada(patient))

    assert together(bank, N1, S1)
    assert {asked.bar for asked in persons.queue(bank, ADMIN)} == {SAME_ISSUER}


def test_two_who_are_linked_to_others_are_joined_by_somebody_only(bank: Bank) -> None:
    for patient, name in ((N1, "Varga^Ada"), (S1, "Varga^Ada"), (E1, "Kiss^Ada"), (W1, "Kiss^Ada")):
        persons.hear(bank, ada(patient, name, birth_date="19610723" if name == "Varga^Ada" else "19820115"))
    persons.hear(bank, ada(W1, "Varga^Ada"))
    asked = [one for one in persons.queue(bank, ADMIN) if one.bar == NOT_ALONE]

    assert together(bank, E1, W1)
    assert not together(bank, N1, W1)
    persons.decide(bank, ADMIN, asked[0].first, asked[0].second, is_same=True)
    assert together(bank, N1, S1, E1, W1)
    assert persons.queue(bank, ADMIN) == []


def test_a_twin_is_asked_about(bank: Bank) -> None:
    persons.hear(bank, ada(N1))
    persons.hear(bank, ada(S1, "Varga^Piroska"))
    (asked,) = persons.queue(bank, ADMIN)

    assert "brother or sister" in asked.bar
    assert not together(bank, N1, S1)


def test_a_record_that_already_stands_alone_joins_the_one_that_is_linked(bank: Bank) -> None:
    persons.hear(bank, unlike(E1))
    persons.hear(bank, ada(N1))
    persons.link(bank, ADMIN, E1, N1)
    persons.hear(bank, ada(S1))
    persons.unlink(bank, ADMIN, S1)
    persons.hear(bank, ada(W1))

    assert together(bank, N1, E1, W1)
    (decision,) = [one for one in bank.index.persons.decisions(ALL, 10, W1) if one.ground is Ground.SCORE]
    assert decision.records == (W1, N1)


def test_an_equal_identifier_links_by_rule_unless_the_rest_contradicts(bank: Bank) -> None:
    national = PatientId("national", "4711")
    persons.hear(bank, Identity(N1, PersonName("Varga^Ada"), "19610723", others=(national,), origin=Origin.HL7))
    (linked,) = persons.hear(bank, Identity(S1, PersonName("Varga^A"), "19610723", others=(national,)))
    persons.hear(bank, Identity(E1, PersonName("Nowak^Piotr"), "19820115", "M", others=(national,)))

    assert (linked.ground, linked.evidence[0].field) == (Ground.RULE, "identifier")
    assert not together(bank, N1, E1)
    assert {asked.bar for asked in persons.queue(bank, ADMIN)} == {
        "they share an identifier, but what is known of them contradicts it"
    }


def test_an_image_does_not_overrule_what_a_patient_system_said(bank: Bank) -> None:
    persons.hear(bank, ada(N1, phone=""))
    persons.hear(bank, ada(N1, "VARGA^A", phone="01234 999999", birth_date="19000101", origin=Origin.DICOM))
    kept = record(bank, N1).identity

    assert (kept.name.alphabetic, kept.birth_date, kept.phone, kept.origin) == (
        "Varga^Ada", "19610723", "01234 999999", Origin.HL7,
    )  # fmt: skip
    persons.hear(bank, ada(N1, "Kiss^Ada"))
    assert record(bank, N1).identity.name.alphabetic == "Kiss^Ada"


def test_what_was_said_before_changes_nothing_however_late_it_comes(bank: Bank) -> None:
    now = bank.now()
    persons.hear(bank, ada(N1, heard_at=now))
    persons.hear(bank, ada(N1, "Kiss^Ada", heard_at=now - persons._TICK))
    persons.hear(bank, Identity(N1, PersonName("Img^Ada"), mother="Nagy"))
    assert record(bank, N1).identity == replace(ada(N1, heard_at=now, mother="Nagy"), own=record(bank, N1).identity.own)
    persons.hear(bank, ada(N1, "Kiss^Ada", heard_at=now + persons._TICK))
    assert record(bank, N1).identity.name.alphabetic == "Kiss^Ada"


def test_a_clock_that_is_ahead_keeps_nothing_out(bank: Bank) -> None:
    persons.hear(bank, ada(N1, heard_at=bank.now() + 1_000_000 * persons._TICK * 3600))
    persons.hear(bank, ada(N1, "Kiss^Ada"))

    assert record(bank, N1).identity.name.alphabetic == "Kiss^Ada"


def test_a_merge_moves_every_record_of_a_person_and_undoing_it_gives_them_back(bank: Bank) -> None:
    three_unlike(bank)
    before = {each: record(bank, each).person for each in (N1, S1, E1)}
    persons.link(bank, ADMIN, S1, N1)
    merge = persons.merge(bank, ADMIN, N1, E1, "registered twice")
    assert together(bank, N1, S1, E1)
    later = persons.undo(bank, ADMIN, merge.id, "it was not")

    assert {move.patient for move in merge.moves} == {N1, S1} == {move.patient for move in later.moves}
    assert (later.deed, later.undoes, later.reason) == (Deed.UNDO, merge.id, "it was not")
    assert together(bank, N1, S1)
    assert record(bank, E1).person == before[E1]
    with pytest.raises(Conflict):
        persons.undo(bank, ADMIN, merge.id)
    persons.undo(bank, ADMIN, later.id)
    assert together(bank, N1, S1, E1)


def test_what_somebody_has_parted_is_neither_linked_nor_asked_again(bank: Bank) -> None:
    persons.hear(bank, ada(N1))
    (decision,) = persons.hear(bank, ada(S1))
    persons.undo(bank, ADMIN, decision.id)
    persons.hear(bank, ada(S1, phone="01234 000000"))

    assert not together(bank, N1, S1)
    assert persons.queue(bank, ADMIN) == []
    persons.link(bank, ADMIN, S1, N1)
    persons.unlink(bank, ADMIN, S1)
    persons.hear(bank, ada(S1))
    assert not together(bank, N1, S1)


def test_the_queue_is_answered_and_an_answer_is_undone(bank: Bank) -> None:
    for patient in (N1, N2):
        persons.hear(bank, ada(patient))
    apart = persons.decide(bank, ADMIN, N1, N2, is_same=False, why="asked them")
    answered = persons.queue(bank, ADMIN)
    persons.undo(bank, ADMIN, apart.id)
    (again,) = persons.queue(bank, ADMIN)
    same = persons.decide(bank, ADMIN, N2, N1, is_same=True)

    assert answered == []
    assert (apart.deed, apart.moves, again.score) == (Deed.APART, (), apart.score)
    assert (same.deed, same.evidence) == (Deed.MERGE, apart.evidence)
    assert together(bank, N1, N2)
    with pytest.raises(NotFound):
        persons.decide(bank, ADMIN, N1, N2, is_same=True)


def test_what_would_change_nothing_is_a_conflict(bank: Bank) -> None:
    three_unlike(bank)
    persons.link(bank, ADMIN, N1, S1)

    with pytest.raises(Conflict):
        persons.merge(bank, ADMIN, S1, N1)
    with pytest.raises(Conflict):
        persons.unlink(bank, ADMIN, E1)
    with pytest.raises(NotFound):
        persons.link(bank, ADMIN, N1, W1)
    with pytest.raises(NotFound):
        persons.undo(bank, ADMIN, "nothing")


def test_an_issuer_says_of_its_own_records_what_it_likes(bank: Bank) -> None:
    merge = persons.obey(bank, FEED, Deed.MERGE, N1, N2, "A40")
    assert (merge.ground, merge.by) == (Ground.RULE, "adt")
    assert together(bank, N1, N2)
    with pytest.raises(Conflict):
        persons.obey(bank, FEED, Deed.UNLINK, N1, PatientId("north", "3"))
    persons.obey(bank, FEED, Deed.UNLINK, N1, N2, "A37")
    assert not together(bank, N1, N2)
    persons.obey(bank, FEED, Deed.LINK, N1, N2, "A24")
    assert together(bank, N1, N2)
    with pytest.raises(NotAllowed):
        persons.obey(bank, FEED, Deed.LINK, N1, S1)


def test_what_a_scope_hides_is_neither_shown_nor_decided_about(bank: Bank) -> None:
    keep(bank, a_file(PatientID="1", IssuerOfPatientID="north"))
    for patient in (N1, N2, S1):
        persons.hear(bank, ada(patient))
    hidden = replace(NORTH, scope=Scope.of("nowhere"))
    local = replace(NORTH, scope=Scope.of("local"))

    assert len(persons.queue(bank, ADMIN)) == 2
    assert persons.queue(bank, local) == []
    assert persons.shown(bank, N1, local.scope).identity.patient == N1
    for who, patient in ((hidden, N1), (local, N2)):
        with pytest.raises(NotFound):
            persons.unlink(bank, who, patient)
    with pytest.raises(NotFound):
        persons.decide(bank, local, N1, N2, is_same=True)
    assert bank.index.persons.decisions(local.scope, 10) == []


def test_a_person_is_shown_as_far_as_the_caller_sees_and_each_look_is_in_the_ledger(bank: Bank) -> None:
    keep(bank, a_file(PatientID="1", IssuerOfPatientID="north"))
    three_unlike(bank)
    decision = persons.link(bank, ADMIN, S1, N1)
    person = record(bank, N1).person
    local = replace(NORTH, scope=Scope.of("local"))
    hidden = replace(NORTH, scope=Scope.of("nowhere"))

    assert [one.identity.patient for one in persons.of_person(bank, ADMIN, person)] == [N1, S1]
    assert [one.identity.patient for one in persons.of_person(bank, local, person)] == [N1]
    assert persons.decisions(bank, ADMIN) == [decision]
    assert persons.decisions(bank, local) == []
    with pytest.raises(NotFound):
        persons.of_person(bank, hidden, person)
    looks = {(line.principal, line.detail) for line in bank.index.events(ALL, 100) if line.act is Act.SEARCHED}
    assert looks == {
        ("root", "person"), ("tech", "person"),
        ("root", "decisions about patient records"), ("tech", "decisions about patient records"),
    }  # fmt: skip


def test_only_who_may_reconcile_decides(bank: Bank) -> None:
    doctor = replace(ADMIN, role=Role.CLINICIAN, rights=RIGHTS[Role.CLINICIAN])
    for do in (
        lambda: persons.queue(bank, doctor),
        lambda: persons.decisions(bank, doctor),
        lambda: persons.link(bank, doctor, N1, S1),
        lambda: persons.undo(bank, doctor, "x"),
        lambda: persons.decide(bank, doctor, N1, S1, is_same=True),
    ):
        with pytest.raises(NotAllowed):
            do()


def test_a_database_that_was_lost_comes_to_the_same_persons(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="1", IssuerOfPatientID="north"))
        three_unlike(bank)
        persons.hear(bank, ada(N2))
        persons.hear(bank, ada(W1))
        persons.link(bank, ADMIN, S1, N1)
        undone = persons.merge(bank, ADMIN, N1, E1)
        persons.undo(bank, ADMIN, undone.id)
        do_jobs(bank)
        before = bank.index.persons.identities(ALL, 100), bank.index.persons.decisions(ALL, 100)
        reindex.reindex(bank)
        assert (bank.index.persons.identities(ALL, 100), bank.index.persons.decisions(ALL, 100)) == before
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (tmp_path / "bank" / name).unlink(missing_ok=True)
    with open_test_bank(tmp_path) as bank:
        reindex.reindex(bank)
        assert (bank.index.persons.identities(ALL, 100), bank.index.persons.decisions(ALL, 100)) == before


def test_of_an_account_that_was_shredded_nothing_is_left_and_the_others_stay_linked(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="1", IssuerOfPatientID="north", PatientName="Lovelace^Augusta"))
        do_jobs(bank)
        for patient in (S1, E1):
            persons.hear(bank, unlike(patient))
        first = persons.link(bank, ADMIN, S1, N1)
        persons.link(bank, ADMIN, E1, N1)
        shred.shred(bank, N1, ADMIN)
        do_jobs(bank)

        assert together(bank, S1, E1)
        assert bank.index.persons.identity(N1, ALL) is None
        assert [one.identity.patient for one in bank.index.persons.identities(ALL, 10)] == [E1, S1]
        assert bank.index.persons.decisions(ALL, 10, S1) == []
        with pytest.raises(NotFound):
            persons.undo(bank, ADMIN, first.id)
    assert b"Lovelace" not in (tmp_path / "bank" / "index.db").read_bytes()
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (tmp_path / "bank" / name).unlink(missing_ok=True)
    with open_test_bank(tmp_path) as bank:
        reindex.reindex(bank)
        assert together(bank, S1, E1)
        assert persons.unlink(bank, ADMIN, S1).records[0] == S1
