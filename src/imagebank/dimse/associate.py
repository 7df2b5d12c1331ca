"""The PDUs by which an association begins where we are called, read and written byte by byte (PS3.8 9.3.2, 9.3.3).

A client of C-GET proposes more than a hundred contexts. By way of pynetdicom's objects, each of whose UIDs is looked at
several times, that takes as long as to send fifty CT slices.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from imagebank.dicom.part10 import implementation_class_uid, implementation_version
from imagebank.errors import Invalid

_HEAD: Final = struct.Struct(">BBIHH16s16s32s")
_ITEM: Final = struct.Struct(">BxH")
_SHORT, _LONG = struct.Struct(">H"), struct.Struct(">I")
_ACCEPT: Final = 2
# Types of items (PS3.8 tables 9-12 to 9-20, D.1-1, PS3.7 tables D.3-1 to D.3-11).
_APPLICATION, _PROPOSED, _ANSWERED, _ABSTRACT, _TRANSFER, _USER = 0x10, 0x20, 0x21, 0x30, 0x40, 0x50
_MAX_LENGTH, _IMPLEMENTATION, _ROLE, _VERSION, _EXTENDED = 0x51, 0x52, 0x54, 0x55, 0x56
_LONGEST_UID: Final = 64

Roles = Mapping[str, tuple[bool, bool]]


class Asked(NamedTuple):
    """What an A-ASSOCIATE-RQ says. Contexts are their number, abstract syntax and transfer syntaxes."""

    called_aet: str
    calling_aet: str
    application_context: str
    contexts: tuple[tuple[int, str, tuple[str, ...]], ...]
    max_pdu_bytes: int
    roles: Roles
    extended: Mapping[str, bytes]


def read(pdu: bytes) -> Asked:
    """Read an A-ASSOCIATE-RQ; items of unknown types are passed over (PS3.8 9.3.1). Raises Invalid."""
    try:
        *_, called, calling, _ = _HEAD.unpack_from(pdu)
        items = list(_items(pdu[_HEAD.size :]))
        user = [part for kind, body in items if kind == _USER for part in _items(body)]
        lengths = [_LONG.unpack_from(body)[0] for kind, body in user if kind == _MAX_LENGTH]
        return Asked(
            _title(called),
            _title(calling),
            next((_uid(body) for kind, body in items if kind == _APPLICATION), ""),
            tuple(_context(body) for kind, body in items if kind == _PROPOSED),
            lengths[0] if lengths else 0,
            {uid: (bool(rest[0]), bool(rest[1])) for uid, rest in _named(user, _ROLE)},
            dict(_named(user, _EXTENDED)),
        )
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise Invalid(f"the association PDU cannot be read ({type(error).__name__})") from error


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Items, one after another; the last may claim more than there is."""
    at = 0
    while at < len(data):
        kind, length = _ITEM.unpack_from(data, at)
        start = at + _ITEM.size
        at = start + length
        yield kind, data[start:at]


def _title(raw: bytes) -> str:
    """An AE title: its spaces at both ends say nothing, and it must say something (PS3.8 table 9-11)."""
    title = raw.decode("ascii").strip()
    if not title or not title.isprintable() or "\\" in title:
        raise Invalid("an AE title of the association PDU is none")
    return title


def _uid(raw: bytes) -> str:
    uid = raw.decode("ascii").strip(" \0")
    if len(uid) > _LONGEST_UID:
        raise Invalid("a UID of the association PDU is longer than 64 characters")
    return uid


def _context(body: bytes) -> tuple[int, str, tuple[str, ...]]:
    if not body[0] % 2:
        raise Invalid("a presentation context has an even number")
    parts = list(_items(body[4:]))
    abstract = next((_uid(raw) for kind, raw in parts if kind == _ABSTRACT), "")
    offered = dict.fromkeys(_uid(raw) for kind, raw in parts if kind == _TRANSFER)
    return body[0], abstract, tuple(syntax for syntax in offered if syntax)


def _named(user: list[tuple[int, bytes]], kind: int) -> Iterator[tuple[str, bytes]]:
    """Items that begin with a SOP class and its length: the class, and what follows it."""
    for one, body in user:
        if one == kind:
            end = 2 + _SHORT.unpack_from(body)[0]
            if end > len(body):
                raise Invalid("the association PDU ends within a UID")
            yield _uid(body[2:end]), body[end:]


class Answered(NamedTuple):
    """What an A-ASSOCIATE-AC says. Contexts are their number, result and transfer syntax."""

    called_aet: str
    calling_aet: str
    application_context: str
    contexts: tuple[tuple[int, int, str], ...]
    max_pdu_bytes: int
    roles: Roles
    extended: Mapping[str, bytes]


def written(answer: Answered) -> bytes:
    """The A-ASSOCIATE-AC of an answer."""
    user = [
        _item(_MAX_LENGTH, _LONG.pack(answer.max_pdu_bytes)),
        _item(_IMPLEMENTATION, implementation_class_uid.encode("ascii")),
        _item(_VERSION, implementation_version.encode("ascii")),
        *(_about(_ROLE, uid, bytes(role)) for uid, role in answer.roles.items()),
        *(_about(_EXTENDED, uid, info) for uid, info in answer.extended.items()),
    ]
    body = b"".join(
        (
            _item(_APPLICATION, answer.application_context.encode("ascii")),
            *(
                _item(_ANSWERED, bytes((number, 0, result, 0)) + _item(_TRANSFER, syntax.encode("ascii")))
                for number, result, syntax in answer.contexts
            ),
            _item(_USER, b"".join(user)),
        )
    )
    titles = (title.encode("ascii").ljust(16) for title in (answer.called_aet, answer.calling_aet))
    return _HEAD.pack(_ACCEPT, 0, _HEAD.size - 6 + len(body), 1, 0, *titles, bytes(32)) + body


def _item(kind: int, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body


def _about(kind: int, uid: str, what: bytes) -> bytes:
    return _item(kind, _SHORT.pack(len(uid)) + uid.encode("ascii") + what)
