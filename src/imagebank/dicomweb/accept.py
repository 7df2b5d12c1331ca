"""Accept negotiation with transfer syntaxes (PS3.18 8.7.5, RFC 9110 12.5.1)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from imagebank.dicomweb.tables import OLD_NAMES, RELATED
from imagebank.http.multipart import MediaType, media_type

_ELEMENT: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^,"])+')
_MAX_RANGES: Final = 64
_REMEMBERED: Final = 128
"""What clients take: each says the same with every request."""
ANY: Final = "*"


class NotAcceptable(Exception):
    """The caller takes nothing of what can be given. Not a refusal of the bank's, so not among its errors."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One form in which a thing can be given.

    `is_default` says that it is meant when a request names this media type without a transfer syntax, `is_usual` that
    it is meant when a request names no media type. `is_related` is the multipart form.
    """

    name: str
    syntax: str = ""
    is_default: bool = True
    is_usual: bool = True
    is_related: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """One element of an Accept field; `is_related` None leaves the form open."""

    name: str
    syntax: str
    quality: float
    is_related: bool | None

    def specificity(self, offer: Offer) -> int:
        """How closely it names the offer; 0 when it does not."""
        if self.is_related is not None and self.is_related != offer.is_related:
            return 0
        if self.name == "*/*":
            closeness = 1 if offer.is_usual or self.syntax else 0
        elif self.name.endswith("/*"):
            closeness = 2 if offer.name.startswith(self.name[:-1]) else 0
        else:
            closeness = 3 if offer.name == self.name else 0
        if not closeness:
            return 0
        if self.syntax in ("", ANY):
            fits = offer.is_default if self.syntax == "" else True
            return closeness * 4 + (self.syntax == ANY) if fits else 0
        return closeness * 4 + 2 if offer.syntax == self.syntax else 0


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a caller takes, by its `accept` parameter and by its Accept field. A usable parameter wins (8.3.3.1)."""

    parameter: tuple[Range, ...]
    field: tuple[Range, ...]

    def best(self, offers: Sequence[Offer]) -> Offer | None:
        """The offer that the caller likes best; among equals the one that stands first in `offers`."""
        return _best(self.parameter, offers) or _best(self.field, offers)

    def require(self, offers: Sequence[Offer]) -> Offer:
        """The same; raises NotAcceptable and says what could be given."""
        offer = self.best(offers)
        if offer is None:
            raise NotAcceptable(f"this can be given as {_listed(offers)}")
        return offer


@lru_cache(_REMEMBERED)
def preferences(field: str | None, parameter: str | None) -> Preferences:
    """Read both. No Accept field at all means anything: the standard wants one, and browsers' links have none."""
    return Preferences(ranges(parameter or "", is_query=True), ranges(field or "*/*"))


def ranges(text: str, *, is_query: bool = False) -> tuple[Range, ...]:
    """The elements of an Accept field; what cannot be read is left out."""
    found = []
    for element in _ELEMENT.findall(text)[:_MAX_RANGES]:
        one = media_type(element)
        name = one.name.replace(" ", "+") if is_query else one.name  # a bare plus in a query is a space
        if "/" in name:
            found.append(_range(name, one))
    return tuple(found)


def _range(name: str, one: MediaType) -> Range:
    try:
        quality = min(max(float(one.parameters.get("q", "1")), 0.0), 1.0)
    except ValueError:
        quality = 0.0
    is_related: bool | None = None
    if name in (RELATED, "multipart/*"):
        name, is_related = one.kind or "*/*", True
    elif not name.startswith("*"):
        is_related = False
    return Range(OLD_NAMES.get(name, name), one.parameters.get("transfer-syntax", ""), quality, is_related)


def _best(accepted: Sequence[Range], offers: Sequence[Offer]) -> Offer | None:
    chosen: Offer | None = None
    highest = 0.0
    for offer in offers:
        quality = _quality(accepted, offer)
        if quality > highest:
            chosen, highest = offer, quality
    return chosen


def _quality(accepted: Sequence[Range], offer: Offer) -> float:
    """The quality of the range that names the offer most closely."""
    closest = max(accepted, key=lambda one: one.specificity(offer), default=None)
    return closest.quality if closest is not None and closest.specificity(offer) else 0.0


def _listed(offers: Sequence[Offer]) -> str:
    texts = []
    for offer in offers:
        syntax = f"; transfer-syntax={offer.syntax}" if offer.syntax else ""
        texts.append(f'{RELATED}; type="{offer.name}"{syntax}' if offer.is_related else f"{offer.name}{syntax}")
    return ", ".join(dict.fromkeys(texts)) or "nothing"
