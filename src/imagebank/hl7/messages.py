"""HL7 version 2 messages in their classic coding (chapter 2): read leniently, and nothing of it believed.

A message is kept as text and split where it is asked: most fields are never looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from imagebank.errors import Invalid

MAX_SEGMENTS: Final = 10_000
_LINES: Final = re.compile(r"\r\n?|\n")
_BOM: Final = b"\xef\xbb\xbf"
_DEFAULTS: Final = "^~\\&"
_NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")

CHARSETS: Final = {
    "ASCII": "ascii",
    **{f"8859/{part}": f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 15)},
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "GB 18030-2000": "gb18030",
    "BIG-5": "big5",
    "KS X 1001": "euc-kr",
    "ISO IR14": "iso2022_jp",
    "ISO IR87": "iso2022_jp",
    "ISO IR159": "iso2022_jp_2",
}
"""What MSH-18 may name (table 0211), and what it is called here."""


@dataclass(frozen=True, slots=True)
class Marks:
    """The separators of one message: field, component, repetition, escape, subcomponent."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    part: str = "&"

    @classmethod
    def read(cls, text: str) -> "Marks":
        """From the beginning of an MSH segment; what is missing there is as it usually is. Raises Invalid."""
        mark = text[3:4]
        if not mark or mark.isalnum() or mark.isspace():
            raise Invalid("the message names no field separator")
        given = text[4:].partition(mark)[0][:4]
        marks = (given + _DEFAULTS[len(given) :])[:4]
        if len({mark, *marks}) != 5 or any(each.isalnum() or each.isspace() for each in marks):
            raise Invalid("the separators of the message cannot be told from each other")
        return cls(mark, *marks)


@dataclass(frozen=True, slots=True)
class Value:
    """One repetition of a field, with its components."""

    raw: str
    marks: Marks

    def __bool__(self) -> bool:
        return self.raw not in ("", '""')

    def component(self, number: int, part: int = 1) -> str:
        """A component by its number, or one subcomponent of it, unescaped; empty where there is none, or `""` stands."""
        pieces = self.raw.split(self.marks.component)
        piece = pieces[number - 1] if number <= len(pieces) else ""
        parts = piece.split(self.marks.part)
        text = parts[part - 1] if part <= len(parts) else ""
        return "" if text == '""' else unescape(text, self.marks).strip()

    @property
    def text(self) -> str:
        """All of it as one text."""
        return "" if self.raw == '""' else unescape(self.raw, self.marks)


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: its name and its fields, of which the first is number 1."""

    name: str
    fields: Sequence[str]
    marks: Marks

    def values(self, number: int) -> list[Value]:
        """The repetitions of a field; none of an empty one."""
        raw = self.fields[number] if number < len(self.fields) else ""
        return [Value(each, self.marks) for each in raw.split(self.marks.repetition)] if raw else []

    def value(self, number: int) -> Value:
        """The first repetition of a field."""
        return next(iter(self.values(number)), Value("", self.marks))

    def get(self, number: int, component: int = 1, part: int = 1) -> str:
        """A component of a field's first repetition."""
        return self.value(number).component(component, part)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that could be read: its segments in their order, the first of them MSH."""

    segments: Sequence[Segment]
    marks: Marks = field(default_factory=Marks)

    @property
    def header(self) -> Segment:
        return self.segments[0]

    @property
    def type(self) -> str:
        """Code and trigger event, such as `ADT^A01`."""
        code, event, structure = (self.header.get(9, number) for number in (1, 2, 3))
        return f"{code}^{event or structure.rpartition('_')[2]}" if event or structure else code

    @property
    def control(self) -> str:
        return self.header.get(10)

    def first(self, name: str) -> Segment | None:
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Segment]:
        return (each for each in self.segments if each.name == name)


def read(raw: bytes) -> Message:
    """Read a message. Raises Invalid for what is none."""
    text = decoded(raw)
    if not text.startswith("MSH"):
        raise Invalid("a message begins with the segment MSH")
    marks = Marks.read(text)
    lines = [line for line in _LINES.split(text) if line.strip()]
    if len(lines) > MAX_SEGMENTS:
        raise Invalid(f"a message has at most {MAX_SEGMENTS} segments")
    segments = [_segment(line, marks) for line in lines if _NAME.match(line.lstrip())]
    # What MSH-1 names is a field of its own, so that the numbers of MSH are one higher.
    head = segments[0]
    segments[0] = Segment(head.name, [head.name, marks.field, *head.fields[1:]], marks)
    return Message(segments, marks)


def _segment(line: str, marks: Marks) -> Segment:
    fields = line.lstrip().split(marks.field)
    return Segment(fields[0][:3], fields, marks)


def decoded(raw: bytes) -> str:
    """The text of a message by the character set that MSH-18 names; by what it can be where that is none or wrong."""
    content = raw.lstrip(b"\r\n\t \0").removeprefix(_BOM)
    first = re.split(rb"[\r\n]", content, maxsplit=1)[0]
    named = first.split(content[3:4] or b"|")[17:18]
    sets = named[0].decode("latin-1").split("~") if named else []
    names = [CHARSETS[name] for each in reversed(sets) if (name := each.strip().upper()) in CHARSETS]
    # What is beyond ASCII decides among several: switching between them stands in the last one.
    for name in (*names[:1], "utf-8"):
        try:
            return content.decode(name)
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1")


_ESCAPED: Final = re.compile(r"[FSTRE]|X(?:[0-9A-Fa-f]{2})+|\.[a-z]{2}(?:[+-]?\d+)?|[HN]|[CMZ][0-9A-Za-z]*", re.ASCII)


def unescape(text: str, marks: Marks) -> str:
    """Text with its escape sequences resolved (2.7); what is no sequence stays as it is."""
    if marks.escape not in text:
        return text
    pieces = text.split(marks.escape)
    found = [pieces[0]]
    place = 1
    while place < len(pieces):
        if place + 1 < len(pieces) and _ESCAPED.fullmatch(pieces[place]):
            found += [_meant(pieces[place], marks), pieces[place + 1]]
            place += 2
        else:
            found += [marks.escape, pieces[place]]
            place += 1
    return "".join(found)


def _meant(sequence: str, marks: Marks) -> str:
    signs = {"F": marks.field, "S": marks.component, "T": marks.part, "R": marks.repetition, "E": marks.escape}
    if sequence in signs:
        return signs[sequence]
    if sequence[0] == "X":
        return bytes.fromhex(sequence[1:]).decode("utf-8", "replace")
    return "\n" if sequence[:3] in (".br", ".sp", ".ce") else ""


def escape(text: str) -> str:
    """Text as it may stand in a field that we write, with the usual separators."""
    signs = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "\r": "\\.br\\", "\n": "\\.br\\"}
    return "".join(signs.get(each, each) for each in text if each in signs or each.isprintable())
