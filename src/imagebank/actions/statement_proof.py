"""The proof that the lines of a statement stand in the ledger, without showing anybody else's.

A line's neighbours are known by their digests. A stretch of a lane ends where a signed checkpoint knows it, so that
whoever has the bank's public key, or a checkpoint that was published, can do without the bank's word.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Final

import msgspec

from imagebank.actions import ledger
from imagebank.actions.statement import Wanted, pages, reading
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.access import Principal, Scope
from imagebank.model.ledger import BEGINNING, Checkpoint, Line, Sought, after, digest_of, link_of, own_digest

FORMAT: Final = "imagebank statement 1"
_NEXT: Final = 20
"""How many checkpoints after a line are looked through for one that knows it: a worker signs every minute."""
# Of lines that are somebody else's nothing but digests is shown.
_ALL: Final = Scope(organizations=None)


class _Chain(msgspec.Struct, omit_defaults=True):
    """A stretch of a lane up to where a checkpoint knows it: the link before, and each line or its digest only."""

    lane: str
    first: int
    before: str
    checkpoint: int
    parts: list[Line | str]


class _Part(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    checkpoint: Checkpoint | None = None
    chain: _Chain | None = None
    unsealed: Line | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """What came of looking through a statement: its lines, how many of them are sealed, what is wrong, and who signed."""

    lines: int
    sealed: int
    faults: tuple[str, ...]
    key: str
    checkpoint: str

    @property
    def is_whole(self) -> bool:
        return not self.faults


def proof(bank: Bank, wanted: Wanted, principal: Principal, address: str = "") -> Iterator[bytes]:
    """The statement as lines of JSON that prove themselves against checkpoints, without the bank: see `verify`.

    Each line stands in a stretch of its lane, of which the other lines are known by digests alone, that ends where a
    signed checkpoint knows it. What was written in the last minute may not be sealed yet.
    """
    sought = reading(bank, wanted, principal, address)
    ledger.checkpoint(bank)
    return _proof(bank, sought)


def _proof(bank: Bank, sought: Sought) -> Iterator[bytes]:
    lines = sorted(chain.from_iterable(pages(bank, sought)), key=lambda one: (one.lane, one.position))
    yield _line({"format": FORMAT, "key": bank.signer.public().hex(), "lines": str(len(lines))})
    told: set[int] = set()
    for _, of_lane in groupby(lines, key=lambda one: one.lane):
        waiting = list(of_lane)
        while waiting:
            checkpoint, head = _sealing(bank, waiting[0])
            own = [one for one in waiting if one.position <= head] if checkpoint else waiting
            waiting = waiting[len(own) :]
            stretch = _stretch(bank, own, head, checkpoint.number) if checkpoint else None
            if checkpoint is None or stretch is None:
                yield from (_line(_Part(unsealed=one)) for one in own)
                continue
            if checkpoint.number not in told:
                told.add(checkpoint.number)
                yield _line(_Part(checkpoint=checkpoint))
            yield _line(_Part(chain=stretch))


def _sealing(bank: Bank, line: Line) -> tuple[Checkpoint | None, int]:
    """The first checkpoint that knows a line, and up to which position of its lane; None where none does yet."""
    for each in bank.index.sealing(line.at, _NEXT):
        for head in each.heads:
            if head.lane == line.lane and head.position >= line.position:
                return each, head.position
    return None, 0


def _stretch(bank: Bank, own: Sequence[Line], last: int, checkpoint: int) -> "_Chain | None":
    """The stretch from somebody's first line; None where a neighbour has no salt, and could be told by its digest."""
    first, mine = own[0].position, {one.position for one in own}
    found = bank.index.chain(own[0].lane, first - 1, last, _ALL)
    before = found[0].link if first > 1 else BEGINNING
    lines = found[1:] if first > 1 else found
    if any(not one.salt and one.position not in mine for one in lines):
        return None
    parts = [one if one.position in mine else own_digest(one) for one in lines]
    return _Chain(own[0].lane, first, before, checkpoint, parts)


def _line(part: Any) -> bytes:
    return msgspec.json.encode(part) + b"\n"


def is_statement(head: bytes) -> bool:
    """Whether a file that begins with this line is a statement to be verified."""
    try:
        return bool(_decoded(head, dict[str, str]).get("format") == FORMAT)
    except Invalid:
        return False


def verify(source: Iterable[bytes], key: str = "") -> Proven:
    """Look through a statement, without a bank; it has to be signed by `key`, or by the key that it names itself.

    What is altered or moved is found, and what is missing of the number that the file names: a number that nobody has
    signed. That the bank has told every line, the ledger alone can show.
    Raises Invalid when it is no statement.
    """
    parts = iter(source)
    head = _decoded(next(parts, b""), dict[str, str])
    if head.get("format") != FORMAT:
        raise Invalid("this is no statement that a bank wrote to be verified")
    key = key or head.get("key", "")
    checkpoints: dict[int, Checkpoint] = {}
    faults: list[str] = []
    lines = sealed = 0
    for text in parts:
        part = _decoded(text, _Part)
        if part.checkpoint is not None:
            checkpoints[part.checkpoint.number] = part.checkpoint
            if not ledger.is_signed(part.checkpoint, key):
                faults.append(f"checkpoint {part.checkpoint.number} does not bear the signature of this bank")
        if part.unsealed is not None:
            lines += 1
        if part.chain is not None:
            own = [one for one in part.chain.parts if isinstance(one, Line)]
            lines += len(own)
            wrong = _fault(part.chain, checkpoints)
            faults += [wrong] if wrong else []
            sealed += 0 if wrong else len(own)
    # Files of before say no number.
    if (told := head.get("lines", str(lines))) != str(lines):
        faults.append(f"{lines} lines are here, and {told} were written")
    newest = checkpoints[max(checkpoints)] if checkpoints else None
    return Proven(lines, sealed, tuple(faults), key, digest_of(newest) if newest else "")


def _fault(chain: _Chain, checkpoints: Mapping[int, Checkpoint]) -> str:
    """What is wrong with a stretch, in words; empty when its end is the one that its checkpoint knows."""
    link, position = chain.before, chain.first - 1
    for position, one in enumerate(chain.parts, chain.first):
        if isinstance(one, str):
            link = after(link, one)
            continue
        if (one.lane, one.position) != (chain.lane, position):
            return f"a line of lane {chain.lane} stands at a place that is not its own"
        link = link_of(link, one)
    known = checkpoints.get(chain.checkpoint)
    heads = {(head.lane, head.position): head.link for head in known.heads} if known else {}
    if heads.get((chain.lane, position)) == link:
        return ""
    return f"lines {chain.first} to {position} of lane {chain.lane} are not what checkpoint {chain.checkpoint} knows"


def _decoded(text: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise Invalid("a line of the statement cannot be read: {error}", error=error) from error
