"""Where an export waits: what was asked, what was made for it, and where its bytes come from; sealed, in the data folder.

Each caller has a folder, as for uploads. In it an export is a folder with `asked`, then `members` and `parts`, which grow
while it is made, then `plan`. The objects themselves are never copied here.
"""

import os
import re
import shutil
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import zstandard

from imagebank.actions import upload_spool
from imagebank.actions.alone import alone
from imagebank.actions.unnamed import write_all
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, OutOfSpace
from imagebank.model.access import Principal
from imagebank.model.export import Asked, Member, Piece, Plan

T = TypeVar("T")

KEPT: Final = timedelta(hours=24)
"""How long an export can be taken."""
BLOCK: Final = 1 << 20
"""Of what was made so much is sealed together, so that a part of it can be read."""
_NAME: Final = re.compile(r"[0-9a-f]{32}")
_SIZE: Final = struct.Struct(">I")


def root(bank: Bank) -> Path:
    return bank.settings.data / "exports"


def folder_of(bank: Bank, principal: Principal) -> Path:
    """Where the exports of a caller are."""
    return root(bank) / upload_spool.folder_of(bank, principal).name


def place_of(bank: Bank, name: str, principal: Principal) -> Path:
    """Where an export of this name is, if the caller has one. Raises NotFound."""
    place = folder_of(bank, principal) / name
    if not _NAME.fullmatch(name) or not (place / "asked").is_file():
        raise missing()
    return place


def missing() -> NotFound:
    return NotFound("there is no such export, or it waited too long; begin it anew")


def begin(bank: Bank, place: Path, asked: Asked) -> None:
    """Keep what was asked. Raises OutOfSpace."""
    with _room():
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(bank, place / "asked", asked)


def asked_of(bank: Bank, place: Path) -> Asked:
    """What was asked. Raises NotFound."""
    return _read(bank, place / "asked", Asked)


def plan_of(bank: Bank, place: Path) -> Plan | None:
    """Where its bytes come from; None while it is being made."""
    with suppress(NotFound):
        return _read(bank, place / "plan", Plan)
    return None


def finish(bank: Bank, place: Path, plan: Plan) -> None:
    """Keep where its bytes come from; from now on it is ready."""
    with _room():
        # What it leads to has to be there whenever it is.
        with (place / "parts").open("ab") as parts:
            os.fsync(parts.fileno())
        _write(bank, place / "plan", plan)


def expires_at(place: Path) -> datetime:
    """When it goes. Raises NotFound."""
    try:
        return datetime.fromtimestamp(int((place / "asked").stat().st_mtime), UTC) + KEPT
    except OSError:
        raise missing() from None


def touch(bank: Bank, place: Path) -> None:
    """Let it wait anew from now on."""
    now = bank.now().timestamp()
    with suppress(OSError):
        os.utime(place / "asked", (now, now))


def remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def sweep(bank: Bank) -> int:
    """Let go of what waited too long; how many."""
    gone = 0
    for folder in sorted(root(bank).glob("*")):
        for place in sorted(folder.iterdir()):
            try:
                is_over = bank.now() >= expires_at(place)
            except NotFound:
                is_over = True  # a crash has left it before it was begun
            if is_over:
                remove(place)
                gone += 1
    return gone


def held(place: Path) -> AbstractContextManager[None]:
    """One at a time makes an export. Raises Conflict while another does, NotFound when it is gone."""
    return alone(place / "asked", missing(), Conflict("this export is being made at this moment"))


class Making:
    """Takes what is made for an export, file after file; to be used within `held`."""

    def __init__(self, bank: Bank, place: Path) -> None:
        self._bank = bank
        self._place = place
        self.files, end, parts = _made(bank, place)
        with _room():
            # What a crash has cut short is made again.
            for name, size in (("members", end), ("parts", parts)):
                with (place / name).open("ab") as file:
                    file.truncate(size)
        self._parts = parts

    def put(self, content: Iterable[bytes], about: int) -> tuple[Piece, ...]:
        """Keep bytes that were made of the object with this place; the pieces that give them."""
        pieces = []
        with _room(), (self._place / "parts").open("ab", buffering=0) as file:
            for data in _blocks(content):
                sealed = self._bank.seal.seal(data)
                write_all(file, _SIZE.pack(len(sealed)) + sealed)
                pieces.append(Piece(len(data), object=about, block=self._parts))
                self._parts += _SIZE.size + len(sealed)
        return tuple(pieces)

    def add(self, members: Sequence[Member]) -> None:
        """The files of the next item are whole."""
        line = self._bank.seal.seal(_packed((members, self._parts)))
        with _room(), (self._place / "members").open("ab", buffering=0) as file:
            write_all(file, _SIZE.pack(len(line)) + line)
        self.files.append(tuple(members))


def made(bank: Bank, place: Path) -> list[tuple[Member, ...]]:
    """The files of each item that is made so far."""
    return _made(bank, place)[0]


def block(bank: Bank, place: Path, at: int) -> bytes:
    """A block of what was made. Raises NotFound, and Invalid when it was altered."""
    try:
        with (place / "parts").open("rb") as file:
            file.seek(at)
            (size,) = _SIZE.unpack(file.read(_SIZE.size))
            return bank.seal.unseal(file.read(size))
    except (OSError, struct.error):
        raise missing() from None


def _made(bank: Bank, place: Path) -> tuple[list[tuple[Member, ...]], int, int]:
    """The files that are made, and how far their list and their parts go by them."""
    found: list[tuple[Member, ...]] = []
    end = parts = 0
    data = (place / "members").read_bytes() if (place / "members").exists() else b""
    while len(data) >= end + _SIZE.size:
        (size,) = _SIZE.unpack_from(data, end)
        try:
            line = bank.seal.unseal(data[end + _SIZE.size : end + _SIZE.size + size])
        except Invalid:
            break
        members, parts = _unpacked(line, tuple[tuple[Member, ...], int])
        found.append(members)
        end += _SIZE.size + size
    return found, end, parts


def _blocks(content: Iterable[bytes]) -> Iterator[bytes]:
    waiting = bytearray()
    for data in content:
        waiting += data
        while len(waiting) >= BLOCK:
            yield bytes(waiting[:BLOCK])
            del waiting[:BLOCK]
    if waiting:
        yield bytes(waiting)


def _write(bank: Bank, path: Path, value: object) -> None:
    sealed = bank.seal.seal(zstandard.compress(_packed(value), 1))
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(sealed)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _read(bank: Bank, path: Path, kind: type[T]) -> T:
    try:
        sealed = path.read_bytes()
    except OSError:
        raise missing() from None
    return _unpacked(zstandard.decompress(bank.seal.unseal(sealed)), kind)


def _packed(value: object) -> bytes:
    return msgspec.msgpack.encode(value, enc_hook=str)


def _unpacked(data: bytes, kind: type[T]) -> T:
    try:
        return msgspec.msgpack.decode(data, type=kind, dec_hook=_as_uid)
    except msgspec.DecodeError:
        raise missing() from None  # another version of the program has written it


def _as_uid(kind: type, value: object) -> object:
    return kind(value)


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutOfSpace("there is no room on the disk to make this export") from error
