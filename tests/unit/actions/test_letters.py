"""Who may send messages, and how they are kept."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bank import open_test_bank
from imagebank.actions import letters, scrub
from imagebank.bank import Bank
from imagebank.errors import Invalid, NotAllowed, NotFound
from imagebank.model.access import RIGHTS, Principal, Role, Scope
from imagebank.model.certificate import fingerprint
from imagebank.model.imaging import Digest, Location
from imagebank.model.message import Fate, Letter, Peer, Told
from imagebank.model.person import PatientId

HERE, THERE = "127.0.0.1", "10.1.2.3"
RIS, HIS = Peer("RIS", "NORTH", THERE, "north"), Peer("HIS", "", "his.example", "south", fingerprint(b"cert"))
ADMIN = Principal("root", Role.ADMIN, "local", RIGHTS[Role.ADMIN], Scope(None))


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[Bank]:
    with open_test_bank(tmp_path) as opened:
        yield opened


def resolve(host: str) -> frozenset[str]:
    return {"his.example": frozenset({"10.9.9.9"}), "me": frozenset({"127.0.1.1"})}.get(host, frozenset())


def names(peers: list[Peer]) -> list[str]:
    return [one.name for one in peers]


def test_a_system_is_registered_replaced_and_removed_and_the_ledger_knows(bank: Bank) -> None:
    outcomes = [letters.add_peer(bank, one) for one in (RIS, RIS, replace(RIS, facility=""))]
    letters.remove_peer(bank, "RIS", "NORTH")
    with pytest.raises(NotFound):
        letters.remove_peer(bank, "RIS", "NORTH")

    told = [(one.principal, one.detail) for one in reversed(bank.index.events(Scope(None))) if "HL7" in one.detail]
    assert outcomes == [False, True, False]
    assert names(bank.index.orders.peers()) == ["RIS"]
    assert told == [("RIS|NORTH", "HL7 system registered")] * 2 + [
        ("RIS", "HL7 system registered"), ("RIS|NORTH", "HL7 system removed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "odd",
    [{"application": " "}, {"application": "x" * 228}, {"facility": "a|b"}, {"application": "a\nb"}, {"host": " "}],
)
def test_what_cannot_be_a_system_is_refused(bank: Bank, odd: dict[str, str]) -> None:
    with pytest.raises(Invalid):
        letters.add_peer(bank, replace(RIS, **odd))


def test_who_may_call_depends_on_where_from_and_on_the_certificate(bank: Bank) -> None:
    letters.add_peer(bank, RIS)
    letters.add_peer(bank, HIS)
    letters.add_peer(bank, Peer("LOCAL", "", "me", "local"))

    def callers(address: str, certificate: bytes | None = b"") -> list[str]:
        return names(letters.callers(bank, address, resolve, certificate))

    assert callers(THERE) == ["RIS|NORTH"]
    assert [callers("10.9.9.9", shown) for shown in (b"", b"other", b"cert", None)] == [[], [], ["HIS"], ["HIS"]]
    assert callers(HERE) == ["LOCAL", ""]
    assert callers("10.0.0.1") == []
    closed = replace(bank, settings=replace(bank.settings, open_loopback=False))
    assert names(letters.callers(closed, HERE, resolve)) == ["LOCAL"]


def test_a_message_is_of_whom_it_names_or_of_nobody(bank: Bank) -> None:
    letters.add_peer(bank, RIS)
    letters.add_peer(bank, replace(HIS, certificate=""))
    stranger = Peer("", "", HERE, "local")

    def named(peers: list[Peer], application: str, facility: str) -> Peer | None:
        return letters.named(bank, peers, application, facility)

    assert named([RIS], "RIS", "NORTH") == RIS
    assert named([RIS], "RIS", "SOUTH") is None
    assert named([HIS], "HIS", "ANY") == HIS
    assert named([stranger], "RIS", "NORTH") is None
    assert named([stranger], "HIS", "ANY") is None
    assert named([stranger], "NEW", "") == Peer("NEW", "", HERE, "local")
    assert named([stranger], "", "") == stranger
    assert named([], "NEW", "") is None


def a_letter(digest: Digest) -> Letter:
    return Letter(
        "RIS", "C1", "ADT^A01", "local", HERE, digest, datetime(2026, 3, 1, tzinfo=UTC), Location("", 0, 0, 0)
    )


def test_a_message_is_kept_once_and_sealed_and_what_became_of_it_is_noted(bank: Bank) -> None:
    raw, owner = b"MSH|Lovelace", PatientId("local", "P1")
    kept = [letters.keep(bank, raw, a_letter, owner) for _ in range(2)]
    other = letters.keep(bank, b"MSH|", a_letter, PatientId("", ""))
    letters.tell(bank, other, Told(Fate.FAILED, 101, "no"))
    letters.tell(bank, kept[0], Told(Fate.DONE))

    assert [one.id for one in (*kept, other)] == [1, 1, 2]
    assert letters.content(bank, 1)[1] == raw
    assert [one.id for one in letters.listed(bank, failed_only=True, limit=9)] == [2]
    assert [one.id for one in letters.listed(bank, failed_only=False, limit=9)] == [2, 1]
    assert not any(b"Lovelace" in path.read_bytes() for path in bank.settings.data.rglob("*") if path.is_file())
    assert scrub.verify(bank, sweep=True).is_clean
    assert letters.content(bank, 1)[1] == raw


def test_a_look_at_a_message_is_for_administrators_and_in_the_ledger(bank: Bank) -> None:
    letters.keep(bank, b"MSH|", a_letter, PatientId("local", "P1"))
    shown = letters.shown(bank, 1, ADMIN)
    with pytest.raises(NotAllowed):
        letters.shown(bank, 1, replace(ADMIN, rights=frozenset()))
    with pytest.raises(NotFound):
        letters.shown(bank, 7, ADMIN)

    assert shown[1] == b"MSH|"
    assert "HL7 message 1" in [one.detail for one in bank.index.events(Scope(None))]
