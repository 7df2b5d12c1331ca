"""SMART Health Links: what a link says, and how it is written (HL7 SMART Health Cards and Links, STU 1).

A link is `shlink:/` and the base64url of a small JSON object. It may stand behind the address of a viewer and a `#`: a
fragment stays in the browser, and never comes to a server.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final

from imagebank.errors import Invalid

SCHEME: Final = "shlink:/"
LONGEST_URL: Final = 128
LONGEST_LABEL: Final = 80
KEY_BYTES: Final = 32
_LONGEST: Final = 4096
_KEY: Final = 43


class Flag(StrEnum):
    """What whoever follows a link has to know: its content may change, a passcode is asked for, it is one file."""

    LONG_TERM = "L"
    PASSCODE = "P"
    FILE = "U"


@dataclass(frozen=True, slots=True)
class HealthLink:
    """Where files are got, by which key they are opened, and how.

    `url` is a secret as the key is. `expires_at` is a hint: the server decides.
    """

    url: str
    key: bytes
    flags: frozenset[Flag] = frozenset()
    label: str = ""
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raises Invalid for what no link can say."""
        if not self.url.startswith(("https://", "http://")) or len(self.url) > LONGEST_URL:
            raise Invalid(
                "the address of a health link is an http or https address of at most {most} characters",
                most=LONGEST_URL,
            )
        if len(self.key) != KEY_BYTES:
            raise Invalid("the key of a health link has {bytes} bytes", bytes=KEY_BYTES)
        if {Flag.FILE, Flag.PASSCODE} <= self.flags:
            raise Invalid("a link to a single file takes no passcode")
        if len(self.label) > LONGEST_LABEL:
            raise Invalid("the label of a health link has at most {most} characters", most=LONGEST_LABEL)


def text_of(link: HealthLink) -> str:
    """The link as text, without a viewer before it."""
    said: dict[str, Any] = {"url": link.url}
    if link.flags:
        said["flag"] = "".join(sorted(link.flags))
    said["key"] = base64url(link.key)
    if link.expires_at is not None:
        said["exp"] = int(link.expires_at.timestamp())
    if link.label:
        said["label"] = link.label
    return SCHEME + base64url(json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode())


def read(text: str) -> HealthLink:
    """A link of its text, also behind a viewer's address. What it says beyond the standard is passed over.

    Raises Invalid for what is no link, or one of a version that is not known here.
    """
    found = text.strip()
    if f"#{SCHEME}" in found:
        found = found.partition("#")[2]
    if not found.startswith(SCHEME) or len(found) > _LONGEST:
        raise Invalid("this is no health link: those begin with shlink:/")
    said = _payload(found.removeprefix(SCHEME))
    if said.get("v", 1) != 1:
        raise Invalid("this health link is of a version that is not known here")
    url, key, label, ends = (said.get(name, "") for name in ("url", "key", "label", "exp"))
    if not (isinstance(url, str) and isinstance(key, str) and isinstance(label, str) and len(key) == _KEY):
        raise Invalid("this health link lacks its address or its key")
    return HealthLink(url, _bytes(key), _flags(said.get("flag", "")), label, _moment(ends))


def _payload(text: str) -> dict[str, Any]:
    try:
        said = json.loads(_bytes(text))
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        raise Invalid("this health link is damaged; ask for it again")
    return said


def _flags(text: object) -> frozenset[Flag]:
    known = {flag.value: flag for flag in Flag}
    if not isinstance(text, str) or not set(text) <= set(known):
        raise Invalid("this health link asks for what is not known here")
    return frozenset(known[letter] for letter in text)


def _moment(value: object) -> datetime | None:
    if value in ("", None):
        return None
    try:
        return datetime.fromtimestamp(float(value), UTC)  # type: ignore[arg-type] # what is no number raises
    except (TypeError, ValueError, OverflowError, OSError):
        raise Invalid("this health link says no moment at which it ends") from None


def base64url(data: bytes) -> str:
    """Without padding, as links and JOSE have it."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise Invalid("this health link is damaged; ask for it again") from None


class Access(StrEnum):
    """How a link lets its receiver at the images: always by a file of its own, in the Bundle's Endpoint, or not at all.

    With `ENDPOINT` there is the file, too, for a receiver that says it knows such files.
    """

    FILE = "file"
    ENDPOINT = "endpoint"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Kept:
    """A link as the bank keeps it: the card that it is another form of, and a keyed hash of its address's secret.

    Its key is kept nowhere: it follows from that secret and a key of the bank's. `ended_at` is when another took its place.
    """

    digest: bytes
    card: str
    flags: frozenset[Flag]
    access: Access
    made_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Waiting:
    """A sealed file that is got once at an address of its own, until `ends_at`; its bytes open with the link's key alone."""

    digest: bytes
    card: str
    content: bytes
    ends_at: datetime
