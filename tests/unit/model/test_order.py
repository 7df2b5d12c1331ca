"""Orders, and what two words about one come to."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest

from imagebank.model.message import Peer
from imagebank.model.order import Code, Order, Ordered, Patient, State, joined
from imagebank.model.person import PatientId
from imagebank.model.report import Part

START = datetime(2026, 3, 1, tzinfo=UTC)
NEW = Order("north", Patient(PatientId("north", "P1"), "Doe^Jane"), START, State.SCHEDULED, "PL", "F", modality="CT",
            ordered=Ordered(Code("A", "a", "L"), reason="fall"))  # fmt: skip
CHANGED = replace(NEW, event_at=START + timedelta(hours=1), state=None, modality="MR", ordered=Ordered(priority="STAT"))
CANCELLED = replace(NEW, event_at=START + timedelta(hours=2), state=State.CANCELLED, modality="", ordered=Ordered())


@pytest.mark.parametrize("order", list(permutations((NEW, CHANGED, CANCELLED))))
def test_in_whichever_order_they_come_three_words_come_to_the_same(order: tuple[Order, Order, Order]) -> None:
    first, second, third = order
    result = joined(joined(first, second), third)

    assert result == replace(
        CANCELLED,
        # What is older than what is held fills gaps only.
        modality="CT" if third is CHANGED else "MR",
        ordered=Ordered(Code("A", "a", "L"), reason="fall", priority="STAT"),
        state_at=CANCELLED.event_at,
    )


def test_a_state_counts_from_when_it_was_decided() -> None:
    late_change = replace(CHANGED, event_at=START + timedelta(hours=3))
    result = joined(joined(late_change, NEW), CANCELLED)

    assert (result.state, result.modality, result.event_at) == (State.CANCELLED, "MR", late_change.event_at)


def test_words_without_a_state_leave_it_open() -> None:
    assert joined(CHANGED, replace(CHANGED, filler="")).state is None


def test_an_order_is_called_by_whoever_does_it_and_an_end_is_an_end() -> None:
    assert (NEW.number, replace(NEW, filler="").number) == ("F", "PL")
    assert [state for state in State if state.is_over] == [State.DONE, State.STOPPED, State.CANCELLED]


def test_systems_and_parts_have_words() -> None:
    assert [Peer("RIS", facility, "", "").name for facility in ("N", "")] == ["RIS|N", "RIS"]
    assert [Part("text/plain", "ő".encode()).text, Part("application/pdf", b"%PDF").text] == ["ő", ""]
