"""Proving the ledger: signed checkpoints, an export for outside, and the search for what was altered."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain, pairwise
from typing import IO, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imagebank.actions.audit import event, unbounded
from imagebank.bank import Bank
from imagebank.errors import BankError, Conflict, Invalid
from imagebank.model.access import Principal, Right, Scope
from imagebank.model.event import Act
from imagebank.model.key import BANK
from imagebank.model.ledger import (
    BEGINNING,
    OVERDUE,
    UNKEPT,
    Checkpoint,
    Line,
    contradictions,
    digest_of,
    faults,
    gaps,
    statement_of,
    told_at,
)
from imagebank.ports import Transaction

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
FORMAT: Final = "imagebank ledger 2"
_WITHOUT_KEPT: Final = "imagebank ledger 1"
"""The format before: without the checkpoints among the objects."""
_HOUR: Final = 3_600_000_000
"""In microseconds: how often a checkpoint is kept among the objects. A process that runs needs none to compare with."""
_EVER: Final = 2**63


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of looking through a ledger: how much there is, what is wrong, and the last checkpoint's time.

    `notices` tell what an operator has signed to be lost, and what cannot be told. `key` is the public key that signed, hexadecimal; `checkpoint` the digest of the last checkpoint. Both are worth
    comparing with what was noted elsewhere: whoever holds the bank's keys could write another ledger from the start.
    """

    lines: int
    checkpoints: int
    faults: tuple[str, ...]
    key: str
    checkpoint: str
    checked_to: int
    notices: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        return not self.faults


def checkpoint(bank: Bank, *, keeps: bool = False) -> Checkpoint | None:
    """Sign where the ledger stands; None when nothing was written since the last time.

    Every hour, and where it `keeps`, the newest one is kept among the objects as well. Nothing is signed where the
    database contradicts what is kept there, or what this process has seen: that stands in the log as an error. The
    number and digest of each go to the log, so that whoever keeps the log can tell when the ledger was made anew.
    """
    if words := _objection(bank):
        _log.error("the ledger is not signed: %s; see `imagebank audit verify`", words)
        return None
    with bank.index.begin() as tx:
        made = _next(bank, tx)
    newest = made or bank.signer.seen
    if newest is not None:
        bank.signer.seen = newest
        _keep(bank, newest, is_due=keeps)
    return made


def _next(bank: Bank, tx: Transaction, lost: int = 0) -> Checkpoint | None:
    """The checkpoint that follows the last one, but for those up to `lost`."""
    heads = tx.ends_of_lanes()
    if not heads:
        return None
    last = tx.last_checkpoint()
    number, before = (1, BEGINNING) if last is None else (last.number + 1, digest_of(last))
    at = _micros(bank.now())
    made = Checkpoint(max(number, lost + 1), at, tuple(heads), before, bank.signer.public().hex())
    made = replace(made, signature=bank.signer.sign(statement_of(made)).hex())
    tx.put_checkpoint(made, waits_for_telling=bool(bank.settings.atna_host))
    _log.info("checkpoint %d of the ledger: %s", made.number, digest_of(made))
    return made


def _keep(bank: Bank, newest: Checkpoint, *, is_due: bool) -> None:
    """Keep a checkpoint among the objects. It is in the database already: a crash between the two loses nothing."""
    kept = bank.signer.kept
    if kept is None or (kept.number < newest.number and (is_due or newest.at - kept.at >= _HOUR)):
        bank.blobs.keep_checkpoint(msgspec.json.encode(newest), bank.keys.of(BANK))
        bank.signer.kept = newest


def objection(bank: Bank) -> str:
    """Why nothing is signed, in words; empty when the database and the objects agree."""
    kept, unreadable = _kept(bank)
    if unreadable and not kept:
        return "no checkpoint among the objects can be read"
    return next(contradictions(kept, bank.index.checkpoints()), "")


def _objection(bank: Bank) -> str:
    """The same, without reading again what this process has seen."""
    seen = bank.signer.seen
    if seen is None:
        if words := objection(bank):
            return words
        kept, _ = _kept(bank)
        bank.signer.kept = kept[-1] if kept else None
        bank.signer.seen = newest(bank)
        return ""
    since = bank.index.checkpoints(seen.number)
    if not since or digest_of(since[0]) != digest_of(seen):
        return f"the database does not have checkpoint {seen.number} any more, which this process has seen"
    for before, each in pairwise(since):
        if each.before != digest_of(before):
            return f"checkpoint {each.number} does not follow the one before it"
    bank.signer.seen = since[-1]
    return ""


def newest(bank: Bank) -> Checkpoint | None:
    """The last checkpoint; None before the first."""
    with bank.index.begin() as tx:
        return tx.last_checkpoint()


def _kept(bank: Bank) -> tuple[list[Checkpoint], int]:
    """The checkpoints among the objects by number, and how many cannot be read."""
    found, unreadable = {}, 0
    for record in bank.blobs.kept_checkpoints():
        if record.note is not None:
            one = msgspec.json.decode(record.note, type=Checkpoint)
            found[one.number, one.at] = one
        unreadable += record.note is None
    return [found[key] for key in sorted(found)], unreadable


@contextmanager
def closed(bank: Bank) -> Iterator[None]:
    """When the block ends, sign what was written in it, and keep that among the objects."""
    try:
        yield
    finally:
        try:
            checkpoint(bank, keeps=True)
        except BankError as error:
            _log.warning("the end of the ledger could not be signed: %s", error)


