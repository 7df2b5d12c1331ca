"""The ledger shows whoever alters it: a line changed, inserted, moved, taken away, or cut off at the end."""

import io
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bank import keep, open_test_bank
from imagebank.actions import ledger
from imagebank.actions.audit import unbounded
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.event import Act, Event
from imagebank.model.ledger import Line, link_of
from imagebank.storage.transaction import SQLTransaction
from make import a_file
from running import imagebank

Lines = list[dict[str, Any]]
Tamper = Callable[[Lines], None]


def record(bank: Bank, *details: str) -> None:
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.CHANGED, "somebody", "local", detail=detail) for detail in details])


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    """A bank with some lines in its ledger, two checkpoints, and lines that no checkpoint knows yet."""
    with open_test_bank(tmp_path) as opened:
        record(opened, "one", "two", "three")
        ledger.checkpoint(opened)
        record(opened, "four")
        record(opened, "five", "six")
        ledger.checkpoint(opened)
        record(opened, "seven")
        yield opened


def exported(bank: Bank) -> bytes:
    to = io.BytesIO()
    ledger.export(bank, to)
    return to.getvalue()


def tampered(export: bytes, tamper: Tamper) -> tuple[str, ...]:
    """The faults that are found in an export after somebody was at its lines."""
    parts = [json.loads(text) for text in export.splitlines()]
    heads, lines = [part for part in parts if "line" not in part], [part["line"] for part in parts if "line" in part]
    tamper(lines)
    texts = [*heads, *({"line": line} for line in lines)]
    return ledger.verify_export(io.BytesIO(b"".join(json.dumps(text).encode() + b"\n" for text in texts))).faults


def test_a_ledger_that_nobody_touched_is_whole(bank: Bank) -> None:
    proof = ledger.verify(bank)
    outside = ledger.verify_export(io.BytesIO(exported(bank)))

    assert (proof.is_whole, proof.faults, proof.checkpoints) == (True, (), 2)
    assert (outside.is_whole, outside.checkpoints) == (True, 3)
    assert outside.lines > proof.lines >= 7
    assert outside.key == proof.key == bank.signer.public().hex()


def relinked(change: Tamper) -> Tamper:
    """The same by somebody who knows how lines are linked, and makes the lane anew from there."""

    def tamper(lines: Lines) -> None:
        change(lines)
        before = ""
        for position, line in enumerate(lines, 1):
            line["position"] = position
            line["link"] = before = link_of(before, Line(**line))

    return tamper


def alter(lines: Lines) -> None:
    lines[1]["principal"] = "somebody else"


def insert(lines: Lines) -> None:
    lines.insert(2, lines[1] | {"detail": "never happened"})


def take_away(lines: Lines) -> None:
    del lines[2]


def swap(lines: Lines) -> None:
    lines[1], lines[2] = lines[2], lines[1]


def cut_off(lines: Lines) -> None:
    del lines[4:]


def empty(lines: Lines) -> None:
    lines.clear()


@pytest.mark.parametrize("change", [alter, insert, take_away, swap, cut_off, empty])
@pytest.mark.parametrize("by", [lambda change: change, relinked], ids=["clumsy", "relinked"])
def test_whatever_is_done_to_lines_is_found(bank: Bank, change: Tamper, by: Callable[[Tamper], Tamper]) -> None:
    assert tampered(exported(bank), by(change)) != ()


def test_one_alteration_is_one_fault(bank: Bank) -> None:
    (fault,) = tampered(exported(bank), alter)

    assert fault.startswith("line 2 of lane ")


@pytest.mark.parametrize("field", ["position", "at", "act", "organization", "address", "study", "count", "detail"])
def test_no_field_of_a_line_can_be_altered(bank: Bank, field: str) -> None:
    def tamper(lines: Lines) -> None:
        value = lines[3][field]
        lines[3][field] = value + 1 if isinstance(value, int) else value + "x"

    assert tampered(exported(bank), tamper) != ()


def heads_tampered(export: bytes, tamper: Tamper) -> tuple[str, ...]:
    parts = [json.loads(text) for text in export.splitlines()]
    first, rest = parts[0], parts[1:]
    checkpoints = [part["checkpoint"] for part in rest if "checkpoint" in part]
    tamper(checkpoints)
    texts = [first, *({"checkpoint": each} for each in checkpoints), *(part for part in rest if "line" in part)]
    return ledger.verify_export(io.BytesIO(b"".join(json.dumps(text).encode() + b"\n" for text in texts))).faults


