"""What becomes of a card, by the gravest of what holds."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from imagebank.model.card import Card, Opens, State, opens
from imagebank.model.person import PatientId

NOW = datetime(2026, 11, 29, tzinfo=UTC)
CARD = Card("c0ffee", b"", "", PatientId("north", "ADA"), "north", "ada", NOW, NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({}, State.WORKS),
        ({"uses_left": 1}, State.WORKS),
        ({"frozen_at": NOW}, State.FROZEN),
        ({"frozen_at": NOW, "uses_left": 0}, State.USED_UP),
        ({"uses_left": 0, "ends_at": NOW}, State.ENDED),
        ({"ends_at": NOW, "tries_left": 0}, State.SWALLOWED),
        ({"tries_left": 0, "revoked_at": NOW}, State.TAKEN_BACK),
    ],
)
def test_the_state_of_a_card(given: dict[str, Any], state: State) -> None:
    assert replace(CARD, **given).state(NOW) is state


def test_a_card_without_provisions_opens_nothing() -> None:
    assert opens([]) == Opens()
