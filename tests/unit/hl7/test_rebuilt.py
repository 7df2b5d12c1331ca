"""Orders, visits, reports and messages come back from the objects alone, as they were."""

import io
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from bank import keep, open_test_bank
from hl7 import adt, code, omi, oru, pid
from imagebank.actions import letters, notes, persons, reindex, scrub, shred
from imagebank.bank import Bank
from imagebank.dicom.digest import digest_of
from imagebank.errors import Invalid, Unavailable
from imagebank.hl7 import service
from imagebank.hl7.framing import Frame
from imagebank.hl7.messages import read
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.identity import Decision, Deed
from imagebank.model.message import Fate, Peer, Told
from imagebank.model.note import Amendment, Enclosure
from imagebank.model.person import PatientId
from imagebank.worker import step
from make import a_file
from unit.actions.test_scrub import damage

HERE = "127.0.0.1"
ALL = Scope(organizations=None)
ADMIN = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)
TABLES = ("letter", "imaging_order", "encounter", "patient_word", "report")
MERGED = adt("A40", "MRG|P2^^^^MR", patient=pid("P1"), at="20260301150000")


def send(bank: Bank, *messages: bytes) -> list[str]:
    found = []
    for message in messages:
        answer = service.answer(bank, Frame(message), service.Sender([Peer("", "", HERE, "local")], HERE))
        assert answer is not None
        found.append(code(read(answer)))
    return found


def do_jobs(bank: Bank) -> None:
    while step(bank):
        pass


def rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """What the tables hold, but for the numbers that rows of segments have."""
    engine = create_engine(f"sqlite:///{folder / 'bank' / 'index.db'}")
    with engine.connect() as connection:
        found = {
            name: [
                {str(key): value for key, value in row.items() if key != "segment_id"}
                for row in connection.execute(text(f"SELECT * FROM {name}")).mappings()
            ]
            for name in TABLES
        }
    engine.dispose()
    return found


def lose_the_database(folder: Path) -> None:
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (folder / "bank" / name).unlink(missing_ok=True)


def rebuild(bank: Bank) -> int:
    return service.catch_up(bank, reindex.reindex(bank).messages)


def decisions(bank: Bank) -> list[Decision]:
    return bank.index.persons.decisions(ALL, 100)


def test_a_database_that_was_lost_comes_to_the_same_orders_visits_reports_and_messages(tmp_path: Path) -> None:
    visit = adt("A01", "PV1|1|I|WARD^1^2||||||||||||||||V1")
    early = oru(accession="", filler="F1")
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(PatientID="P1", AccessionNumber="A1"))
        assert send(bank, early, omi(), visit, oru(), adt("Z99")) == ["AE", "AA", "AA", "AA", "AR"]
        assert send(bank, b"no message") == ["AR"]
        assert service.again(bank, 1).fate is Fate.DONE
        do_jobs(bank)
        # The older word comes again behind the newer one, as it may lie where segments were joined.
        letter = letters.content(bank, 1)[0]
        first = Amendment(letter.received_at, told=((letters.key_of(letter), Told(Fate.FAILED)),))
        notes.amend_job(bank, notes.amend_payload(first))
    before = rows(tmp_path)
    assert all(before.values())
    lose_the_database(tmp_path)
    with open_test_bank(tmp_path) as bank:
        assert rebuild(bank) == 3
        assert scrub.verify(bank).is_clean
        assert scrub.verify(bank).orphans == []
        assert send(bank, early) == ["AA"], "it is known again"
    assert rows(tmp_path) == before


