"""The chain that ties the lines of the ledger together, and what is seen of it when somebody alters one.

Every process writes a lane of its own, so that no two wait for each other: in a lane each line names, by a digest, the
line before it. A checkpoint is signed and names the ends of all lanes that have grown, and the checkpoint before it.
Whoever changes, inserts, moves or takes away a line breaks a link of its lane; whoever makes that lane anew from there,
or cuts off its end, contradicts the next checkpoint. Whoever takes the checkpoints away, too, contradicts those that
are kept among the objects, which nobody can write without the bank's keys.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from operator import attrgetter
from typing import Final

import orjson

from imagebank.model.event import Act
from imagebank.model.person import PatientId

OVERDUE: Final = timedelta(minutes=15)
"""A line that is older than this, and that no checkpoint knows, is a fault: a worker signs every minute."""
UNKEPT: Final = timedelta(hours=2)
"""So much later than the newest checkpoint among the objects no other one is: a worker keeps one every hour."""
BEGINNING: Final = ""
"""The link before the first line of a lane, and the digest before the first checkpoint."""


@dataclass(frozen=True, slots=True)
class Line:
    """One event at its place in the ledger, each field as the database holds it.

    `position` counts from 1 in its lane, `at` in microseconds since 1970, UTC. `person` is a pseudonym, `link` is
    hexadecimal. `salt` is random, so that nobody can guess a line by its digest; lines of before have none.
    """

    lane: str
    position: int
    at: int
    act: str
    principal: str
    organization: str
    address: str
    study: str
    count: int
    detail: str
    person: str = ""
    purpose: str = ""
    salt: str = ""
    link: str = ""


FIELDS: Final = tuple(field.name for field in fields(Line))
"""The names of a line's fields, in their order."""
values_of: Final[Callable[[Line], tuple[object, ...]]] = attrgetter(*FIELDS)
"""The values of a line's fields, in their order; `astuple` would copy each, and lines are written with every instance."""


