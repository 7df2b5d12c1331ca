"""Orders, visits, reports and messages on both databases."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagebank.errors import Unavailable
from imagebank.model.access import Asker, Clause, Purpose, Role, Scope
from imagebank.model.encounter import Encounter, Stay
from imagebank.model.identity import Identity
from imagebank.model.imaging import Digest, Location
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.order import Code, Order, Ordered, Patient, Performed, Reference, State
from imagebank.model.person import PatientId
from imagebank.model.report import Report
from imagebank.model.uid import Uid
from imagebank.ports.orders import Wanted
from imagebank.storage import tables
from imagebank.storage.database import Database, insert_new
from imagebank.storage.index import SQLIndex

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL = Scope(None)
P1, P2 = PatientId("north", "P1"), PatientId("north", "P2")
JANE = Patient(P1, "Doe^Jane", "19700101", "F")
ORDER = Order(
    "north", JANE, START, State.SCHEDULED, "PL1", "F1", "A1", "NORTH", "RP1", "S1", Uid("1.2.3"), "CT", "CT1",
    "202603021030", Ordered(Code("CTH", "CT head", "L"), reason="fall"),
)  # fmt: skip
PLACE = Location("seg", 4096, 4096, 10)
LETTER = Letter("RIS|N", "C1", "ADT^A01", "north", "10.0.0.1", Digest("blake3", b"1"), START, PLACE)
REPORT = Report("north", P1, START, "F", "R1", "A1", None, Digest("blake3", b"r"), START, PLACE)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def put(index: SQLIndex, *orders: Order) -> list[bool]:
    with index.begin() as tx:
        return [tx.orders.put_order(one) for one in orders]


def found(index: SQLIndex, scope: Scope = ALL, **wanted: Any) -> list[str]:
    return [f"{one.filler}/{one.step_id}" for one in index.orders.orders(Wanted(**wanted), scope)]


def test_an_order_comes_back_as_it_was_put(index: SQLIndex) -> None:
    assert put(index, ORDER) == [True]

    (kept,) = index.orders.orders(Wanted(), ALL)
    assert replace(kept, id=0, state_at=None) == ORDER
    assert kept.decided_at == START


def test_the_same_word_again_changes_nothing_and_an_older_one_only_fills_gaps(index: SQLIndex) -> None:
    newer = replace(ORDER, event_at=at(5), station_aet="", modality="MR", state=None)
    assert put(index, newer, newer, ORDER, ORDER) == [True, False, True, False]

    (kept,) = index.orders.orders(Wanted(), ALL)
    assert (kept.modality, kept.station_aet, kept.event_at, kept.state) == ("MR", "CT1", at(5), State.SCHEDULED)


@pytest.mark.parametrize(
    ("numbers", "is_same"),
    [
        ({"placer": ""}, True),
        ({"filler": ""}, True),
        ({"placer": "PL9"}, False),
        ({"filler": "F9"}, False),
        ({"placer": "PL9", "filler": ""}, False),
        ({"step_id": ""}, True),
        ({"step_id": "S2"}, False),
        ({"organization": "south"}, False),
    ],
)
def test_an_order_is_known_again_by_its_numbers(index: SQLIndex, numbers: dict[str, str], is_same: bool) -> None:
    put(index, ORDER, replace(ORDER, event_at=at(1), modality="MR", **numbers))  # type: ignore[arg-type]

    kept = index.orders.orders(Wanted(), ALL)
    assert len(kept) == (1 if is_same else 2)
    assert kept[0].modality == ("MR" if is_same else "CT")


def test_worklists_are_narrowed_by_day_modality_station_and_state(index: SQLIndex) -> None:
    put(
        index,
        ORDER,
        replace(ORDER, placer="", filler="F2", modality="MR", station_aet="MR1", scheduled_at="20260303"),
        replace(ORDER, placer="", filler="F3", station_aet="", scheduled_at="20260304080000", accession="A3"),
        replace(ORDER, placer="", filler="F4", state=State.CANCELLED, scheduled_at=""),
        replace(ORDER, placer="", filler="F5", state=None, patient=replace(JANE, id=P2), scheduled_at="20260305"),
    )

    assert found(index) == ["F1/S1", "F2/S1", "F3/S1", "F5/S1"]
    assert found(index, since="20260303") == ["F2/S1", "F3/S1", "F5/S1"]
    assert found(index, until="20260303") == ["F1/S1", "F2/S1"]
    assert found(index, modalities=("MR", "US")) == ["F2/S1"]
    assert found(index, modalities=("CT",), station_aet="CT1") == ["F1/S1", "F3/S1", "F5/S1"]
    assert found(index, station_aet="MR1") == ["F2/S1", "F3/S1"]
    assert (found(index, accession="A3"), found(index, identifier="P2")) == (["F3/S1"], ["F5/S1"])
    assert found(index, identifier="P2", issuer="nobody") == []
    assert found(index, is_open=False, limit=2) == ["F4/S1", "F1/S1"]


def of(organization: str, **parts: Any) -> Clause:
    return Clause(organizations=frozenset({organization}), **parts)


ASKER = Asker("x", Role.DEVICE, "north", Purpose.TREATMENT, START)
NONE: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    ("scope", "orders", "visits"),
    [
        (Scope.of("north"), ["F1/S1"], 1),
        (Scope.of("south"), [], 0),
        (Scope(None, studies=frozenset({Uid("1.2.3")})), [], 0),
        (Scope(NONE, permits=(of("north"),), asker=ASKER), ["F1/S1"], 1),
        (Scope(NONE, permits=(Clause(),), asker=ASKER), ["F1/S1"], 1),
        (Scope(NONE, permits=(of("north", modalities=frozenset({"CT"})),), asker=ASKER), ["F1/S1"], 0),
        (Scope(NONE, permits=(of("north", modalities=frozenset({"MR"})),), asker=ASKER), [], 0),
        (Scope(NONE, permits=(of("north", in_care=True),), asker=ASKER), [], 0),
        (Scope(NONE, permits=(of("north", labels=frozenset({"x"})),), asker=ASKER), [], 0),
        (Scope(NONE, permits=(of("north", since="20200101"),), asker=ASKER), [], 0),
        (Scope(None, denies=(of("north"),)), [], 0),
        (Scope(None, denies=(of("south"),)), ["F1/S1"], 1),
        (Scope(None, denies=(of("north", labels=frozenset({"x"})),)), ["F1/S1"], 1),
    ],
)
def test_a_scope_shows_the_orders_and_visits_of_its_organizations(
    index: SQLIndex, scope: Scope, orders: list[str], visits: int
) -> None:
    put(index, ORDER)
    with index.begin() as tx:
        tx.orders.put_encounter(Encounter("north", "V1", P1, START))

    assert found(index, scope) == orders
    assert len(index.orders.encounters(P1, scope)) == visits


def test_a_report_finds_its_order_by_either_number(index: SQLIndex) -> None:
    put(index, ORDER)
    asked = [("", "F1"), ("PL1", ""), ("PL1", "F1"), ("PL1", "F2"), ("", "F2"), ("", "")]
    known = [index.orders.order_of("north", *numbers) is not None for numbers in asked]

    assert known == [True, True, True, False, False, False]
    assert index.orders.order_of("south", "PL1", "F1") is None
    put(index, replace(ORDER, step_id=f"{ORDER.step_id}2"))
    assert [one.step_id for one in index.orders.steps_of("north", "", "F1")] == [ORDER.step_id, f"{ORDER.step_id}2"]
    assert index.orders.steps_of("north", "", "") == []


def test_a_patients_new_name_is_on_open_orders_that_are_older(index: SQLIndex) -> None:
    put(index, ORDER, replace(ORDER, placer="", filler="F2", state=State.DONE))
    with index.begin() as tx:
        counts = [
            tx.orders.name_patient("north", replace(JANE, name="Old"), at(-1)),
            tx.orders.name_patient("north", Patient(P1), at(1)),
            tx.orders.name_patient("south", Patient(P1, "Not^Ours"), at(1)),
            tx.orders.name_patient("north", Patient(P1, "Roe^Jane"), at(1)),
        ]

    kept = {one.filler: one.patient for one in index.orders.orders(Wanted(is_open=False), ALL)}
    assert counts == [0, 0, 0, 1]
    assert (kept["F1"].name, kept["F1"].birth_date, kept["F2"].name) == ("Roe^Jane", "19700101", "Doe^Jane")


def test_open_orders_and_visits_go_to_the_identifier_that_is_left(index: SQLIndex) -> None:
    put(index, ORDER, replace(ORDER, placer="", filler="F2", state=State.DONE))
    with index.begin() as tx:
        tx.orders.put_encounter(Encounter("north", "V1", P1, START))
        tx.orders.put_encounter(Encounter("north", "V0", P1, START, Stay.ENDED))
        moved = [tx.orders.move_orders(organization, P1, P2) for organization in ("south", "north")]

    assert moved == [0, 1]
    assert (found(index, identifier="P2"), len(index.orders.encounters(P2, ALL))) == (["F1/S1"], 1)


def test_a_visit_is_as_it_was_last_told_of(index: SQLIndex) -> None:
    began = Encounter("north", "V1", P1, START, Stay.OPEN, "I", "WARD 1", "20260301")
    with index.begin() as tx:
        answers = [
            tx.orders.put_encounter(one)
            for one in (
                began,
                replace(began, event_at=at(9), stay=Stay.ENDED, place="", ended_at="20260302"),
                replace(began, event_at=at(5), place="LATE"),
            )
        ]
    ended = index.orders.encounters(P1, ALL)
    with index.begin() as tx:
        tx.orders.put_encounter(replace(began, event_at=at(10)))
    again = index.orders.encounters(P1, ALL)
    with index.begin() as tx:
        tx.orders.put_encounter(replace(began, event_at=at(11), stay=Stay.CANCELLED))

    assert answers == [True, True, False]
    assert ended == [replace(began, event_at=at(9), stay=Stay.ENDED, ended_at="20260302")]
    assert again == [replace(began, event_at=at(10))]
    assert index.orders.encounters(P1, ALL) == []


def test_systems_that_may_send_are_kept_by_name_and_facility(index: SQLIndex) -> None:
    ris, his = Peer("RIS", "N", "10.0.0.1", "north", "ab"), Peer("HIS", "", "his", "south")
    with index.begin() as tx:
        for peer in (ris, his, replace(ris, host="10.0.0.2")):
            tx.orders.put_peer(peer)
    kept = index.orders.peers()
    with index.begin() as tx:
        removed = [tx.orders.remove_peer("RIS", ""), tx.orders.remove_peer("RIS", "N")]

    assert kept == [his, replace(ris, host="10.0.0.2")]
    assert (removed, index.orders.peers()) == ([0, 1], [his])


def test_messages_keep_what_became_of_them(index: SQLIndex) -> None:
    with index.begin() as tx:
        first = tx.orders.put_letter(LETTER, b"key")
        second = tx.orders.put_letter(replace(LETTER, control="C2"), b"key")
        tx.orders.tell_letter(first, Told(Fate.FAILED, 101, "no patient", "PID^1^3"))

    kept = index.orders.letter(first)
    assert kept == replace(LETTER, id=first, told=Told(Fate.FAILED, 101, "no patient", "PID^1^3"))
    assert [one.id for one in index.orders.letters()] == [second, first]
    assert [one.id for one in index.orders.letters([Fate.FAILED])] == [first]
    assert [one.id for one in index.orders.letters(limit=1)] == [second]
    assert index.orders.letter(99) is None
    assert index.orders.letter_like("RIS|N", "C1", LETTER.digest) == kept
    assert index.orders.letter_like("RIS|N", "C1", Digest("blake3", b"2")) is None
    assert index.orders.letter_like("HIS|N", "C1", LETTER.digest) is None


def a_study(index: SQLIndex, uid: str, patient: PatientId, accession: str, organization: str = "north") -> None:
    """The rows of a study, without anything in it."""
    with database_of(index).writing() as connection:
        values = {
            "issuer": patient.issuer,
            "identifier": patient.identifier,
            "anchor": "" if patient.identifier else uid,
        }
        insert_new(connection, tables.patient, values)
        number = connection.execute(
            tables.patient.select().where(tables.patient.c.identifier == patient.identifier)
        ).first()
        assert number is not None
        text = f'{{"00080050": {{"vr": "SH", "Value": ["{accession}"]}}}}' if accession else "{}"
        row = {"patient_row": number.id, "organization": organization, "json": text, "study_instance_uid": uid}
        insert_new(connection, tables.study, row)


def database_of(index: SQLIndex) -> Database:
    return index._database


def test_a_report_is_shown_with_the_study_of_its_patient(index: SQLIndex) -> None:
    for uid, patient, accession, owner in (
        ("1.1", P1, "A1", "north"),
        ("1.2", P2, "A1", "north"),
        ("1.3", P1, "A1", "south"),
        ("1.4", P1, "", "north"),
        ("1.6", P1, "", "south"),
        ("1.5", PatientId("north", ""), "A1", "north"),
    ):
        a_study(index, uid, patient, accession, owner)
    by_uid = replace(REPORT, study=Uid("1.4"), accession="A1", digest=Digest("blake3", b"u"), event_at=at(-1))
    elsewhere = replace(REPORT, study=Uid("1.6"), digest=Digest("blake3", b"e"))
    with index.begin() as tx:
        answers = [tx.orders.put_report(one, b"key") for one in (REPORT, REPORT, by_uid, elsewhere)]
        tx.orders.put_report(replace(REPORT, event_at=at(1), digest=Digest("blake3", b"s"), status="C"), b"key")

    def shown(uid: str, scope: Scope = ALL) -> list[str]:
        return [one.status for one in index.orders.reports(Uid(uid), scope)]

    assert answers == [True, False, True, True]
    assert {uid: shown(uid) for uid in ("1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.9")} == {
        "1.1": ["C", "F"], "1.2": [], "1.3": [], "1.4": ["F"], "1.5": [], "1.6": [], "1.9": [],
    }  # fmt: skip
    assert shown("1.1", Scope.of("south")) == []
    assert replace(index.orders.reports(Uid("1.4"), ALL)[0], id=0) == by_uid


def test_what_a_destroyed_key_sealed_is_not_kept_and_what_it_had_sealed_goes(index: SQLIndex) -> None:
    with index.begin() as tx:
        tx.orders.put_letter(LETTER, b"key")
        tx.orders.put_report(REPORT, b"key")
        tx.orders.put_letter(LETTER, b"other")
        tx.orders.put_order(ORDER)
        tx.orders.put_encounter(Encounter("north", "V1", P1, START))
    with database_of(index).writing() as connection:
        values = {"name": b"key", "owner": "", "wrapped": b"", "segment": "", "segment_offset": 0, "length": 0}
        insert_new(connection, tables.account_key, values)
    with index.begin() as tx:
        tx.close_account(P1, [])
        tx.shred([b"key"])
    with index.begin() as tx:
        with pytest.raises(Unavailable):
            tx.orders.put_letter(LETTER, b"key")
        with pytest.raises(Unavailable):
            tx.orders.put_report(REPORT, b"key")

    assert [one.id for one in index.orders.letters()] == [2]
    assert (found(index), index.orders.encounters(P1, ALL)) == ([], [])


def test_performed_steps_are_begun_once_and_move_the_orders_that_they_name(index: SQLIndex) -> None:
    put(index, ORDER, replace(ORDER, placer="", filler="F2", step_id="S2"), replace(ORDER, organization="south"))
    references = (Reference("1.2.3", "A1", "S1"), Reference("", "", "S2"), Reference("9.9"))
    step = Performed(Uid("1.9"), "north", P1, State.STARTED, references, "CT1", at(1))
    with index.begin() as tx:
        added = [tx.orders.add_performed(step), tx.orders.add_performed(step)]
        tx.orders.advance(step)
    ended = replace(step, state=State.DONE, changed_at=at(2), references=(Reference("", "A1", "S1"),))
    with index.begin() as tx:
        kept = [tx.orders.performed(Uid("1.9"), "north"), tx.orders.performed(Uid("1.9"), "south")]
        tx.orders.change_performed(ended)
        during = states(index)
        tx.orders.advance(ended)
    with index.begin() as tx:
        changed = tx.orders.performed(Uid("1.9"), "north")
        tx.close_account(P1, [])
        gone = tx.orders.performed(Uid("1.9"), "north")

    assert (added, kept, changed, gone) == ([True, False], [step, None], ended, None)
    assert during == ["in progress", "scheduled", "scheduled"]
    assert states(index) == []


def states(index: SQLIndex) -> list[str]:
    return [str(one.state) for one in index.orders.orders(Wanted(is_open=False), ALL)]


def test_the_last_word_about_a_patient_is_each_organizations_own(index: SQLIndex) -> None:
    with index.begin() as tx:
        answers = [
            tx.orders.note_word(organization, P1, at(minutes))
            for organization, minutes in (("north", 5), ("north", 4), ("north", 5), ("south", 1), ("north", 6))
        ]

    assert answers == [True, False, True, True, True]


def test_a_report_of_another_record_of_the_same_person_is_shown(index: SQLIndex) -> None:
    a_study(index, "1.1", P1, "A1")
    with index.begin() as tx:
        tx.orders.put_report(replace(REPORT, patient=P2), b"key")
        for patient in (P1, P2):
            tx.persons.put_identity(Identity(patient, own=patient.identifier), [])
    before = index.orders.reports(Uid("1.1"), ALL)
    with index.begin() as tx:
        tx.persons.move(P2, "P1")

    assert (len(before), len(index.orders.reports(Uid("1.1"), ALL))) == (0, 1)


def test_an_order_is_found_by_either_number(index: SQLIndex) -> None:
    other = replace(ORDER, placer="F1", filler="F2", step_id="S2", patient=replace(JANE, id=P2))
    put(index, ORDER, replace(other, organization="south"), replace(other, filler="F3", placer="PL3"))

    assert found(index, number="PL1") == found(index, number="F1", scope=Scope.of("north")) == ["F1/S1"]
    assert found(index, number="F1") == ["F1/S1", "F2/S2"]
    assert found(index, number="1") == []


def test_a_visit_is_found_by_its_number_in_scope(index: SQLIndex) -> None:
    visits = [Encounter(name, "V1", patient, START, Stay.CANCELLED) for name, patient in (("north", P1), ("south", P2))]
    with index.begin() as tx:
        for one in visits:
            tx.orders.put_encounter(one)

    assert index.orders.encounter("V1", Scope.of("north")) == visits[0]
    assert index.orders.encounter("V1", Scope.of("west")) is None
    assert index.orders.encounter("V2", ALL) is None
    assert index.orders.encounter("V1", ALL) is None
