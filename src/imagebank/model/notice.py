"""What people are told, by which way, and the addresses to which mail goes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from string import ascii_lowercase, ascii_uppercase
from types import MappingProxyType
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.recovery import WayBack

_SMALL: Final = str.maketrans(ascii_uppercase, ascii_lowercase)
_LOCAL: Final = re.compile(r"[^\s@<>()\[\]\\,;:\"]+")
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST: Final = 254
"""RFC 5321 4.5.3.1.3, less the brackets."""
_LONGEST_LOCAL: Final = 64


class Kind(StrEnum):
    """What somebody is told of. RULE is for the site's own people, by its rules for what arrives."""

    DEPOSIT = "deposit"
    SHARED = "share used"
    PIN_REFUSED = "PIN refused"
    SWALLOWED = "card swallowed"
    ANSWERED = "request answered"
    EMERGENCY = "emergency"
    NEW_PLACE = "new place"
    MEANS = "sign-in changed"
    FORGOTTEN = "password forgotten"
    REPORT = "report"
    RULE = "rule"


class Way(StrEnum):
    """When a notice is mailed. In the account's list it stands at once, whatever the way."""

    ONCE = "at once"
    DAILY = "daily"
    OFF = "off"


CHOSEN: Final[Mapping[Kind, Way]] = MappingProxyType(
    {
        Kind.DEPOSIT: Way.DAILY,
        Kind.REPORT: Way.DAILY,
        **{kind: Way.ONCE for kind in Kind if kind not in {Kind.DEPOSIT, Kind.REPORT, Kind.RULE}},
    }
)
"""The kinds that an account is told of, and the way of each where nobody chose another."""


FIXED: Final = frozenset({Kind.MEANS, Kind.FORGOTTEN})
"""Kinds that are always mailed: whoever has taken an account over cannot keep its owner from hearing of it."""


class State(StrEnum):
    """What became of the mail of a notice: LISTED is one without; HELD waits for the daily mail; ASIDE was given up."""

    LISTED = "listed"
    HELD = "held"
    WAITING = "waiting"
    SENT = "sent"
    ASIDE = "aside"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that somebody is told, without a word about a patient.

    `account` is whose it is; a notice of the site's rules has none. `address` is where its mail goes, where that is not
    the account's address of then: to the site's people, or to an address that the account has no more. `link` is a page of ours
    that shows what it is about. `mail` names the mail that it goes with; `number` is how often it happened again and
    was not told anew. `reason` says why the mail has not gone yet, or never will.
    """

    id: str
    account: str
    kind: Kind
    at: datetime
    link: str = ""
    state: State = State.LISTED
    mail: str = ""
    address: str = ""
    number: int = 1
    reason: str = ""
    seen_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Mailbox:
    """The address of an account, whose owner has shown to read what comes there, and the language of its mail."""

    account: str
    address: str
    verified_at: datetime
    language: str = "en"


@dataclass(frozen=True, slots=True)
class SentCode:
    """A one-time code that was mailed: where to, what is kept of it, how often it was tried, and until when it is good."""

    address: str
    kept: bytes
    tries: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Mail:
    """What one mail has to say: the kinds of its notices, a code, or how a forgotten password is replaced (`way_back`).

    `link` and `leave` are addresses of pages; `leave` ends such mails, and is empty where nothing does.
    """

    id: str
    address: str
    language: str
    at: datetime
    kinds: tuple[Kind, ...] = ()
    link: str = ""
    leave: str = ""
    code: str = ""
    way_back: WayBack | None = None


def folded_address(text: str) -> str:
    """What two spellings of a mail address have in common by which people sign in; empty for what is no address.

    Letters of ASCII alone are folded: others of one look may be of two mailboxes.
    """
    try:
        return address_from(text).translate(_SMALL)
    except Invalid:
        return ""


def address_from(text: str) -> str:
    """A mail address as it is kept: its domain in small letters and in ASCII. Raises Invalid for what is none.

    Nothing that could end a line or begin another address passes (RFC 5322 3.4.1 without quoted and literal parts).
    """
    local, at, domain = text.strip().rpartition("@")
    try:
        host = domain.lower().encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    labels = host.split(".")
    is_local = bool(_LOCAL.fullmatch(local)) and local.isprintable() and len(local.encode()) <= _LONGEST_LOCAL
    is_local = is_local and all(local.split("."))
    is_host = len(labels) > 1 and all(_LABEL.fullmatch(label) for label in labels)
    if not (at and is_local and is_host and len(local.encode()) + len(host) < _LONGEST):
        raise Invalid("this is no mail address; one looks like ada@example.org")
    return f"{local}@{host}"
