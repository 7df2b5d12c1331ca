"""Numbers of accounts: what was mistyped is told before anything is tried."""

from itertools import combinations

import pytest

from imagebank.errors import Invalid
from imagebank.model import account_number


def test_a_number_reads_as_it_was_made_however_it_was_typed() -> None:
    number = account_number.new()

    assert len(number) == 12
    assert account_number.read(number) == number
    assert account_number.read(f" {account_number.shown(number)} ") == number
    assert account_number.read(account_number.shown(number).replace(" ", "-")) == number


def test_every_wrong_digit_and_every_swap_is_told() -> None:
    number = account_number.new()
    wrong = {number[:at] + digit + number[at + 1 :] for at in range(12) for digit in "0123456789"}
    for one, other in combinations(range(12), 2):
        digits = list(number)
        digits[one], digits[other] = digits[other], digits[one]
        wrong.add("".join(digits))

    for each in wrong - {number}:
        with pytest.raises(Invalid):
            account_number.read(each)


@pytest.mark.parametrize("text", ["", "12", "x" * 12, "1" * 13, "٣" * 12])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        account_number.read(text)


def test_a_secret_reads_as_it_was_made_with_letters_that_look_like_digits() -> None:
    secret = account_number.new_secret()

    assert len(secret) == 16
    assert account_number.read_secret(account_number.shown(secret).lower()) == secret
    assert account_number.read_secret("oil0") == "0110"
    assert account_number.shown("ABCD1234") == "ABCD 1234"


def test_who_signs_in_may_type_the_number_as_it_is_printed() -> None:
    number = account_number.new()

    assert account_number.name_of(f" {account_number.shown(number)} ") == number
    assert account_number.name_of("ada varga") == "ada varga"
