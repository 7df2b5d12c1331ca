"""Another bank, as it is spoken to once a card of its was redeemed here: what it is asked, and what it answers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from imagebank.actions.arrival import Arrival
from imagebank.bank import Bank
from imagebank.errors import BankError, Invalid, NotFound, Unavailable, noted
from imagebank.model.uid import Uid

T = TypeVar("T")
MOST_OBJECTS: Final = 100_000
# The other's answer is bounded; some hundred bytes are told of each object.
PAGE: Final = 300

ENDED: Final = noted("the patient has taken the card back, or its time has ended; what came before is kept")

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
        raise Unavailable("{host} did not answer as an archive does; check the address", host=host) from error


Named = Mapping[str, Sequence[str]]
"""The instances of a study, by series."""


def named_objects(ask: Ask, root: str, host: str, study: Uid, headers: Mapping[str, str], ended: str) -> Named:
    """What a DICOMweb at `root` names of a study (PS3.18 10.6).

    Raises NotFound, in the words of `ended`, where it names it no more, Invalid for too much, Unavailable.
    """
    series: dict[str, list[str]] = {}
    for first in range(0, MOST_OBJECTS, PAGE):
        address = f"{root}/studies/{study}/instances?limit={PAGE}&offset={first}"
        status, body = ask(address, None, {**headers, "Accept": "application/dicom+json"})
        if status in (401, 403, 404):
            raise NotFound(ended)
        if status not in (200, 204):
            raise Unavailable("{host} answered with status {status}", host=host, status=status)
        rows = decoded(body, list[dict[str, Any]], host) if status == 200 else []
        for row in rows:
            series.setdefault(_uid(row, "0020000E"), []).append(_uid(row, "00080018"))
        if len(rows) < PAGE:
            if not series:
                raise NotFound(ended)
            return series
    raise Invalid("a study with more than {most} images is not brought in", most=MOST_OBJECTS)


def _uid(row: Mapping[str, Any], key: str) -> Uid:
    match row.get(key):
        case {"Value": [str(uid), *_]}:
            return Uid.parse(uid)
    raise Invalid("the other bank names an image without its UIDs")


def missing(series: Named, here: set[str]) -> Iterator[str]:
    """Where to get what is not here: a series as a whole, or the rest of it one by one."""
    for uid, instances in series.items():
        rest = [one for one in instances if one not in here]
        if len(rest) == len(instances):
            yield f"series/{uid}"
        else:
            yield from (f"series/{uid}/instances/{one}" for one in rest)


def batches(arrivals: Iterator[Arrival], most: int) -> Iterator[list[Arrival]]:
    """Objects some at a time. Where their source breaks off, what came whole comes before its refusal."""
    batch: list[Arrival] = []
    try:
        for one in arrivals:
            batch.append(one)
            if len(batch) == most:
                yield batch
                batch = []
    except BankError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch
