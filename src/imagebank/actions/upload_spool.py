"""Where the bytes of an upload wait until all are there: in the data folder, sealed, and durable with every answer.

Each caller has a folder, named by a digest of who it is, so that nobody comes upon what is somebody else's. In it an
upload is a folder with `state` (what was said of it, sealed) and `content`: how far it is, then sealed blocks, each of
which knows its upload and its place. What became of a finished one is a sealed file beside it.
"""

import fcntl
import os
import re
import secrets
import shutil
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from imagebank.actions.alone import alone
from imagebank.actions.unnamed import write_all
from imagebank.bank import Bank
from imagebank.errors import Conflict, Invalid, NotFound, OutOfSpace
from imagebank.model.access import Principal

KEPT: Final = timedelta(hours=24)
"""How long an upload waits for its next byte, and the answer for somebody who asks again."""
_NAME: Final = re.compile(r"[0-9a-f]{32}")
# How many bytes have come, how many there will be, where the last block ends, and when it came.
_HEAD: Final = struct.Struct(">QQQQ")
_BLOCK: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">16sQ")
_DONE: Final = struct.Struct(">QQ")
_SUFFIX: Final = ".done"


@dataclass(frozen=True, slots=True)
class Head:
    """How far an upload has come. What lies behind `end` was never answered for, and does not count."""

    offset: int
    length: int
    end: int
    touched: int

    @property
    def expires_at(self) -> datetime:
        return _at(self.touched) + KEPT


def root(bank: Bank) -> Path:
    return bank.settings.data / "uploads"


def folder_of(bank: Bank, principal: Principal) -> Path:
    """Where the uploads of a caller are."""
    who = f"{principal.organization}\0{principal.name}"
    return root(bank) / sha256(who.encode("utf-8", "replace")).hexdigest()[:32]


def place_of(bank: Bank, name: str, principal: Principal) -> Path:
    """Where an upload of this name is, if the caller has one. Raises NotFound for what is no name."""
    if not _NAME.fullmatch(name):
        raise missing()
    return folder_of(bank, principal) / name


def missing() -> NotFound:
    return NotFound("there is no such upload, or it waited too long; begin it anew")


def heads(folder: Path) -> dict[str, Head]:
    """How far each unfinished upload of a folder has come."""
    found: dict[str, Head] = {}
    for place in _within(folder):
        with suppress(NotFound):
            found |= {place.name: head_of(place)} if _NAME.fullmatch(place.name) else {}
    return found


def all_heads(bank: Bank) -> list[Head]:
    """How far every unfinished upload has come."""
    return [head for folder in _within(root(bank)) for head in heads(folder).values()]


def begin(bank: Bank, folder: Path, length: int, state: bytes) -> str:
    """Make room for an upload; its name, which nobody can guess. Raises OutOfSpace."""
    name = secrets.token_hex(16)
    place = folder / name
    try:
        place.mkdir(mode=0o700, parents=True)
        head = Head(0, length, _HEAD.size, _seconds(bank))
        _write(place / "state", bank.seal.seal(_PLACE.pack(bytes.fromhex(name), 0) + state))
        # Last: what has no content is no upload yet.
        _write(place / "content", _packed(head))
        for made in (place, folder, root(bank), bank.settings.data):  # each may hold a new name
            _sync_folder(made)
    except OSError as error:
        shutil.rmtree(place, ignore_errors=True)
        raise _no_room() from error
    return name


def head_of(place: Path) -> Head:
    """How far an upload has come. Raises NotFound."""
    try:
        with (place / "content").open("rb") as file:
            return _head(file)
    except (OSError, struct.error):
        raise missing() from None


def state_of(bank: Bank, place: Path) -> bytes:
    """What was said of an upload when it began. Raises NotFound."""
    try:
        sealed = (place / "state").read_bytes()
    except OSError:
        raise missing() from None
    return _opened(bank, sealed, place.name, 0)


