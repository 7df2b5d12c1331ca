"""Exports: what is asked for, what is made of it, and where each of its bytes comes from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Self

from imagebank.errors import Invalid
from imagebank.model.uid import Uid

MOST_STUDIES: Final = 500
MOST_OBJECTS: Final = 50_000
MOST_BYTES: Final = 256 << 30
MOST_DISC_BYTES: Final = 100 << 30
"""Of a disc: the largest that is sold, a BDXL of three layers."""
MOST_FILE_ON_DISC: Final = (1 << 32) - 2049
"""Of one file on it: ISO 9660 counts in 32 bits below its third level of interchange."""
LONGEST_PASSWORD: Final = 128
SHORTEST_PASSWORD: Final = 8


class Format(StrEnum):
    """What an export is packed as."""

    ZIP = "zip"
    ISO = "iso"
    PICTURES = "pictures"

    @property
    def media_type(self) -> str:
        return "application/x-iso9660-image" if self is Format.ISO else "application/zip"

    @property
    def suffix(self) -> str:
        return "iso" if self is Format.ISO else "zip"

    @property
    def has_objects(self) -> bool:
        """Whether it holds the DICOM objects themselves."""
        return self is not Format.PICTURES


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants: which studies, as what, with or without their reports, in which language.

    `password` locks a ZIP archive; empty for none. `words` are the texts of its pages in that language.
    """

    studies: tuple[Uid, ...]
    format: Format = Format.ZIP
    reports: bool = True
    password: str = field(default="", repr=False)
    language: str = "en"
    words: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, studies: Sequence[str], form: str = "", *, reports: bool = True, password: str = "") -> Self:
        """A wish in words. Raises Invalid for one that cannot be met, saying why."""
        if form not in ("", *Format):
            raise Invalid("an export is one of {formats}", formats=", ".join(Format))
        if not studies:
            raise Invalid("name at least one study")
        if len(studies) > MOST_STUDIES:
            raise Invalid("an export holds {most} studies at most; make several", most=MOST_STUDIES)
        if password and form == Format.ISO:
            raise Invalid("a disc cannot have a password, as nothing would open it; choose a ZIP file")
        if password and not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise Invalid("a password has {least} to {most} characters", least=SHORTEST_PASSWORD, most=LONGEST_PASSWORD)
        uids = tuple(dict.fromkeys(Uid.parse(study) for study in studies))
        return cls(uids, Format(form or Format.ZIP), reports, password)


class Kind(StrEnum):
    """What a file of an export is made of."""

    OBJECT = "object"
    PICTURE = "picture"
    FILM = "film"
    DOCUMENT = "document"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Item:
    """One file that is to be made: of which object, by its place in the list; of a picture which frame, from 1.

    Of a report, `number` is its place in the list of reports, and its parts are named with a suffix each. `series` is
    the place of the series under which a page shows it, `label` how.
    """

    kind: Kind
    name: str
    number: int = 0
    frame: int = 0
    series: int = 0
    label: str = ""


@dataclass(frozen=True, slots=True)
class SeriesTold:
    """A series as pages tell it: how many pictures it has, and how many of them are shown."""

    modality: str
    number: str
    description: str
    objects: int
    pictures: int
    shown: int


@dataclass(frozen=True, slots=True)
class StudyTold:
    """A study as pages tell it; dates are DA values. `first` is the place of its first series."""

    patient: str
    patient_id: str
    born: str
    date: str
    description: str
    accession: str
    first: int
    series: tuple[SeriesTold, ...]
    is_contributed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """An export as it was begun: everything that decides what will be in it.

    `objects` are study, series, instance and digest of each; `reports` the numbers of versions and the study of each.
    `at` is the moment that its files bear. Once it `is_locked`, its password is forgotten.
    """

    wish: Wish
    objects: tuple[tuple[Uid, Uid, Uid, str], ...]
    reports: tuple[tuple[int, Uid], ...]
    items: tuple[Item, ...]
    told: tuple[StudyTold, ...]
    at: datetime
    bytes: int
    is_locked: bool = False


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of `size` bytes: `data` itself, a block of the spool, or of an object from `start` on; else zeros.

    `object` is the place of the object whose they are, or that must still be seen for them to leave; -1 for none.
    `key` is by which they are enciphered, `at` how many bytes of that key's stream come before.
    """

    size: int
    data: bytes = b""
    object: int = -1
    start: int = 0
    block: int = -1
    key: bytes = b""
    at: int = 0


@dataclass(frozen=True, slots=True)
class Lock:
    """How a file of an archive is enciphered (WinZip AE-2)."""

    salt: bytes
    verifier: bytes
    code: bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an export that is made: its pieces, and what its archive and its pages have to say of it.

    `kind`, `series` and `label` are those of its item; None for what is about all of them. `records` are the keys of its directory records, from patient to object, and `record` the type of the last. `trouble`
    says why there is no such file, or why it is not as the media profiles want it.
    """

    name: str
    pieces: tuple[Piece, ...] = ()
    crc: int = 0
    lock: Lock | None = None
    record: str = ""
    records: tuple[bytes, ...] = ()
    patient: str = ""
    uids: tuple[str, str, str] = ("", "", "")
    trouble: str = ""
    kind: Kind | None = None
    series: int = 0
    label: str = ""

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Plan:
    """An export that is ready: where each of its bytes comes from, in order. `tag` changes when any of them does."""

    pieces: tuple[Piece, ...]
    tag: str
    files: int

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an export is: items made, of how many; its size in bytes once it is ready, -1 before."""

    name: str
    format: Format
    done: int
    of: int
    bytes: int
    expires_at: datetime
    has_password: bool = False
    troubles: tuple[str, ...] = ()

    @property
    def is_ready(self) -> bool:
        return self.bytes >= 0
