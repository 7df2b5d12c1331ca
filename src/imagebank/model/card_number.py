"""Card numbers: 16 symbols, of which the last tells a number that was read or typed wrong.

The symbols are Crockford's base 32, taken as the elements of GF(32), the field of 2^5 elements (modulus x^5 + x^2 + 1).
A number is one where the sum of its symbols, each times a power of x of its own, is zero. All sixteen powers differ and
none is zero, so that one wrong symbol, any two that are swapped, beside each other or apart, and a pair that was
replaced by another (AA by BB) always give another sum. Of any other mistake one in 32 is not told.
"""

import re
import secrets
import unicodedata
from typing import Final

from imagebank.errors import Invalid

SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 16
ENTROPY_BITS: Final = 5 * (LENGTH - 1)
"""What is drawn at random: all symbols but the last."""

_GROUP: Final = 4
_MODULUS: Final = 0b100101
_VALUES: Final = {symbol: value for value, symbol in enumerate(SYMBOLS)}
_ALIKE: Final = str.maketrans("OIL", "011")
_BETWEEN: Final = re.compile(r"[\s._\-\u2010-\u2015\u2212]+")


def make() -> str:
    """A new number, drawn at random."""
    return complete("".join(secrets.choice(SYMBOLS) for _ in range(LENGTH - 1)))


def complete(symbols: str) -> str:
    """The number that begins with these 15 symbols."""
    return symbols + SYMBOLS[_times_x(_sum(symbols))]


def read(text: str) -> str:
    """A number as somebody typed it: small letters, spaces and dashes do not matter, and O is 0, I and L are 1.

    Raises Invalid, in words for who typed it.
    """
    number = _BETWEEN.sub("", unicodedata.normalize("NFKC", text)).upper().translate(_ALIKE)
    if len(number) != LENGTH:
        raise Invalid(
            "a card number has {length} letters and digits, and this one {number}; no try was used",
            length=LENGTH,
            number=len(number),
        )
    if not _VALUES.keys() >= set(number):
        raise Invalid("a card number has digits and letters, and no U; read it again; no try was used")
    if _sum(number):
        raise Invalid("a symbol of the card number is wrong, or two are swapped; read it again; no try was used")
    return number


def shown(number: str) -> str:
    """In groups of four, as it stands on a card."""
    return " ".join(number[at : at + _GROUP] for at in range(0, LENGTH, _GROUP))


def _sum(symbols: str) -> int:
    total = 0
    for symbol in symbols:
        total = _times_x(total) ^ _VALUES[symbol]
    return total


def _times_x(value: int) -> int:
    doubled = value << 1
    return doubled ^ _MODULUS if doubled >= len(SYMBOLS) else doubled