def append(bank: Bank, place: Path, offset: int, data: bytes) -> Head:
    """Keep the next bytes, durably. Raises Conflict when they are not the next, Invalid when they are too many."""
    try:
        with (place / "content").open("r+b", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            head = _head(file)
            if head.offset != offset:
                raise Conflict(
                    "{come} bytes have come, and yours begin at {offset}; ask where to go on",
                    come=head.offset,
                    offset=offset,
                )
            if head.offset + len(data) > head.length:
                raise Invalid("more bytes than the {length} that were announced", length=head.length)
            sealed = bank.seal.seal(_PLACE.pack(bytes.fromhex(place.name), offset) + data)
            file.seek(head.end)
            write_all(file, _BLOCK.pack(len(sealed)) + sealed)
            os.fdatasync(file)
            end = head.end + _BLOCK.size + len(sealed)
            grown = Head(offset + len(data), head.length, end, _seconds(bank))
            os.pwrite(file.fileno(), _packed(grown), 0)
            os.fdatasync(file)
    except FileNotFoundError:
        raise missing() from None
    except OSError as error:
        raise _no_room() from error
    return grown


def pieces(bank: Bank, place: Path) -> Iterator[bytes]:
    """The bytes that have come, in order. Raises NotFound; Invalid when the spool was altered."""
    try:
        file = (place / "content").open("rb")
    except OSError:
        raise missing() from None
    with file:
        head, offset = _head(file), 0
        while file.tell() < head.end:
            (size,) = _BLOCK.unpack(file.read(_BLOCK.size))
            piece = _opened(bank, file.read(size), place.name, offset)
            offset += len(piece)
            yield piece


def held(place: Path) -> AbstractContextManager[None]:
    """One at a time may finish an upload. Raises Conflict while another does, NotFound when it is gone."""
    return alone(
        place / "state", missing(), Conflict("this upload is being taken in at this moment; ask again in some seconds")
    )


def finish(bank: Bank, place: Path, answer: bytes) -> None:
    """Keep what became of an upload in place of its bytes. Raises OutOfSpace."""
    length = head_of(place).length
    sealed = bank.seal.seal(_PLACE.pack(bytes.fromhex(place.name), length) + answer)
    done, fresh = _done(place), place / "answer"
    try:
        fresh.unlink(missing_ok=True)  # what a crash has left
        _write(fresh, _DONE.pack(length, _seconds(bank)) + sealed)
        fresh.replace(done)
        _sync_folder(done.parent)
    except OSError as error:
        raise _no_room() from error
    shutil.rmtree(place, ignore_errors=True)


def answer_of(bank: Bank, place: Path) -> tuple[Head, bytes] | None:
    """What became of a finished upload; None for any other."""
    try:
        data = _done(place).read_bytes()
    except OSError:
        return None
    length, touched = _DONE.unpack_from(data)
    return Head(length, length, 0, touched), _opened(bank, data[_DONE.size :], place.name, length)


def remove(place: Path) -> bool:
    """Let go of an upload and of what became of it; whether there was one."""
    was_there = place.is_dir() or _done(place).exists()
    shutil.rmtree(place, ignore_errors=True)
    _done(place).unlink(missing_ok=True)
    return was_there


def sweep(bank: Bank) -> int:
    """Let go of what waited too long; how many."""
    gone = 0
    for folder in _within(root(bank)):
        for place in _within(folder):
            if bank.now() >= _touched(place) + KEPT:
                gone += remove(place.with_suffix(""))
                # A plain copy that a crash has left, or an upload whose beginning was cut short.
                shutil.rmtree(place, ignore_errors=True)
    return gone


def _within(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _touched(place: Path) -> datetime:
    """When something last came for what lies here."""
    try:
        if place.suffix == _SUFFIX:
            with place.open("rb") as file:
                return _at(_DONE.unpack(file.read(_DONE.size))[1])
        return _at(head_of(place).touched)
    except (NotFound, OSError, struct.error):
        return _at(int(place.stat().st_mtime))


def _done(place: Path) -> Path:
    return place.with_name(place.name + _SUFFIX)


def _head(file: IO[bytes]) -> Head:
    file.seek(0)
    return Head(*_HEAD.unpack(file.read(_HEAD.size)))


def _packed(head: Head) -> bytes:
    return _HEAD.pack(head.offset, head.length, head.end, head.touched)


def _opened(bank: Bank, sealed: bytes, name: str, offset: int) -> bytes:
    opened = bank.seal.unseal(sealed)
    if opened[: _PLACE.size] != _PLACE.pack(bytes.fromhex(name), offset):
        raise Invalid("the bytes of this upload were moved on the disk; begin it anew")
    return opened[_PLACE.size :]


def _at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _seconds(bank: Bank) -> int:
    return int(bank.now().timestamp())


def _write(path: Path, data: bytes) -> None:
    with path.open("xb", buffering=0) as file:
        write_all(file, data)
        os.fsync(file)


def _sync_folder(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _no_room() -> OutOfSpace:
    return OutOfSpace("there is no room on the disk for this upload; what has come of it is kept")
