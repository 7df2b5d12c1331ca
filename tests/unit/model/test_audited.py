"""What a line of the ledger is in the words of the audit standards."""

from dataclasses import replace

import pytest

from imagebank.model.access import Device
from imagebank.model.audited import MINOR_FAILURE, SUCCESS, Entry, Recipient, kind_of, moved_to, recipient_of
from imagebank.model.event import Act
from imagebank.model.ledger import Line

LINE = Line("a1b2", 7, 1_767_225_600_000_001, Act.VIEWED, "Dr Varga", "north", "10.0.0.5", "1.2.3", 4, "rendered: more")


@pytest.mark.parametrize(
    ("act", "detail", "event", "type_", "action"),
    [
        (Act.DEPOSITED, "dimse: stored", "110104", [], "C"),
        (Act.DEPOSITED, "import: duplicate", "110107", [], "C"),
        (Act.VIEWED, "rendered", "110103", [], "R"),
        (Act.VIEWED, "portal: more", "110103", [], "R"),
        (Act.VIEWED, "C-MOVE: more", "110104", [], "R"),
        (Act.VIEWED, "WADO-RS", "110104", [], "R"),
        (Act.VIEWED, "export as zip: more", "110106", [], "R"),
        (Act.SENT, "export", "110106", [], "R"),
        (Act.SENT, "C-STORE", "110104", [], "R"),
        (Act.SENT, "C-MOVE to WS 1 at 10.0.0.9 of south", "110104", [], "R"),
        (Act.REMOVED, "", "110105", [], "D"),
        (Act.REMOVED, "quarantine 7", "110103", [], "D"),
        (Act.SIGNED_IN, "", "110114", ["110122"], "E"),
        (Act.NOT_SIGNED_IN, "password", "110114", ["110122"], "E"),
        (Act.SIGNED_OUT, "", "110114", ["110123"], "E"),
        (Act.CHANGED, "token issued for role admin", "110113", ["110137"], "U"),
        (Act.CHANGED, "device added", "110113", ["110128"], "U"),
        (Act.CHANGED, "HL7 system registered", "110113", ["110128"], "U"),
        (Act.CHANGED, "rules: version 3", "110113", ["110129"], "U"),
        (Act.NOTIFIED, "rule “Slides”: they came", "110103", [], "R"),
        (Act.CHANGED, "order scheduled", "110111", [], "U"),
        (Act.UNBOUNDED, "export the ledger", "110101", [], "R"),
        (Act.UNBOUNDED, "explain access", "110113", ["110132"], "E"),
        (Act.CORRECTED, "correction 1", "110103", [], "U"),
        (Act.DECIDED, "consent 1: deny", "110113", ["110135"], "U"),
        (Act.EMERGENCY, "emergency 1", "110113", ["110127"], "E"),
        (Act.EMERGENCY_ENDED, "emergency 1", "110113", ["110138"], "E"),
        (Act.REVIEWED, "emergency 1", "110101", [], "R"),
        (Act.ENROLLED, "account opened", "110113", ["110137"], "U"),
        (Act.REQUESTED, "request 1: sent to north", "110111", [], "U"),
        (Act.CARD, "card 1: frozen", "110113", ["110135"], "U"),
        (Act.REDEEMED, "card 1", "110114", ["110122"], "E"),
        (Act.NOT_REDEEMED, "card", "110114", ["110122"], "E"),
        (Act.REFUSED, "C-FIND", "110113", ["110132"], "E"),
        (Act.STARTED, "web", "110100", ["110120"], "E"),
        (Act.STOPPED, "web", "110100", ["110121"], "E"),
        (Act.SEARCHED, "QIDO-RS: study by PatientID", "110112", [], "E"),
        ("something new", "", "110113", ["110132"], "E"),
    ],
)
def test_each_act_has_its_event(act: str, detail: str, event: str, type_: list[str], action: str) -> None:
    kind = kind_of(replace(LINE, act=act, detail=detail))

    assert (kind.event.value, kind.action) == (event, action)
    assert ([] if kind.type is None else [kind.type.value]) == type_


@pytest.mark.parametrize(
    ("act", "detail", "outcome"),
    [
        (Act.DEPOSITED, "stow: stored", SUCCESS),
        (Act.DEPOSITED, "stow: duplicate", SUCCESS),
        (Act.DEPOSITED, "stow: quarantined", MINOR_FAILURE),
        (Act.REFUSED, "C-FIND", MINOR_FAILURE),
        (Act.NOT_SIGNED_IN, "password", MINOR_FAILURE),
        (Act.VIEWED, "portal", SUCCESS),
    ],
)
def test_what_was_not_done_is_a_failure(act: str, detail: str, outcome: str) -> None:
    assert kind_of(replace(LINE, act=act, detail=detail)).outcome == outcome


def test_an_entry_says_where_its_line_stands_when_and_how_it_happened() -> None:
    entry = Entry(LINE)

    assert (entry.name, entry.way, entry.at.isoformat()) == ("a1b2-7", "rendered", "2026-01-01T00:00:00.000001+00:00")
    assert entry.kind == kind_of(LINE)


@pytest.mark.parametrize(
    ("title", "host", "organization"),
    [
        ("WS1", "10.0.0.9", "south"),
        ("READ AT HOME", "ws.example.org", ""),
        ("A at B", "fd00::1", "Clinic of the South"),
        ("SIXTEEN LETTERS!", "ws", "two\nlines"),
    ],
)
def test_a_line_says_to_which_device_objects_went(title: str, host: str, organization: str) -> None:
    detail = moved_to(Device(title, host, 104, False, frozenset(), organization))
    line = replace(LINE, act=Act.SENT, detail=detail)

    assert recipient_of(line) == Entry(line).recipient == Recipient(title, host, organization)
    assert Entry(replace(line, principal=title)).recipient is None
    assert recipient_of(replace(line, act=Act.VIEWED)) is None
    assert recipient_of(replace(line, detail="export")) is None