@dataclass(frozen=True, slots=True)
class Head:
    """Where a lane ended when a checkpoint was made."""

    lane: str
    position: int
    link: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The ends of all lanes that had grown since the checkpoint before, signed.

    `number` counts from 1, `before` is the digest of the checkpoint before, `key` names who signed: the Ed25519 public
    key. All three and `signature` are hexadecimal. Numbers are left out, and `before` names the last that is there,
    where an operator has said that an older copy of the database was put back (`Gap`).
    """

    number: int
    at: int
    heads: tuple[Head, ...]
    before: str
    key: str
    signature: str = ""


@dataclass(frozen=True, slots=True)
class Sought:
    """Lines for which everything holds that is given.

    `about` are persons by their records, and `studies`, too: a line of any of either is sought. `since` and `until` are microseconds since 1970, the second exclusive. `after` is where the page before ended: the
    last line's `at`, lane and position.
    """

    since: int | None = None
    until: int | None = None
    acts: frozenset[Act] | None = None
    patient: PatientId | None = None
    study: str = ""
    principal: str = ""
    address: str = ""
    after: tuple[int, str, int] | None = None
    limit: int | None = None
    about: frozenset[PatientId] | None = None
    studies: frozenset[str] = frozenset()


def link_of(before: str, line: Line) -> str:
    """The link of a line: the SHA-256 of the link before and of the line's own digest.

    So it can be proven that a line stands between others without showing those. Of a line without a salt it is of the
    link before and of every field.
    """
    return after(before, own_digest(line)) if line.salt else _digest([before, *values_of(line)[:-2]])


def after(before: str, digest: str) -> str:
    """The link of a line of which only the digest is known."""
    return _digest([before, digest])


def own_digest(line: Line) -> str:
    """The SHA-256 of every field of a line but its link."""
    return _digest(values_of(line)[:-1])


def statement_of(checkpoint: Checkpoint) -> bytes:
    """What is signed of a checkpoint."""
    heads = [[head.lane, head.position, head.link] for head in checkpoint.heads]
    return _packed(["imagebank checkpoint", checkpoint.number, checkpoint.at, heads, checkpoint.before, checkpoint.key])


def digest_of(checkpoint: Checkpoint) -> str:
    """By which the next checkpoint names this one, and by which it can be noted down elsewhere."""
    return sha256(statement_of(checkpoint)).hexdigest()


def _digest(parts: Sequence[object]) -> str:
    return sha256(_packed(parts)).hexdigest()


def _packed(parts: Sequence[object]) -> bytes:
    """JSON without blanks in UTF-8: whoever checks a link has to write the same."""
    try:
        return orjson.dumps(parts)
    except TypeError:  # a number or a text that no line of ours has, in one that somebody altered
        return _JSON(parts).encode()


_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Gap:
    """Checkpoints that are lost, `after` one and up to before another, whose signature says so."""

    after: int
    before: Checkpoint

    def has(self, number: int) -> bool:
        return self.after < number < self.before.number


def gaps(checkpoints: Sequence[Checkpoint]) -> list[Gap]:
    """Where an older copy of the database was put back. The bank signs such a gap only when an operator says so."""
    found, last = [], Checkpoint(0, 0, (), BEGINNING, "")
    for each in checkpoints:
        before = digest_of(last) if last.number else BEGINNING
        if each.number > last.number + 1 and each.before == before:
            found.append(Gap(last.number, each))
        last = each
    return found


def faults(
    lines: Iterable[Line],
    checkpoints: Sequence[Checkpoint],
    is_signed: Callable[[Checkpoint], bool],
    kept: Sequence[Checkpoint] = (),
    overdue: int = 0,
) -> Iterator[str]:
    """What is wrong with a ledger, in words; nothing when it is as it was written.

    `lines` come by lane and position, `checkpoints` and those that are `kept` among the objects by number. A line from
    before `overdue`, in microseconds, has to be known to a checkpoint. What came after the last checkpoint and was cut
    off again cannot be missed; how old that one is should be looked at.
    """
    yield from _faults_of_checkpoints(checkpoints, is_signed)
    yield from contradictions(kept, checkpoints)
    yield from _told_twice(checkpoints)
    heads: dict[tuple[str, int], tuple[str, int]] = {}
    known: dict[str, int] = {}
    for each in checkpoints:
        for head in each.heads:
            heads.setdefault((head.lane, head.position), (head.link, each.number))
            known[head.lane] = max(head.position, known.get(head.lane, 0))
    ends: dict[str, int] = {}
    before, unknown = BEGINNING, 0
    for line in lines:
        last = ends.get(line.lane, 0)
        before = before if last else BEGINNING
        yield from _faults_of_line(line, last, before)
        link, number = heads.pop((line.lane, line.position), (line.link, 0))
        if link != line.link:
            yield f"{_name(line)} is not the one that checkpoint {number} was made for"
        unknown += line.position > known.get(line.lane, 0) and line.at < overdue
        # From here the line's own word is taken, so that one alteration is one fault.
        before = line.link
        ends[line.lane] = max(last, line.position)
    for (lane, position), (_, number) in heads.items():
        if position > ends.get(lane, 0):
            yield f"the end of lane {lane} is missing, up to line {position}: checkpoint {number} knew it"
    if unknown:
        yield f"lines that no checkpoint knows: {unknown}; no worker has run since, or somebody took its checkpoints away"


def _faults_of_checkpoints(checkpoints: Sequence[Checkpoint], is_signed: Callable[[Checkpoint], bool]) -> Iterator[str]:
    before, expected = BEGINNING, 1
    said = {gap.before.number for gap in gaps(checkpoints)}
    for each in checkpoints:
        if each.number != expected and each.number not in said:
            yield f"checkpoint {each.number} stands where {expected} should"
        elif each.before != before:
            yield f"checkpoint {each.number} does not follow the one before it"
        if not is_signed(each):
            yield f"checkpoint {each.number} does not bear a signature of this bank"
        before, expected = digest_of(each), each.number + 1


def contradictions(kept: Sequence[Checkpoint], checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
    """What checkpoints that are kept among the objects say against those of the database; both by number."""
    here, lost = {each.number: each for each in checkpoints}, gaps(checkpoints)
    end = checkpoints[-1].number if checkpoints else 0
    for each in kept:
        found = here.get(each.number)
        if found is not None and digest_of(found) != digest_of(each):
            yield f"checkpoint {each.number} is not the one that is kept among the objects"
        elif found is None and each.number < end and not any(gap.has(each.number) for gap in lost):
            yield f"checkpoint {each.number} is missing: it is kept among the objects"
    if kept and kept[-1].number > end:
        rest = f"it ends with checkpoint {end} of {told_at(checkpoints[-1].at)}" if checkpoints else "it has none"
        newest = f"checkpoint {kept[-1].number}, which was signed on {told_at(kept[-1].at)}"
        yield f"the database is older than {newest}, and is kept among the objects: {rest}"


def told_at(at: int) -> str:
    """A moment of the ledger as people read it."""
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _told_twice(checkpoints: Sequence[Checkpoint]) -> Iterator[str]:
    """A lane only grows: no checkpoint names an end of it that another has known already."""
    ends: dict[str, tuple[int, int]] = {}
    for each in checkpoints:
        for head in each.heads:
            position, number = ends.get(head.lane, (0, 0))
            if head.position <= position:
                yield f"checkpoint {each.number} knows lane {head.lane} anew, up to which checkpoint {number} was made"
            ends[head.lane] = max(position, head.position), each.number


def _faults_of_line(line: Line, last: int, before: str) -> Iterator[str]:
    if line.position > last + 1:
        yield f"lines {last + 1} to {line.position - 1} of lane {line.lane} are missing"
    elif line.position <= last:
        yield f"{_name(line)} stands out of order, or twice"
    elif line.link != link_of(before, line):
        yield f"{_name(line)} is not what was written, or another stood before it"


def _name(line: Line) -> str:
    return f"line {line.position} of lane {line.lane}"
