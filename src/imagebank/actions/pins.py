"""PINs of cards: which ones are taken, and how they are kept."""

import re
import secrets
from collections.abc import Iterable
from typing import Final

from imagebank.actions import password
from imagebank.bank import Bank
from imagebank.errors import Invalid

LEAST: Final = 4
MOST: Final = 12
OURS: Final = 6
"""Digits of a PIN that the bank draws."""

_USE: Final = "PIN of a card"
_DIGITS: Final = re.compile(rf"[0-9]{{{LEAST},{MOST}}}")
_YEAR: Final = re.compile(r"(19|20)[0-9]{2}")
# Of four digits, those that most people take who take neither a row, nor a year, nor the same twice.
_COMMON: Final = frozenset(["1004", "1122", "1221", "1342", "2112", "2468", "2580", "0852", "5683", "1357", "8520"])
_RUNS: Final = ("0123456789012", "9876543210987")


def drawn(births: Iterable[str]) -> str:
    """A PIN of the bank's own, of six digits drawn at random from those that are taken."""
    known = list(births)
    while True:
        pin = "".join(secrets.choice("0123456789") for _ in range(OURS))
        if not _fault(pin, known):
            return pin


def checked(pin: str, births: Iterable[str]) -> str:
    """The owner's own PIN. Raises Invalid, with what is wrong, when it is one that a thief would try.

    `births` are dates of birth that are known of the person, YYYYMMDD.
    """
    if fault := _fault(pin, births):
        raise fault
    return pin


def read(pin: str) -> str:
    """A PIN as somebody typed it. Raises Invalid for what is none, which costs no try."""
    pin = "".join(pin.split())
    if not _DIGITS.fullmatch(pin):
        raise Invalid("a PIN has {least} to {most} digits; no try was used", least=LEAST, most=MOST)
    return pin


def kept(bank: Bank, pin: str) -> str:
    """What is kept of a PIN: Argon2id of a keyed hash, so that who has the database alone cannot even guess."""
    return password.kept(_keyed(bank, pin))


def matches(bank: Bank, expected: str, pin: str) -> bool:
    """Whether it is the PIN. With nothing expected it is not, which takes as long."""
    return password.matches(expected, _keyed(bank, pin))


def _keyed(bank: Bank, pin: str) -> str:
    return bank.seal.digest(_USE, pin.encode()).hex()


def _fault(pin: str, births: Iterable[str]) -> Invalid | None:
    if not _DIGITS.fullmatch(pin):
        return Invalid("a PIN has {least} to {most} digits", least=LEAST, most=MOST)
    if _repeats(pin) or any(pin in run for run in _RUNS) or pin in _COMMON:
        return Invalid("this PIN is among those that are tried first; take another")
    if len(pin) == LEAST and _YEAR.fullmatch(pin):
        return Invalid("a year is among what is tried first; take another PIN")
    if any(pin in _written(birth) for birth in births):
        return Invalid("a date of birth is easily found out; take another PIN")
    return None


def _repeats(pin: str) -> bool:
    """Whether it is one part again and again, such as 0000 or 121212."""
    return pin in (pin + pin)[1:-1]


def _written(birth: str) -> frozenset[str]:
    """A date in the ways that people write one, without what stands between."""
    year, month, day = birth[:4], birth[4:6], birth[6:8]
    years = (year, year[2:])
    orders = [(day, month), (month, day)]
    whole = {"".join(parts) for y in years for d, m in orders for parts in ((d, m, y), (y, d, m))}
    return frozenset({*whole, *("".join(one) for one in orders)})
