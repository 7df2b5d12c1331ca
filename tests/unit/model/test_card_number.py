"""Card numbers: what is told by their last symbol, and how they may be typed."""

import math
from itertools import combinations

import pytest

from imagebank.errors import Invalid
from imagebank.model import card_number
from imagebank.model.card_number import LENGTH, SYMBOLS

SOME = "7K2M9QXD4TRBH0V"


def is_number(text: str) -> bool:
    try:
        return card_number.read(text) == text
    except Invalid:
        return False


def test_numbers_have_sixteen_symbols_and_more_than_seventy_random_bits() -> None:
    made = {card_number.make() for _ in range(100)}

    assert len(made) == 100
    assert all(len(one) == LENGTH and is_number(one) for one in made)
    assert math.log2(len(SYMBOLS) ** (LENGTH - 1)) == card_number.ENTROPY_BITS == 75


def test_every_single_wrong_symbol_is_told() -> None:
    number = card_number.complete(SOME)
    wrong = [number[:at] + other + number[at + 1 :] for at in range(LENGTH) for other in SYMBOLS if other != number[at]]

    assert len(wrong) == 16 * 31
    assert not any(map(is_number, wrong))


def test_any_two_symbols_that_are_swapped_are_told_wherever_they_stand() -> None:
    # The sum is linear: whether a swap is told depends on the two symbols and places alone, and all are tried.
    told = 0
    for first, second in combinations(range(LENGTH - 1), 2):
        for one, other in combinations(SYMBOLS, 2):
            symbols = list("0" * (LENGTH - 1))
            symbols[first], symbols[second] = one, other
            number = list(card_number.complete("".join(symbols)))
            number[first], number[second] = number[second], number[first]
            told += card_number._sum("".join(number)) != 0

    assert told == math.comb(15, 2) * math.comb(32, 2)


def test_swaps_with_the_last_symbol_and_of_pairs_are_told() -> None:
    swapped = []
    for at in range(LENGTH - 1):
        for symbol in SYMBOLS:
            number = card_number.complete(SOME[:at] + symbol + SOME[at + 1 :])
            if number[at] != number[-1]:
                swapped.append(number[:at] + number[-1] + number[at + 1 : -1] + number[at])
    pairs = [card_number.complete(SOME[:at] + "AA" + SOME[at + 2 :]) for at in range(LENGTH - 2)]
    twins = [number.replace("AA", other * 2, 1) for number in pairs for other in SYMBOLS if other != "A"]

    assert len(swapped) > 400
    assert not any(map(is_number, swapped + twins))


@pytest.mark.parametrize("typed", ["{}", " {} ", "{}\n"])
def test_a_number_is_read_however_it_is_grouped(typed: str) -> None:
    number = card_number.complete(SOME)
    ways = [card_number.shown(number), number.lower(), "-".join(number), number.replace("0", "o"), ".".join(number)]

    assert {card_number.read(typed.format(way)) for way in ways} == {number}
    assert card_number.shown(number)[:9] == "7K2M 9QXD"


def test_letters_that_look_like_digits_are_these() -> None:
    number = card_number.complete("101010101010101")
    ways = [number.replace("1", one).replace("0", other) for one in "iIlL" for other in "oO"]

    assert {card_number.read(way) for way in ways} == {number}
    assert card_number.read("\uff11\uff10" * 7 + "\uff11" + number[-1]) == number, "in full width"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("", "16 letters and digits"),
        ("7K2M", "and this one 4"),
        (card_number.complete(SOME) + "7", "and this one 17"),
        (card_number.complete(SOME)[:-1] + "U", "no U"),
        ("\u00e9" * 16, "no U"),
        ("7K2M9QXD4TRBH0WV", "is wrong, or two are swapped"),
    ],
)
def test_what_is_no_number_is_refused_with_what_is_wrong(typed: str, words: str) -> None:
    with pytest.raises(Invalid, match=words):
        card_number.read(typed)
