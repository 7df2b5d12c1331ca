"""A ZIP archive of files that are stored as they are (APPNOTE 6.3), so that every byte has its place beforehand."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from imagebank.model.export import Lock, Member, Piece
from imagebank.packing.cipher import CODE_BYTES, SALT_BYTES

_LOCAL: Final = struct.Struct("<4sHHHHHLLLHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHLLLHHHHHLL")
_END: Final = struct.Struct("<4sHHHHLLH")
_END_64: Final = struct.Struct("<4sQHHLLQQQQ")
_LOCATOR: Final = struct.Struct("<4sLQL")
_UTF_8: Final = 1 << 11
_LOCKED: Final = 1
_STORED: Final = 0
_AES: Final = 99
_FULL, _MANY = 0xFFFFFFFF, 0xFFFF
_NEEDS: Final = {False: 20, True: 45}
_NEEDS_AES: Final = 51
_UNIX: Final = 3 << 8
_MODE: Final = 0o100644 << 16


def layout(members: Sequence[Member], at: datetime) -> list[Piece]:
    """The pieces of an archive of these files, in their order; all bear the moment `at`."""
    found: list[Piece] = []
    central: list[bytes] = []
    offset = 0
    for member in members:
        header = _local(member, at)
        central.append(_listed(member, at, offset))
        for piece in (Piece(len(header), header), *_content(member)):
            found.append(piece)
            offset += piece.size
    listing = b"".join(central)
    ending = listing + _ending(len(members), len(listing), offset)
    return [*found, Piece(len(ending), ending)]


def _content(member: Member) -> Iterator[Piece]:
    if member.lock is None:
        yield from member.pieces
        return
    lock, at = member.lock, 0
    before = lock.salt + lock.verifier
    yield Piece(len(before), before)
    for piece in member.pieces:
        yield replace(piece, at=at)
        at += piece.size
    yield Piece(len(lock.code), lock.code)


def _stored_size(member: Member) -> int:
    lock = member.lock
    return member.size + (0 if lock is None else SALT_BYTES + len(lock.verifier) + CODE_BYTES)


def _time(at: datetime) -> tuple[int, int]:
    """Time and date as DOS counts them: by two seconds, and from 1980 on."""
    year = min(max(at.year, 1980), 2107)
    return at.hour << 11 | at.minute << 5 | at.second // 2, (year - 1980) << 9 | at.month << 5 | at.day


def _shared(member: Member, at: datetime, *, is_large: bool) -> tuple[int, int, int, int, int, int]:
    """What local and central headers say alike: version needed, flags, method, time, date, CRC."""
    lock = member.lock
    needs = _NEEDS[is_large] if lock is None else _NEEDS_AES
    flags = (0 if member.name.isascii() else _UTF_8) | (_LOCKED if lock else 0)
    # AE-2 keeps the CRC back: it would tell of what a short file says.
    return needs, flags, _AES if lock else _STORED, *_time(at), 0 if lock else member.crc


def _aes(lock: Lock | None) -> bytes:
    """The extra field that says: version 2, AES-256, stored."""
    return b"" if lock is None else struct.pack("<HHH2sBH", 0x9901, 7, 2, b"AE", 3, _STORED)


def _local(member: Member, at: datetime) -> bytes:
    name, size, stored = member.name.encode(), member.size, _stored_size(member)
    is_large = stored >= _FULL
    wide = struct.pack("<HHQQ", 1, 16, size, stored) if is_large else b""
    extra = wide + _aes(member.lock)
    sizes = (_FULL, _FULL) if is_large else (stored, size)
    head = _LOCAL.pack(b"PK\3\4", *_shared(member, at, is_large=is_large), *sizes, len(name), len(extra))
    return head + name + extra


def _listed(member: Member, at: datetime, offset: int) -> bytes:
    name, size, stored = member.name.encode(), member.size, _stored_size(member)
    is_large, is_far = stored >= _FULL, offset >= _FULL
    numbers = [*((size, stored) if is_large else ()), *((offset,) if is_far else ())]
    wide = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    extra = wide + _aes(member.lock)
    shared = _shared(member, at, is_large=bool(numbers))
    sizes = (_FULL, _FULL) if is_large else (stored, size)
    place = _FULL if is_far else offset
    made_by = _UNIX | shared[0]
    head = _CENTRAL.pack(b"PK\1\2", made_by, *shared, *sizes, len(name), len(extra), 0, 0, 0, _MODE, place)
    return head + name + extra


def _ending(count: int, length: int, offset: int) -> bytes:
    found = b""
    if count >= _MANY or length >= _FULL or offset >= _FULL:
        found = _END_64.pack(b"PK\6\6", _END_64.size - 12, _UNIX | 45, 45, 0, 0, count, count, length, offset)
        found += _LOCATOR.pack(b"PK\6\7", 0, offset + length, 1)
    few = min(count, _MANY)
    return found + _END.pack(b"PK\5\6", 0, 0, few, few, min(length, _FULL), min(offset, _FULL), 0)
