"""Another bank, as it is spoken to once a card of its was redeemed here: what it is asked, and what it answers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from imagebank.actions.arrival import Arrival
from imagebank.bank import Bank
from imagebank.errors import Unavailable

T = TypeVar("T")

ENDED: Final = "the patient has taken the card back, or its time has ended; what came before is kept"

Ask = Callable[[str, bytes | None, Mapping[str, str]], tuple[int, bytes]]
"""GETs an address, or POSTs a body to it: status and body. Raises Unavailable."""

Files = Callable[[Bank, str, Mapping[str, str]], Iterator[Arrival]]
"""The objects that an address gives, one after another; whoever takes one closes it.

Raises NotFound where it gives them no more, Unavailable.
"""

Document = Callable[[str, Mapping[str, str]], bytes]
"""A document of some mebibytes at an address. Raises NotFound where it gives it no more, Invalid for too long a one, Unavailable."""


@dataclass(frozen=True, slots=True)
class Web:
    """How another bank is spoken to."""

    ask: Ask
    files: Files
    document: Document


def decoded(body: bytes, kind: type[T], host: str) -> T:
    """An answer in JSON. Raises Unavailable for one that no Imagebank gives."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unavailable("{host} did not answer as an Imagebank does; check the address", host=host) from error