def test_where_nothing_was_lost_nothing_is_done_anew(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        send(bank, omi(), oru())
        do_jobs(bank)
        before = rows(tmp_path)
        assert rebuild(bank) == 0
        assert rows(tmp_path) == before


def test_what_somebody_undid_since_a_message_is_not_decided_again(tmp_path: Path) -> None:
    links = [
        adt(event, "PV1|1|I", f"{pid('P3')}", "PV1|1|I", patient=pid("P1"), at=at)
        for event, at in (("A24", "20260301160000"), ("A37", "20260301170000"))
    ]
    with open_test_bank(tmp_path) as bank:
        assert send(bank, adt(), adt(patient=pid("P2")), adt(patient=pid("P3")), MERGED, *links) == ["AA"] * 6
        do_jobs(bank)
        merge = next(one for one in decisions(bank) if one.deed is Deed.MERGE)
        persons.undo(bank, ADMIN, merge.id)
        do_jobs(bank)
        before = decisions(bank)
    lose_the_database(tmp_path)
    with open_test_bank(tmp_path) as bank:
        assert rebuild(bank) == 6
        assert decisions(bank) == before


def test_bytes_that_changed_or_went_are_found_also_where_they_are_no_object(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        send(bank, omi(), oru("OBX|1|TX|18748-4^Report^LN||" + "No bleeding. " * 500 + "||||||F"))
        places = dict(bank.index.locations(ALL))
        assert sorted(places) == ["message 1", "message 2", "report 1"]
        assert list(bank.index.locations(Scope.of("south"))) == []
        with pytest.raises(Invalid):
            notes.note_at(bank, places["message 1"])
        damage(bank, places["report 1"])
        bank.blobs.destroy([places["message 2"]])
        put(bank, Enclosure(digest_of(b"other words"), message=letters.content(bank, 1)[0]))
        findings = scrub.verify(bank)

        found = [one.partition(":")[0] for one in (*findings.damaged, *findings.lost)]
        assert sorted(found) == ["message 2", "message 3", "report 1"]


def put(bank: Bank, enclosure: Enclosure) -> None:
    """Keep a message whose bytes are others than were meant."""
    location = bank.blobs.write(io.BytesIO(b"words"), 5, notes.pack(enclosure))
    bank.blobs.sync([location])
    assert enclosure.message is not None
    with bank.index.begin() as tx:
        tx.orders.put_letter(replace(enclosure.message, location=location), bank.blobs.wrapped_by(location))


def test_a_message_whose_sender_was_never_answered_is_an_orphan_that_a_sweep_destroys(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank, pytest.MonkeyPatch.context() as away:
        away.setattr(type(bank.index), "begin", is_away)
        assert send(bank, omi()) == ["AE"]
    with open_test_bank(tmp_path) as bank:
        later = replace(bank, now=lambda: bank.now() + timedelta(hours=2))
        assert len(scrub.verify(later, sweep=True).orphans) == 1
        assert scrub.verify(later).orphans == []
        assert rebuild(bank) == 0


def is_away(_: Any) -> None:
    raise Unavailable("the database does not answer")


def test_a_row_that_leads_to_the_record_of_something_else_is_damaged(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file())
        send(bank, omi(), oru())
        places = dict(bank.index.locations(ALL))
        report, object_ = places["report 1"], next(at for name, at in places.items() if " " not in name)
    engine = create_engine(f"sqlite:///{tmp_path / 'bank' / 'index.db'}")
    with engine.begin() as connection:
        for table, at in (("letter", report), ("report", object_), ("instance", report)):
            connection.execute(
                text(f"UPDATE {table} SET segment_offset = :offset, length = :length, size = :size"),
                {"offset": at.offset, "length": at.length, "size": at.size},
            )
    engine.dispose()
    with open_test_bank(tmp_path) as bank:
        damaged = scrub.verify(bank).damaged

    assert len(damaged) == 4
    assert all("its row leads to the record of something else" in one for one in damaged)


def test_of_an_account_that_was_shredded_no_message_comes_back(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as bank:
        send(bank, omi(), oru(), omi(filler="F2", patient=pid("P2")))
        shred.shred(bank, PatientId("local", "P1"), ADMIN)
        do_jobs(bank)
    lose_the_database(tmp_path)
    with open_test_bank(tmp_path) as bank:
        assert rebuild(bank) == 1
        assert [one.control for one in letters.listed(bank, failed_only=False, limit=9)] != []
        assert not rows(tmp_path)["report"]
