"""Checkpoints that are kept among the objects: whoever can write to the database alone cannot make the ledger anew."""

import io
import json
import logging
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import ledger
from imagebank.bank import Bank
from imagebank.cli.doctor import of_the_bank
from imagebank.errors import Conflict, Invalid, NotAllowed, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Checkpoint, Line, link_of
from imagebank.serve import Supervisor
from imagebank.settings import load
from running import imagebank

ADMIN = Principal("ada", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(None))


def record(bank: Bank, *details: str, at: datetime | None = None) -> None:
    with bank.index.begin() as tx:
        tx.record([Event(at or bank.now(), Act.CHANGED, "somebody", "local", detail=detail) for detail in details])


def signed(bank: Bank, *details: str) -> Checkpoint:
    record(bank, *details)
    made = ledger.checkpoint(bank)
    assert made is not None
    return made


def started_again(bank: Bank) -> Bank:
    """The bank as another process has it, which has seen nothing yet."""
    bank.signer.seen = bank.signer.kept = None
    return bank


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A bank with five checkpoints, the last of which is kept among the objects."""
    with open_test_bank(tmp_path) as opened:
        for number in range(4):
            signed(opened, f"line {number}", "to be hidden")
        record(opened, "last")
        ledger.checkpoint(opened, keeps=True)
        yield opened


def database(bank: Bank) -> sqlite3.Connection:
    return sqlite3.connect(bank.settings.data / "index.db", isolation_level=None)


FIELDS = (
    "lane",
    "position",
    "at",
    "act",
    "principal",
    "organization",
    "address",
    "study",
    "count",
    "detail",
    "person",
    "purpose",
)


def forge(bank: Bank, where: str, checkpoints: str) -> None:
    """Take lines and checkpoints away and make the links anew, as who can write to the database can, without a key."""
    with closing(database(bank)) as db:
        triggers = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in triggers:
            db.execute(f"DROP TRIGGER {name}")
        db.execute(f"DELETE FROM event WHERE {where}")
        for (lane,) in db.execute("SELECT DISTINCT lane FROM event").fetchall():
            link = ""
            rows = db.execute(
                f"SELECT id, {','.join(map(repr_of, FIELDS))} FROM event WHERE lane = ? ORDER BY position", (lane,)
            )
            for position, (number, *values) in enumerate(rows.fetchall(), 1):
                line = replace(Line(*values), position=position)
                link = link_of(link, line)
                db.execute("UPDATE event SET position = ?, link = ? WHERE id = ?", (position, link, number))
            db.execute("UPDATE lane SET position = ?, link = ?, known = 0 WHERE lane = ?", (position, link, lane))
        db.execute(f"DELETE FROM checkpoint WHERE {checkpoints}")
        for _, sql in triggers:
            db.execute(sql)


def repr_of(name: str) -> str:
    return f'"{name}"'


def test_a_ledger_that_was_made_anew_without_a_key_is_found_out(bank: Bank) -> None:
    forge(bank, "detail = 'to be hidden'", "true")

    assert any("the database is older than checkpoint 5" in fault for fault in ledger.verify(bank).faults)


def test_a_forged_ledger_is_not_signed_and_that_is_told(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    forge(bank, "detail = 'to be hidden'", "true")
    with caplog.at_level(logging.ERROR):
        as_before = ledger.checkpoint(bank)
        anew = ledger.checkpoint(started_again(bank))

    assert (as_before, anew, bank.index.checkpoints()) == (None, None, [])
    assert [one.getMessage()[:24] for one in caplog.records] == ["the ledger is not signed"] * 2
    weak = [one.words for one in of_the_bank(bank) if one.check == "ledger" and one.is_weak]
    assert weak[0].startswith("the ledger is not signed any more: the database is older than checkpoint 5")


def test_an_export_of_a_forged_ledger_tells_of_it(bank: Bank) -> None:
    forge(bank, "detail = 'to be hidden'", "true")
    to = io.BytesIO()
    ledger.export(bank, to)

    faults = ledger.verify_export(io.BytesIO(to.getvalue())).faults
    assert any("the database is older than checkpoint 5" in fault for fault in faults)
    assert any(fault.startswith("lines that no checkpoint knows") for fault in faults)


def test_cutting_off_the_end_with_its_checkpoints_is_found_out(bank: Bank) -> None:
    forge(bank, "detail IN ('line 3', 'last')", "number > 3")

    (fault,) = [fault for fault in ledger.verify(bank).faults if "older" in fault]
    assert "it ends with checkpoint 3 of " in fault
    assert ledger.checkpoint(bank) is None


def test_a_checkpoint_that_is_taken_out_of_the_middle_is_missed_by_the_objects_too(bank: Bank) -> None:
    forge(bank, "false", "number = 1")

    assert "checkpoint 1 is missing: it is kept among the objects" in ledger.verify(bank).faults


def test_there_is_nothing_to_sign_in_a_bank_that_has_just_been_made(tmp_path: Path) -> None:
    with open_test_bank(tmp_path / "new") as new:
        assert ledger.checkpoint(new) is None
        assert list(new.blobs.kept_checkpoints()) == []


def test_a_checkpoint_that_is_exchanged_is_found_out(bank: Bank) -> None:
    with closing(database(bank)) as db:
        db.execute("DROP TRIGGER checkpoint_no_update")
        db.execute("UPDATE checkpoint SET at = at + 1 WHERE number = 5")

    assert "checkpoint 5 is not the one that is kept among the objects" in ledger.verify(bank).faults
    assert ledger.checkpoint(bank) is None


def test_a_line_that_is_written_anew_and_signed_again_contradicts_the_checkpoint_before(bank: Bank) -> None:
    with closing(database(bank)) as db:
        db.execute("DROP TRIGGER event_no_update")
        names = ",".join(map(repr_of, FIELDS))
        number, link, *values = db.execute(f"SELECT id, link, {names} FROM event ORDER BY id DESC LIMIT 1").fetchone()
        before = db.execute("SELECT link FROM event WHERE id < ? ORDER BY id DESC LIMIT 1", (number,)).fetchone()[0]
        line = replace(Line(*values), detail="never happened")
        link = link_of(before, line)
        db.execute("UPDATE event SET detail = ?, link = ? WHERE id = ?", (line.detail, link, number))
        db.execute("UPDATE lane SET link = ?, known = 0", (link,))
    made = ledger.checkpoint(bank)

    assert made is not None
    assert any("checkpoint 6 knows lane" in fault for fault in ledger.verify(bank).faults)
    assert any("is not the one that checkpoint 5 was made for" in fault for fault in ledger.verify(bank).faults)


def test_lines_that_no_checkpoint_knows_after_a_while_are_a_fault(bank: Bank) -> None:
    record(bank, "just now")
    assert ledger.verify(bank).is_whole
    record(bank, "of old", at=bank.now() - timedelta(minutes=20))

    assert ledger.verify(bank).faults == (
        "lines that no checkpoint knows: 1; no worker has run since, or somebody took its checkpoints away",
    )


def test_checkpoints_that_nobody_keeps_among_the_objects_are_a_fault(bank: Bank) -> None:
    later = bank.now() + timedelta(hours=3)
    record(bank, "later")
    away = replace(bank, now=lambda: later)
    bank.signer.kept = replace(bank.index.checkpoints()[-1], at=int(later.timestamp() * 1_000_000))
    ledger.checkpoint(away)

    assert any(
        fault.startswith("no checkpoint is kept among the objects since") for fault in ledger.verify(away).faults
    )
    bank.signer.kept = None
    record(bank, "later still")
    ledger.checkpoint(away)
    assert ledger.verify(away).is_whole


def test_the_newest_checkpoint_is_kept_every_hour(bank: Bank) -> None:
    def kept() -> int:
        return len([one for one in bank.blobs.kept_checkpoints() if one.note])

    assert kept() == 2, "the first of all, and the one that was asked for"
    signed(bank, "within the hour")
    assert kept() == 2
    later = bank.now() + timedelta(hours=1)
    signed(replace(bank, now=lambda: later), "after it")
    assert kept() == 3


def test_what_another_process_has_signed_meanwhile_is_followed(bank: Bank) -> None:
    seen = bank.signer.seen
    signed(bank, "by another")
    bank.signer.seen = seen

    assert signed(bank, "by us").number == 7
    assert ledger.verify(bank).is_whole


def test_what_follows_nothing_is_not_signed_on(bank: Bank) -> None:
    bank.signer.seen = bank.index.checkpoints()[1]
    forge(bank, "false", "number = 4")
    record(bank, "more")

    assert ledger.checkpoint(bank) is None
    assert any("checkpoint 5 stands where 4 should" in fault for fault in ledger.verify(bank).faults)


def test_the_end_is_signed_and_kept_when_a_server_stops(bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    with ledger.closed(bank):
        record(bank, "stopped")
    newest = bank.index.checkpoints()[-1]

    assert bank.signer.kept == newest
    assert newest.number == 6

    def full(*_: object) -> None:
        raise Unavailable("no room")

    broken = replace(bank, blobs=type("Full", (), {"keep_checkpoint": full})())
    record(bank, "stopped again")
    with caplog.at_level(logging.WARNING), ledger.closed(broken):
        pass
    assert "the end of the ledger could not be signed: no room" in caplog.text


def test_what_the_parts_of_a_server_have_written_last_is_signed_when_all_have_stopped(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def stop(data: Path) -> None:
        supervisor = Supervisor(load(environ={}, data=data), threading.Event())
        supervisor._children["web"] = subprocess.Popen(["true"])
        supervisor.stop()

    with open_test_bank(tmp_path) as first:
        record(first, "stopped")
    stop(first.settings.data)
    with open_test_bank(tmp_path) as opened:
        assert [json.loads(one.note or b"")["number"] for one in opened.blobs.kept_checkpoints()] == [1]
        assert ledger.checkpoint(opened) is None, "nothing is left to be signed"
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING):
        stop(tmp_path / "file")
    assert "the end of the ledger could not be signed" in caplog.text


def test_where_none_of_the_kept_can_be_read_nothing_is_signed(bank: Bank) -> None:
    for path in bank.settings.data.glob("objects/??/*.seg"):
        data = bytearray(path.read_bytes())
        if path.stem[12] == "5":
            # The sealed note of each record begins behind its prefix.
            for offset in range(4096, len(data), 4096):
                data[offset + 165] ^= 1
            path.write_bytes(data)
    proof = ledger.verify(bank)

    assert "no checkpoint among the objects can be read" in proof.faults
    assert proof.notices[0].startswith("2 checkpoints among the objects cannot be read")
    record(bank, "more")
    assert ledger.checkpoint(started_again(bank)) is None


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Bank]:
    """A bank with a copy of its database from before its last two checkpoints, put back while it was closed."""
    with open_test_bank(tmp_path) as first:
        for number in range(1, 6):
            signed(first, f"line {number}")
        ledger.checkpoint(first, keeps=True)
        path = first.settings.data / "index.db"
        with closing(database(first)) as db, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
            db.backup(copy)
        signed(first, "lost")
        record(first, "lost, too")
        ledger.checkpoint(first, keeps=True)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy, closing(sqlite3.connect(path)) as db:
        copy.backup(db)
    with open_test_bank(tmp_path) as opened:
        yield opened


def test_an_older_copy_of_the_database_is_told_from_an_alteration(restored: Bank) -> None:
    (fault,) = ledger.verify(restored).faults

    assert fault.startswith("the database is older than checkpoint 7, which was signed on 20")
    assert ledger.checkpoint(restored) is None


def test_an_operator_signs_that_an_older_copy_was_put_back(restored: Bank) -> None:
    made = ledger.resume(restored, " disk failed,  copy of\nMarch ", ADMIN, "127.0.0.1")
    proof = ledger.verify(restored)
    (line,) = [each for each in restored.index.events(Scope(None)) if each.detail.startswith("ledger resumed")]

    assert made.number == 8
    assert proof.faults == ()
    assert proof.notices[0].startswith("checkpoints 6 to 7 are lost with their lines")
    assert (line.principal, line.address) == ("ada", "127.0.0.1")
    assert line.detail == "ledger resumed behind checkpoint 5, without those up to 7: disk failed, copy of March"
    assert signed(restored, "goes on").number == 9
    assert ledger.verify(started_again(restored)).is_whole
    to = io.BytesIO()
    ledger.export(restored, to)
    outside = ledger.verify_export(io.BytesIO(to.getvalue()))
    assert (outside.faults, outside.notices) == ((), proof.notices)


def test_a_bank_that_has_lost_its_database_goes_on_with_a_new_ledger(tmp_path: Path) -> None:
    with open_test_bank(tmp_path) as first:
        signed(first, "lost")
        record(first, "lost, too")
        ledger.checkpoint(first, keeps=True)
    for path in first.settings.data.glob("index.db*"):
        path.unlink()
    with open_test_bank(tmp_path) as again:
        record(again, "new")
        refused = ledger.checkpoint(again)
        told = ledger.verify(again)
        made = ledger.resume(again, "the disk of the database is lost", ADMIN)
        proof = ledger.verify(again)

    assert refused is None
    assert told.faults[0].endswith("and is kept among the objects: it has none")
    assert (made.number, proof.faults, len(proof.notices)) == (3, (), 1)
    assert proof.notices[0].startswith("checkpoints 1 to 2 are lost")


def test_nothing_is_resumed_without_need_reason_or_right(bank: Bank) -> None:
    with pytest.raises(Conflict, match="not older"):
        ledger.resume(bank, "why not", ADMIN)
    with pytest.raises(Invalid):
        ledger.resume(bank, "  ", ADMIN)
    with pytest.raises(NotAllowed):
        ledger.resume(bank, "why not", replace(ADMIN, rights=frozenset()))


def test_a_database_that_contradicts_what_is_kept_is_no_older_copy(restored: Bank) -> None:
    with closing(database(restored)) as db:
        db.execute("DROP TRIGGER checkpoint_no_update")
        db.execute("UPDATE checkpoint SET at = at + 1 WHERE number = 5")

    with pytest.raises(Conflict, match="checkpoint 5 is not the one"):
        ledger.resume(restored, "a copy", ADMIN)


def test_the_commands_tell_of_an_older_copy_and_go_on_from_it(restored: Bank) -> None:
    data = restored.settings.data
    before = imagebank("audit", "verify", "--data", data)
    resumed = imagebank("audit", "resume", "--reason", "copy of March", "--data", data)
    after = imagebank("audit", "verify", "--data", data, "--json")

    assert before.status == 1
    assert "imagebank audit resume" in before.out
    assert (resumed.status, resumed.out) == (0, "the ledger goes on with checkpoint 8\n")
    assert (after.status, len(json.loads(after.out)["notices"])) == (0, 1)


def test_an_export_of_before_is_verified_as_it_was(bank: Bank) -> None:
    to = io.BytesIO()
    ledger.export(bank, to)
    head, *rest = to.getvalue().splitlines(keepends=True)
    older = [head.replace(b"ledger 2", b"ledger 1"), *(part for part in rest if not part.startswith(b'{"kept"'))]

    assert ledger.verify_export(io.BytesIO(b"".join(older))).is_whole


def test_an_export_without_any_checkpoint_proves_nothing(bank: Bank) -> None:
    to = io.BytesIO()
    ledger.export(bank, to)
    lines = [part for part in to.getvalue().splitlines(keepends=True) if b'"checkpoint"' not in part[:14]]

    assert ledger.verify_export(io.BytesIO(b"".join(lines))).faults != ()
