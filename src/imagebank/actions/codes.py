"""One-time codes by mail: whoever types one back reads what comes to that address."""

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import Final

from imagebank.bank import Bank
from imagebank.errors import NotFound, TooOften, Unsupported
from imagebank.model.notice import SentCode, address_from
from imagebank.ports import Transaction

JOB: Final = "mail-code"
DIGITS: Final = 6
LASTS: Final = timedelta(minutes=10)
TRIES: Final = 5
"""Tries for one code; with the codes that are sent in an hour, a guess is right once in forty thousand hours."""
_HOUR: Final = timedelta(hours=1)
_SENT_OF_KEY: Final = 5
_SENT_TO: Final = 5
_SENT_FROM: Final = 30
"""Codes in an hour for one thing, to one address, and asked for from one place."""


def send(bank: Bank, key: str, address: str, language: str = "en", place: str = "") -> None:
    """Mail a code to an address, for what `key` names, such as `account 17ab`; an earlier one for it ends.

    `place` is from where it is asked for. Raises Invalid for what is no mail address, TooOften after many codes,
    Unsupported where the bank sends no mail.
    """
    to = address_from(address)
    if not bank.settings.smtp:
        raise Unsupported("this bank sends no mail; whoever runs it can set it up")
    _count(bank, key, to, place)
    code = f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"
    with bank.index.begin() as tx:
        _put(bank, tx, key, to, code, language)


def _put(bank: Bank, tx: Transaction, key: str, to: str, code: str, language: str) -> None:
    now = bank.now()
    # A hash of six digits alone is undone by trying them all: it is sealed under the bank's key.
    kept = bank.seal.seal(_digest(key, to, code))
    tx.notices.put_code(key, SentCode(to, kept, 0, now + LASTS))
    sealed = base64.b64encode(bank.seal.seal(code.encode())).decode()
    payload = {"key": key, "code": sealed, "language": language, "mail": secrets.token_hex(16)}
    tx.defer(JOB, payload, now, key=key)


def _count(bank: Bank, key: str, to: str, place: str) -> None:
    now = bank.now()
    limits = [(f"code for {key}", _SENT_OF_KEY), (f"code to {_hidden(to)}", _SENT_TO)]
    limits += [(f"code from {place}", _SENT_FROM)] if place else []
    with bank.index.begin() as tx:
        is_heard = all(tx.people.count_attempt(name, now, now + _HOUR, limit) for name, limit in limits)
    if not is_heard:
        raise TooOften("many codes were sent already; look into your mail, or wait an hour")


def _hidden(to: str) -> str:
    return hashlib.sha256(to.casefold().encode()).hexdigest()


def check(bank: Bank, key: str, typed: str) -> str:
    """The address whose owner typed the code back; it is spent with that.

    Raises NotFound alike for a wrong code, a late one, one too many tries, and where none was sent. Each try is
    counted before it is compared.
    """
    code = "".join(typed.split())
    with bank.index.begin() as tx:
        found = tx.notices.try_code(key, bank.now(), TRIES)
        is_right = found is not None and _is_right(bank, key, found, code)
        is_right = is_right and found is not None and tx.notices.spend_code(key, found.kept)
    if found is None or not is_right:
        raise NotFound("this is not the code that we mailed, or it is too old; look again, or have a new one sent")
    return found.address


def _is_right(bank: Bank, key: str, found: SentCode, code: str) -> bool:
    return hmac.compare_digest(bank.seal.unseal(found.kept), _digest(key, found.address, code))


def _digest(key: str, address: str, code: str) -> bytes:
    return hashlib.sha256(f"{key}\n{address}\n{code}".encode()).digest()


def opened(bank: Bank, sealed: str) -> str:
    """The code that a job has to mail."""
    return bank.seal.unseal(base64.b64decode(sealed)).decode()