def test_checkpoints_cannot_be_altered_left_out_or_signed_by_somebody_else(bank: Bank) -> None:
    export = exported(bank)

    def move(checkpoints: Lines) -> None:
        checkpoints[0]["at"] += 1

    def leave_out(checkpoints: Lines) -> None:
        del checkpoints[1]

    assert heads_tampered(export, move) != ()
    assert heads_tampered(export, leave_out) != ()
    assert ledger.verify_export(io.BytesIO(export), key="00" * 32).faults != ()


def test_nothing_is_signed_where_nothing_was_written(bank: Bank) -> None:
    made = ledger.checkpoint(bank)

    assert made is not None
    assert ledger.checkpoint(bank) is None


def test_an_export_whose_checkpoints_stand_among_its_lines_is_refused(bank: Bank) -> None:
    first, *rest = exported(bank).splitlines(keepends=True)
    with pytest.raises(Invalid):
        ledger.verify_export(io.BytesIO(b"".join([first, *sorted(rest, key=lambda part: b"checkpoint" in part)])))


def test_what_is_no_export_is_refused() -> None:
    for text in (b"", b"{}", b'{"format":"other"}\n', b"\xff\n"):
        with pytest.raises(Invalid):
            ledger.verify_export(io.BytesIO(text))


def test_the_database_itself_refuses_to_change_or_delete_a_line(bank: Bank) -> None:
    with sqlite3.connect(bank.settings.data / "index.db") as database:
        for statement in ("UPDATE event SET detail = ''", "DELETE FROM event", "DELETE FROM checkpoint"):
            with pytest.raises(sqlite3.IntegrityError, match="only appended"):
                database.execute(statement)
    database.close()


def test_an_administrator_who_gets_round_that_is_found_out(bank: Bank) -> None:
    with sqlite3.connect(bank.settings.data / "index.db") as database:
        database.execute("DROP TRIGGER event_no_delete")
        database.execute("DELETE FROM event WHERE detail = 'two'")
    database.close()
    said = imagebank("audit", "verify", "--json", "--data", bank.settings.data)

    assert said.status == 1
    assert len(json.loads(said.out)["faults"]) == 1


def test_the_commands_verify_a_bank_and_an_export_of_it(bank: Bank, tmp_path: Path) -> None:
    data, file = bank.settings.data, tmp_path / "ledger.jsonl"
    whole = imagebank("audit", "verify", "--data", data)
    written = imagebank("audit", "export", file, "--data", data)
    outside = imagebank("audit", "verify", file)
    file.write_bytes(file.read_bytes().replace(b"somebody", b"nobody", 1))
    altered = imagebank("audit", "verify", file)

    assert (whole.status, written.status, outside.status, altered.status) == (0, 0, 0, 1)
    assert "0 faults" in outside.out
    assert imagebank("audit", "export", file, "--data", data).status == 1, "a file that is there is left alone"


def fail_to_record(bank: Bank) -> None:
    with bank.index.begin() as tx:
        tx.record([Event(bank.now(), Act.CHANGED, "nobody", "local", detail="never")])
        raise ZeroDivisionError


def test_lines_of_many_threads_and_failed_transactions_hang_together(bank: Bank) -> None:
    def work(number: int) -> None:
        for count in range(20):
            record(bank, f"{number} {count}")
            with pytest.raises(ZeroDivisionError):
                fail_to_record(bank)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    keep(bank, a_file())
    details = [event.detail for event in bank.index.events(Scope(None), limit=1000)]

    assert ledger.verify(bank).faults == ()
    assert len(details) >= 100
    assert "never" not in details


def test_a_failed_commit_begins_a_new_lane_and_breaks_none(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = SQLTransaction.write_ledger

    def fail(transaction: SQLTransaction) -> None:
        whole(transaction)
        raise ZeroDivisionError

    with monkeypatch.context() as failing:
        failing.setattr(SQLTransaction, "write_ledger", fail)
        with pytest.raises(ZeroDivisionError):
            record(bank, "lost with its transaction")
    record(bank, "kept")
    lines = list(bank.index.ledger(unbounded(bank, Scope.everything("test"))))

    assert len({line.lane for line in lines}) == 2
    assert ledger.verify(bank).faults == ()
