"""What will be in an export: every file by name, before any is made."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count, groupby
from typing import Any, Final

from imagebank.actions import retrieve, search
from imagebank.bank import Bank
from imagebank.dicom.layout import DECODABLE
from imagebank.errors import BankError, Invalid
from imagebank.model.access import Principal, Scope
from imagebank.model.attribute import Level
from imagebank.model.contributed import is_contributed
from imagebank.model.export import (
    MOST_BYTES,
    MOST_DISC_BYTES,
    MOST_FILE_ON_DISC,
    MOST_OBJECTS,
    Asked,
    Format,
    Item,
    Kind,
    SeriesTold,
    StudyTold,
    Wish,
)
from imagebank.model.imaging import DataSet, Instance, Selection
from imagebank.model.report import CANCELLED, Report
from imagebank.model.uid import Uid
from imagebank.packing.choice import chosen
from imagebank.packing.names import numbered, readable, words_of
from imagebank.packing.pages import FOLDER

SHOWN_OF_SERIES: Final = 60
SHOWN_IN_ALL: Final = 3_000
PICTURES_OF_SERIES: Final = 300
PICTURES_IN_ALL: Final = 5_000
_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
PDF: Final = f"{_STORAGE}104.1"
_WORDS: Final = f"{_STORAGE}88."
_KEY_OBJECTS: Final = f"{_STORAGE}88.59"
# Segmentations and doses say nothing without the images that they lie on.
_OVERLAYS: Final = frozenset({f"{_STORAGE}66.4", f"{_STORAGE}66.7", f"{_STORAGE}481.2"})
_MPEG_4: Final = "1.2.840.10008.1.2.4."
FILMS: Final = frozenset(f"{_MPEG_4}{number}{rest}" for number in range(102, 109) for rest in ("", ".1"))
"""H.264 and HEVC (PS3.5 8.2.7 to 8.2.9): what browsers and telephones play."""
_EVIDENCE: Final = ("0040A375", "00081115", "00081199", "00081155")


@dataclass(frozen=True, slots=True)
class Size:
    """How much a study would bring: objects, their bytes, and versions of reports."""

    study: Uid
    objects: int
    bytes: int
    reports: int


def sizes(bank: Bank, studies: Sequence[Uid], principal: Principal) -> list[Size]:
    """How much each study would bring. Raises NotFound when any is not there for the caller."""
    return [
        Size(study, len(found), sum(one.location.size for one in found), len(_reports(bank, study, principal.scope)))
        for study, found in _selected(bank, studies, principal.scope).items()
    ]


def _selected(bank: Bank, studies: Sequence[Uid], scope: Scope) -> dict[Uid, list[Instance]]:
    return {study: retrieve.select(bank, Selection(study), scope) for study in studies}


def survey(bank: Bank, wish: Wish, principal: Principal) -> Asked:
    """Everything that will be in an export.

    Raises NotFound when a study is not there for the caller, Invalid for more than an export holds.
    """
    found = _selected(bank, wish.studies, principal.scope)
    instances = [one for members in found.values() for one in members]
    size = sum(one.location.size for one in instances)
    _check(wish, instances, size)
    reports = [
        (report.id, study) for study in found if wish.reports for report in _reports(bank, study, principal.scope)
    ]
    surveyor = _Surveyor(bank, wish, principal.scope)
    told = tuple(surveyor.study(study, members) for study, members in found.items())
    for place, (_, study) in enumerate(reports):
        surveyor.report(place, study)
    objects = tuple((one.study, one.series, one.uid, str(one.digest)) for one in instances)
    # A moment of the content's own: what is made of the same content is the same, to the last byte.
    at = max(one.received_at for one in instances).astimezone(UTC).replace(microsecond=0)
    return Asked(wish, objects, tuple(reports), tuple(surveyor.items), told, _even(at), size, bool(wish.password))


def _even(at: datetime) -> datetime:
    """Archives count by two seconds."""
    return at.replace(second=at.second // 2 * 2)


def _check(wish: Wish, instances: Sequence[Instance], size: int) -> None:
    if len(instances) > MOST_OBJECTS:
        raise Invalid(
            "these are {count:,} objects, and an export holds {most:,}; make several",
            count=len(instances),
            most=MOST_OBJECTS,
        )
    if size > MOST_BYTES:
        raise Invalid(
            "these are {size:,} GiB, and an export holds {most:,}; make several", size=size >> 30, most=MOST_BYTES >> 30
        )
    if wish.format is not Format.ISO:
        return
    if size > MOST_DISC_BYTES:
        raise Invalid("no disc holds these {size:,} GiB; choose a ZIP file, or fewer studies", size=size >> 30)
    if any(one.location.size > MOST_FILE_ON_DISC for one in instances):
        raise Invalid("one of the objects has more than 4 GiB, which a disc cannot hold; choose a ZIP file")


def _reports(bank: Bank, study: Uid, scope: Scope) -> list[Report]:
    """The newest version of each report of a study, without those that were cancelled."""
    newest: dict[str, Report] = {}
    for report in bank.index.orders.reports(study, scope):
        newest.setdefault(report.number, report)
    return [report for report in newest.values() if report.status != CANCELLED]


class _Surveyor:
    """Names files one after another: of studies, their series and objects, then of reports."""

    def __init__(self, bank: Bank, wish: Wish, scope: Scope) -> None:
        self._bank, self._wish, self._scope = bank, wish, scope
        self.items: list[Item] = []
        self._objects = count()
        self._series = 0
        self._left = SHOWN_IN_ALL if wish.format.has_objects else PICTURES_IN_ALL
        self._most = SHOWN_OF_SERIES if wish.format.has_objects else PICTURES_OF_SERIES
        self._numbers = {kind: count(1) for kind in Kind}
        self._studies = count(1)
        self._folders: set[str] = set()
        self._places: dict[Uid, tuple[int, str]] = {}

    def study(self, study: Uid, members: Sequence[Instance]) -> StudyTold:
        head = _attributes(self._bank, Level.STUDY, study, self._scope)[0]
        named = {_text(one, "0020000E"): one for one in _attributes(self._bank, Level.SERIES, study, self._scope)}
        first, told = self._series, []
        wanted = _key_images(self._bank, members)
        names = _Names(head, numbered("DICOM", "ST", next(self._studies)), self._folder(head))
        self._places[study] = (first, names.plain)
        for place, (series, group) in enumerate(groupby(members, key=lambda one: one.series), 1):
            told.append(self._told(names, place, named.get(str(series), {}), list(group), wanted))
        return StudyTold(
            _name(head),
            _text(head, "00100020"),
            _text(head, "00100030"),
            _text(head, "00080020"),
            _text(head, "00081030"),
            _text(head, "00080050"),
            first,
            tuple(told),
            is_contributed(_text(head, "00100021")),
        )

    def _folder(self, head: DataSet) -> str:
        """A folder for the plain files of a study, which no other has and which does not say whose they are."""
        what = " ".join(filter(None, (_day(head), _text(head, "00080061"), _text(head, "00081030"))))
        name = readable(what, _secrets(head)) or "images"
        free = next(
            one for number in count(1) if (one := f"{name} ({number})" if number > 1 else name) not in self._folders
        )
        self._folders.add(free)
        return free

    def _told(
        self, names: "_Names", place: int, about: DataSet, members: Sequence[Instance], wanted: frozenset[str]
    ) -> SeriesTold:
        numbers = [next(self._objects) for _ in members]
        folder = numbered(names.dicom, "SE", place)
        for within, (number, one) in enumerate(zip(numbers, members, strict=True), 1):
            if self._wish.format.has_objects:
                self.items.append(Item(Kind.OBJECT, numbered(folder, "IM", within), number, series=self._series))
            self._other(names, number, one)
        frames = list(_frames(numbers, members))
        most = min(self._most, self._left)
        keys = {at for at, (number, _) in enumerate(frames) if str(members[number - numbers[0]].uid) in wanted}
        shown = chosen(len(frames), most, keys) if most else []
        self._left -= len(shown)
        plain = names.series(about, place)
        for at, which in enumerate(shown, 1):
            number, frame = frames[which]
            name = (
                numbered(numbered(FOLDER, "S", self._series + 1), "P", at, "JPG")
                if self._wish.format.has_objects
                else f"{plain}/{at:04}.jpg"
            )
            self.items.append(Item(Kind.PICTURE, name, number, frame, series=self._series, label=str(which + 1)))
        self._series += 1
        told = (_text(about, "00080060"), _text(about, "00200011"), _text(about, "0008103E"))
        return SeriesTold(*told, len(members), len(frames), len(shown))

    def _other(self, names: "_Names", number: int, one: Instance) -> None:
        """A film or a document, beside its object."""
        is_words = one.sop_class.startswith(_WORDS) and one.sop_class != _KEY_OBJECTS
        is_document = self._wish.reports and (one.sop_class == PDF or is_words)
        kind = Kind.FILM if one.transfer_syntax in FILMS else Kind.DOCUMENT if is_document else None
        if kind is None:
            return
        at = next(self._numbers[kind])
        letter, suffix = ("F", "MP4") if kind is Kind.FILM else ("D", "TXT" if is_words else "PDF")
        word = "film" if kind is Kind.FILM else "document"
        name = (
            numbered(FOLDER, letter, at, suffix)
            if self._wish.format.has_objects
            else f"{names.plain}/{word} {at}.{suffix.lower()}"
        )
        self.items.append(Item(kind, name, number, 1, series=self._series, label=str(at)))

    def report(self, place: int, study: Uid) -> None:
        """Every part of a report: a document as it is, text as text."""
        at, (first, folder) = next(self._numbers[Kind.REPORT]), self._places[study]
        name = f"{FOLDER}/R{at:05}" if self._wish.format.has_objects else f"{folder}/report {at}"
        self.items.append(Item(Kind.REPORT, name, place, series=first, label=f"Report {at}"))


@dataclass(frozen=True, slots=True)
class _Names:
    """Where the files of a study go: as DICOM, and as plain pictures."""

    head: DataSet
    dicom: str
    plain: str

    def series(self, about: DataSet, place: int) -> str:
        what = readable(_text(about, "0008103E") or _text(about, "00080060"), _secrets(self.head))
        return f"{self.plain}/{place:02} {what}".rstrip()


def _secrets(head: DataSet) -> frozenset[str]:
    """Words that would say whose images they are."""
    return words_of(_name(head), _text(head, "00100020"))


def _frames(numbers: Sequence[int], members: Sequence[Instance]) -> Iterator[tuple[int, int]]:
    """Every picture of a series: the place of its object, and the frame from 1."""
    for number, one in zip(numbers, members, strict=True):
        if one.pixels is not None and one.transfer_syntax in DECODABLE and one.sop_class not in _OVERLAYS:
            yield from ((number, frame) for frame in range(1, one.pixels.frames + 1))


def _key_images(bank: Bank, members: Sequence[Instance]) -> frozenset[str]:
    """The objects that somebody has marked as important (PS3.3 A.35.4)."""
    found: set[str] = set()
    for one in members:
        if one.sop_class == _KEY_OBJECTS:
            try:
                found.update(_named([retrieve.attributes(bank, one)], _EVIDENCE))
            except BankError:
                continue
    return frozenset(found)


def _named(items: Sequence[Any], path: Sequence[str]) -> Iterator[str]:
    for item in items:
        values = (item or {}).get(path[0], {}).get("Value", [])
        if path[1:]:
            yield from _named(values, path[1:])
        else:
            yield from map(str, values)


def _attributes(bank: Bank, level: Level, study: Uid, scope: Scope) -> list[DataSet]:
    # Between two looks a study can go.
    return [found.attributes for found in search.of_studies(bank, [study], scope, level)] or [{}]


def _text(found: DataSet, tag: str) -> str:
    values = [value for value in found.get(tag, {}).get("Value", []) if value is not None]
    return " ".join(str(value) for value in values if not isinstance(value, dict)).strip()


def _name(found: DataSet) -> str:
    values = found.get("00100010", {}).get("Value", [])
    value = values[0] if values and isinstance(values[0], dict) else {}
    groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic")]
    return " ".join(" ".join(group.replace("^", " ").split()) for group in groups if group)


def _day(found: DataSet) -> str:
    text = _text(found, "00080020")
    return f"{text[:4]}-{text[4:6]}-{text[6:]}" if len(text) == 8 else ""