def resume(bank: Bank, reason: str, principal: Principal, address: str = "") -> Checkpoint:
    """Go on after an older copy of the database was put back: sign that what came behind its end is lost.

    It stands in the ledger. Raises Conflict where the database is no older copy, and Invalid without a reason.
    """
    principal.require(Right.ADMINISTER)
    reason = " ".join(reason.split())
    if not reason:
        raise Invalid("say why: which copy was put back, and when")
    kept, _ = _kept(bank)
    here = bank.index.checkpoints()
    end = here[-1].number if here else 0
    if not kept or kept[-1].number <= end:
        raise Conflict("the database is not older than the checkpoints among the objects")
    older = [each for each in kept if each.number <= end]
    if words := next(contradictions(older, here), ""):
        raise Conflict("the database is no older copy: {words}", words=words)
    words = f"ledger resumed behind checkpoint {end}, without those up to {kept[-1].number}: {reason}"
    with bank.index.begin() as tx:
        tx.record([event(bank, Act.CHANGED, principal, address, words)])
    with bank.index.begin() as tx:
        made = _next(bank, tx, lost=kept[-1].number)
    assert made is not None, "its own line has just been written"
    bank.signer.seen, bank.signer.kept = made, None
    _keep(bank, made, is_due=True)
    return made


def verify(bank: Bank) -> Proof:
    """Look through the bank's own ledger, and hold it against what is kept of it among the objects."""
    scope = unbounded(bank, Scope.everything("verify the ledger"))
    # Those among the objects first, then those of the database: what is written after them is no fault of theirs.
    kept, unreadable = _kept(bank)
    checkpoints, key = bank.index.checkpoints(), bank.signer.public().hex()
    overdue = _micros(bank.now() - OVERDUE)
    proof = _proof(checkpoints, bank.index.ledger(scope), key, kept, overdue)
    if unreadable:
        words = f"{unreadable} checkpoints among the objects cannot be read; a power failure can leave one"
        proof = replace(proof, notices=(*proof.notices, words))
    if unreadable and not kept:
        proof = replace(proof, faults=(*proof.faults, "no checkpoint among the objects can be read"))
    return proof


def export(bank: Bank, to: IO[bytes]) -> int:
    """Write the whole ledger as lines of JSON, closed by a checkpoint of now; how many lines of the ledger there are.

    First comes what it is and who signs, then the checkpoints among the objects, those of the database, and the ledger
    by lane and position. It can be verified anywhere, without the bank.
    """
    scope = unbounded(bank, Scope.everything("export the ledger"))
    checkpoint(bank, keeps=True)
    to.write(msgspec.json.encode({"format": FORMAT, "key": bank.signer.public().hex()}) + b"\n")
    for each in _kept(bank)[0]:
        to.write(msgspec.json.encode({"kept": each}) + b"\n")
    for each in bank.index.checkpoints():
        to.write(msgspec.json.encode({"checkpoint": each}) + b"\n")
    number = 0
    for number, line in enumerate(bank.index.ledger(scope), 1):  # noqa: B007 - the last one is the count
        to.write(msgspec.json.encode({"line": line}) + b"\n")
    return number


def verify_export(source: IO[bytes], key: str = "") -> Proof:
    """Look through an export, without a bank; it has to be signed by `key`, or by the key that it names itself.

    Raises Invalid when it is no export.
    """
    head = _decoded(next(iter(source), b""), dict[str, str])
    if head.get("format") not in (FORMAT, _WITHOUT_KEPT):
        raise Invalid("this is no ledger that `imagebank audit export` wrote")
    kept: list[Checkpoint] = []
    checkpoints: list[Checkpoint] = []
    first: list[Line] = []
    for text in source:
        part = _decoded(text, _Part)
        if part.line is not None:
            first = [part.line]
            break
        kept += [part.kept] if part.kept else []
        checkpoints += [part.checkpoint] if part.checkpoint else []
    lines, key = chain(first, _lines(source)), key or head.get("key", "")
    overdue = checkpoints[-1].at - OVERDUE // timedelta(microseconds=1) if checkpoints else _EVER
    return _proof(checkpoints, lines, key, None if head["format"] == _WITHOUT_KEPT else kept, overdue)


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """One line of an export after the first."""

    kept: Checkpoint | None = None
    checkpoint: Checkpoint | None = None
    line: Line | None = None


def _lines(source: IO[bytes]) -> Iterator[Line]:
    for text in source:
        line = _decoded(text, _Part).line
        if line is None:
            raise Invalid("a checkpoint stands among the lines: the export is not as it was written")
        yield line


def _decoded(text: bytes, kind: type[_T]) -> _T:
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise Invalid("a line of the export cannot be read: {error}", error=error) from error


def _micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _proof(
    checkpoints: Sequence[Checkpoint],
    lines: Iterable[Line],
    key: str,
    kept: Sequence[Checkpoint] | None,
    overdue: int,
) -> Proof:
    """`kept` is None where nobody knows what is kept among the objects."""
    number = 0

    def counted() -> Iterator[Line]:
        nonlocal number
        for line in lines:
            number += 1
            yield line

    found = [*faults(counted(), checkpoints, lambda each: is_signed(each, key), kept or (), overdue)]
    last = checkpoints[-1] if checkpoints else None
    if last is not None and kept is not None:
        newest = kept[-1] if kept else checkpoints[0]
        if last.at - newest.at > UNKEPT // timedelta(microseconds=1):
            found.append(f"no checkpoint is kept among the objects since {told_at(newest.at)}: none, or taken away")
    notices = tuple(
        f"checkpoints {gap.after + 1} to {gap.before.number - 1} are lost with their lines: an older copy of the "
        f"database was put back, as was signed on {told_at(gap.before.at)}"
        for gap in gaps(checkpoints)
    )
    return Proof(
        number, len(checkpoints), tuple(found), key, digest_of(last) if last else "", last.at if last else 0, notices
    )


def is_signed(checkpoint: Checkpoint, key: str) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(checkpoint.signature), statement_of(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.key == key
