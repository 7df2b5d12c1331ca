"""Proving the ledger: signed checkpoints, an export for outside, and the search for what was altered."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from imagebank.actions.audit import unbounded
from imagebank.bank import Bank
from imagebank.errors import Invalid
from imagebank.model.access import Scope
from imagebank.model.ledger import BEGINNING, Checkpoint, Line, digest_of, faults, statement_of

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
FORMAT: Final = "imagebank ledger 1"


@dataclass(frozen=True, slots=True)
class Proof:
    """What came of looking through a ledger: how much there is, what is wrong, and the last checkpoint's time.

    `key` is the public key that signed, hexadecimal; `checkpoint` the digest of the last checkpoint. Both are worth
    comparing with what was noted elsewhere: whoever holds the bank's keys could write another ledger from the start.
    """

    lines: int
    checkpoints: int
    faults: tuple[str, ...]
    key: str
    checkpoint: str
    checked_to: int

    @property
    def is_whole(self) -> bool:
        return not self.faults


def checkpoint(bank: Bank) -> Checkpoint | None:
    """Sign where the ledger stands; None when nothing was written since the last time.

    Its number and digest go to the log, so that whoever keeps the log can tell when the ledger was made anew.
    """
    key = bank.signer.public().hex()
    with bank.index.begin() as tx:
        heads = tx.ends_of_lanes()
        if not heads:
            return None
        last = tx.last_checkpoint()
        number, before = (1, BEGINNING) if last is None else (last.number + 1, digest_of(last))
        at = int(bank.now().timestamp() * 1_000_000)
        made = Checkpoint(number, at, tuple(heads), before, key)
        made = replace(made, signature=bank.signer.sign(statement_of(made)).hex())
        tx.put_checkpoint(made, waits_for_telling=bool(bank.settings.atna_host))
    _log.info("checkpoint %d of the ledger: %s", made.number, digest_of(made))
    return made


def verify(bank: Bank) -> Proof:
    """Look through the bank's own ledger."""
    scope = unbounded(bank, Scope.everything("verify the ledger"))
    # Checkpoints first: what is written after them is no fault of theirs.
    return _proof(bank.index.checkpoints(), bank.index.ledger(scope), bank.signer.public().hex())


def export(bank: Bank, to: IO[bytes]) -> int:
    """Write the whole ledger as lines of JSON, closed by a checkpoint of now; how many lines of the ledger there are.

    First comes what it is and who signs, then the checkpoints, then the ledger by lane and position. It can be
    verified anywhere, without the bank.
    """
    scope = unbounded(bank, Scope.everything("export the ledger"))
    checkpoint(bank)
    to.write(msgspec.json.encode({"format": FORMAT, "key": bank.signer.public().hex()}) + b"\n")
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
    if head.get("format") != FORMAT:
        raise Invalid("this is no ledger that `imagebank audit export` wrote")
    checkpoints: list[Checkpoint] = []
    first: list[Line] = []
    for text in source:
        part = _decoded(text, _Part)
        if part.checkpoint is None:
            first += [] if part.line is None else [part.line]
            break
        checkpoints.append(part.checkpoint)
    return _proof(checkpoints, chain(first, _lines(source)), key or head.get("key", ""))


class _Part(msgspec.Struct, forbid_unknown_fields=True):
    """One line of an export after the first."""

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
        raise Invalid(f"a line of the export cannot be read: {error}") from error


def _proof(checkpoints: list[Checkpoint], lines: Iterable[Line], key: str) -> Proof:
    number = 0

    def counted() -> Iterator[Line]:
        nonlocal number
        for line in lines:
            number += 1
            yield line

    found = tuple(faults(counted(), checkpoints, lambda each: _is_signed(each, key)))
    last = checkpoints[-1] if checkpoints else None
    return Proof(number, len(checkpoints), found, key, digest_of(last) if last else "", last.at if last else 0)


def _is_signed(checkpoint: Checkpoint, key: str) -> bool:
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(bytes.fromhex(checkpoint.signature), statement_of(checkpoint))
    except (InvalidSignature, ValueError):
        return False
    return checkpoint.key == key
