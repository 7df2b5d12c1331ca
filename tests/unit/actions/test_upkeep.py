"""Verify, sweep, reindex and quarantine: what they may never do."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pydicom.uid import generate_uid

from bank import SOURCE, keep, open_test_bank
from imagebank.actions import ingest, quarantine, reindex, scrub
from imagebank.bank import Bank
from imagebank.errors import Conflict, Unavailable
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.event import Act
from imagebank.model.imaging import Instance, Location, Outcome, Selection
from make import a_file

ALL = Scope(organizations=None)
KEEPER = Principal("keeper", Role.ADMIN, "local", RIGHTS[Role.ADMIN], ALL)


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def later(bank: Bank) -> Bank:
    """The same bank two hours on, when no orphan is young any more."""
    return replace(bank, now=lambda: bank.now() + timedelta(hours=2))


def held(bank: Bank) -> list[Instance]:
    return bank.index.instances(Selection(), ALL)


def damage(bank: Bank, location: Location) -> None:
    """Flip a byte of a record's content on the disk."""
    file = next(bank.settings.data.glob(f"objects/*/{location.segment}.seg"))
    data = bytearray(file.read_bytes())
    data[location.offset + 200] ^= 1
    file.write_bytes(data)


def test_nothing_is_swept_while_the_index_is_lost(tmp_path: Path) -> None:
    file = a_file()
    with open_test_bank(tmp_path) as bank:
        keep(bank, file)
    for part in (tmp_path / "bank").glob("index.db*"):
        part.unlink()
    with open_test_bank(tmp_path) as bank:
        findings = scrub.verify(later(bank))
        with pytest.raises(Conflict):
            scrub.verify(later(bank), sweep=True)
        reindex.reindex(bank)
        after = scrub.verify(later(bank), sweep=True)
        (instance,) = held(bank)

        assert not findings.is_clean
        assert after.is_clean
        assert bank.blobs.read(instance.location) == file


@pytest.mark.parametrize("is_sealed", [True, False])
def test_what_a_reindex_cannot_read_is_named_and_never_swept(tmp_path: Path, is_sealed: bool) -> None:
    with open_test_bank(tmp_path) as bank:
        keep(bank, a_file(), a_file())
        broken, _ = held(bank)
        if not is_sealed:
            damage(bank, broken.location)
            rebuilt = reindex.reindex(bank)
    with open_test_bank(tmp_path) as bank:
        if is_sealed:
            damage(bank, broken.location)
            rebuilt = reindex.reindex(bank)
        scrub.verify(later(bank), sweep=True)

        assert (rebuilt.objects, len(rebuilt.unreadable), len(held(bank))) == (1, 1, 1)
        assert [one.location for one in bank.index.quarantined(ALL)] == ([broken.location] if is_sealed else [])
        assert bank.blobs.note(broken.location)


def test_looking_into_quarantine_and_deleting_from_it_stand_in_the_ledger(bank: Bank) -> None:
    uid = generate_uid()
    keep(bank, a_file(SOPInstanceUID=uid), a_file(SOPInstanceUID=uid, Rows=8, PatientID="other"))
    (aside,) = bank.index.quarantined(ALL)
    b"".join(quarantine.content(bank, aside.id, KEEPER))
    quarantine.let_go(bank, aside.id, KEEPER)
    acts = [event.act for event in bank.index.events(ALL) if event.detail == f"quarantine {aside.id}"]

    assert acts == [Act.REMOVED, Act.VIEWED]
    assert scrub.verify(bank).is_clean
    assert not bank.index.quarantined(ALL)


def test_a_copy_that_came_without_a_file_header_is_laid_aside_once(bank: Bank) -> None:
    uid = generate_uid()
    keep(bank, a_file(SOPInstanceUID=uid))
    other = a_file(SOPInstanceUID=uid, PatientID="other")
    arrival = ingest.Arrival(io.BytesIO(other), len(other), has_own_header=False)
    ingest.receive(bank, [arrival], SOURCE)
    (aside,) = bank.index.quarantined(ALL)
    receipt = quarantine.submit_again(bank, aside.id, KEEPER)

    assert receipt.outcome is Outcome.QUARANTINED
    assert [one.id for one in bank.index.quarantined(ALL)] == [aside.id]


@pytest.mark.parametrize("part", ["records", "note", "from_store"])
def test_a_store_that_does_not_answer_is_no_loss(bank: Bank, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    keep(bank, *(a_file() for _ in range(3)))

    def is_away(*_: object) -> None:
        raise Unavailable("the store does not answer")

    with monkeypatch.context() as away:
        away.setattr(type(bank.blobs), part, is_away)
        with pytest.raises(Unavailable):
            scrub.verify(bank)
        with pytest.raises(Unavailable):
            scrub.verify(later(bank), sweep=True)

    assert scrub.verify(bank).is_clean
    assert scrub.verify(bank).checked == 3
