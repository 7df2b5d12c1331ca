"""Numbers of patients' accounts, and the one-time secrets of the sheets that open them, as people read and type them."""

import secrets
from typing import Final

from imagebank.errors import Invalid

_DIGITS: Final = 10
_LENGTH: Final = _DIGITS + 2
_GROUP: Final = 4
SYMBOLS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: without I, L, O and U."""
_SECRET_LENGTH: Final = 16
_READ_AS: Final = str.maketrans("ILO", "110")


def new() -> str:
    """A number that nobody can foretell, of ten digits and two check digits (ISO/IEC 7064 MOD 97-10)."""
    digits = f"{secrets.randbelow(10**_DIGITS):0{_DIGITS}}"
    return f"{digits}{98 - int(digits) * 100 % 97:02}"


def read(text: str) -> str:
    """The number that somebody typed, with whatever spaces and dashes. Raises Invalid for one that was mistyped."""
    digits = "".join(text.replace("-", " ").split())
    # Every wrong digit and every two that change places leave another remainder.
    if len(digits) != _LENGTH or not digits.isascii() or not digits.isdigit() or int(digits) % 97 != 1:
        raise Invalid("a digit of the account number is wrong, or two are swapped; no try was used")
    return digits


def name_of(text: str) -> str:
    """What somebody typed to sign in: the number without spaces and dashes where it is one, else as it is."""
    try:
        return read(text)
    except Invalid:
        return text


def new_secret() -> str:
    """A secret of 80 random bits."""
    return "".join(secrets.choice(SYMBOLS) for _ in range(_SECRET_LENGTH))


def read_secret(text: str) -> str:
    """A secret that somebody typed, as it was made; whatever it is, it is only ever compared."""
    return "".join(text.replace("-", " ").split()).upper().translate(_READ_AS)


def shown(text: str) -> str:
    """A number or secret in groups of four."""
    return " ".join(text[at : at + _GROUP] for at in range(0, len(text), _GROUP))
