"""PINs: which are taken."""

from collections.abc import Iterator

import pytest

from imagebank.actions import pins
from imagebank.errors import Invalid

BORN = ["19701130"]


@pytest.mark.parametrize(
    "pin",
    [
        *("0000", "1234", "4321", "9876", "7890", "121212", "123123", "2580", "1122", "123456", "1985", "2031"),
        *("3011", "1130", "301170", "113070", "701130", "19701130", "30111970", "11301970"),
        *("123", "1234567890123", "12a4", "١٢٣٤", "", "12 34"),
    ],
)
def test_what_a_thief_would_try_is_not_taken(pin: str) -> None:
    with pytest.raises(Invalid):
        pins.checked(pin, BORN)


@pytest.mark.parametrize("pin", ["7302", "905172", "198573", "402817395162", "0815"])
def test_others_are_taken(pin: str) -> None:
    assert pins.checked(pin, BORN) == pin


def test_the_banks_own_have_six_digits_and_none_of_those() -> None:
    drawn = {pins.drawn(BORN) for _ in range(200)}

    assert {len(pin) for pin in drawn} == {6}
    assert len(drawn) > 190


def test_it_draws_again_where_it_drew_such_a_one(monkeypatch: pytest.MonkeyPatch) -> None:
    digits: Iterator[str] = iter("301170" + "905172")
    monkeypatch.setattr("secrets.choice", lambda _: next(digits))

    assert pins.drawn(BORN) == "905172"


def test_a_pin_is_read_with_its_spaces_and_nothing_else_is() -> None:
    assert pins.read(" 905 172 ") == "905172"
    with pytest.raises(Invalid, match="no try was used"):
        pins.read("secret")
