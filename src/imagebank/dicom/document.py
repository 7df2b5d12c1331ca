"""Structured reports, key object selections and presentation states as text that a person can read.

Nothing from the object is trusted: every value is escaped, and depth and length are bounded.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from pydicom.uid import UID

from imagebank.dicom import moments
from imagebank.errors import Unsupported
from imagebank.model.imaging import DataSet

_DEEPEST: Final = 32
_MOST: Final = 20_000
_LONGEST: Final = 100_000
_CUT: Final = "The document goes on; this view ends here. The original holds all of it."

_CONTENT, _CONCEPT, _KIND = "0040A730", "0040A043", "0040A040"
_HEAD: Final = (
    ("Patient", "00100010"),
    ("Patient ID", "00100020"),
    ("Study", "00081030"),
    ("Date", "00080023"),
    ("Institution", "00080080"),
    ("Completion", "0040A491"),
    ("Verification", "0040A493"),
)


# Where objects say what they are: document, plan, structure set, series, content.
_TITLES: Final = (
    *("00420010", "300A0003", "300A0002", "30060004", "30060002"),
    *("0008103E", "00700081", "00700080"),
)
_NO_UNITS: Final = frozenset({"", "1", "no units", "no unit", "unity", "unitless", "dimensionless"})


@dataclass(frozen=True, slots=True)
class Reference:
    """Another object that the document points at, and which of its frames; all of them when none is named."""

    kind: str
    uid: str
    frames: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.kind} {self.uid}{self.of_frames}".strip()

    @property
    def of_frames(self) -> str:
        return f", frames {', '.join(self.frames)}" if self.frames else ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the document says: what it is called, what it says, and what belongs to it.

    `references` are the objects that `text` names.
    """

    label: str
    text: str
    entries: tuple["Entry", ...] = ()
    is_heading: bool = False
    references: tuple[Reference, ...] = ()


Link = Callable[[str], tuple[str, str] | None]
"""Where the object with a SOP Instance UID is shown, and what it is called there; None when it is not here."""


def named(sop_class: str) -> str:
    """What objects of a class are called: `12-lead ECG Waveform`; `Object` for a class that is not in the standard."""
    name = UID(sop_class).name
    return re.sub(" Storage.*", "", name) if name != sop_class else "Object"


def title(attributes: DataSet) -> str:
    """What an object calls itself; when it does not, what its class is called."""
    words = _code(attributes, _CONCEPT) or next(filter(None, (_text(attributes, tag) for tag in _TITLES)), "")
    return words or named(_text(attributes, "00080016"))


def read(attributes: DataSet) -> Entry:
    """The document as a tree, its title at the root.

    Raises Unsupported for an object that has no text to show.
    """
    head = tuple(Entry(label, words) for label, tag in _HEAD if (words := _words(attributes, tag)))
    left = [_MOST]
    if _items(attributes, _CONTENT) or _text(attributes, _KIND) == "CONTAINER":
        body = _contained(attributes, 1, left)
    elif _text(attributes, "00080060") == "PR":
        body = tuple(_presentation(attributes, left))
    else:
        raise Unsupported("this object has no text to show")
    return Entry(title(attributes), "", (*head, *body), is_heading=True)


def html(attributes: DataSet, level: int = 1, link: Link | None = None, *, has_title: bool = True) -> str:
    """The document as a fragment of HTML: headings from `level` in order, no script, no style.

    Objects that it points at are links where `link` knows them; without `link` there is none. Without `has_title` the
    heading over all of it is left out, for a page that has one. Raises as `read` does.
    """
    found = read(attributes)
    entries = [found] if has_title else found.entries
    return f"<article>{''.join(piece for entry in entries for piece in _markup(entry, level, link))}</article>"


def plain(attributes: DataSet) -> str:
    """The document as plain text, indented by two spaces a level. Raises as `read` does."""
    return "\n".join(_indented(read(attributes), 0)) + "\n"


def _contained(content: DataSet, depth: int, left: list[int]) -> tuple[Entry, ...]:
    items = _items(content, _CONTENT)
    if items and depth > _DEEPEST:
        return (Entry("", _CUT),)
    entries = []
    for item in items:
        left[0] -= 1
        if left[0] < 0:
            entries.append(Entry("", _CUT))
            break
        kind = _text(item, _KIND)
        read_value = _READERS.get(kind)
        references = tuple(map(_reference, _items(item, "00081199"))) if kind in _POINTERS else ()
        words = read_value(item) if read_value else "; ".join(map(str, references))
        if not words and "0040DB73" in item:
            words = "see item " + ".".join(map(str, _values(item, "0040DB73")))
        children = _contained(item, depth + 1, left)
        is_heading = kind == "CONTAINER"
        entries.append(Entry(_code(item, _CONCEPT), words[:_LONGEST], children, is_heading, references))
    return tuple(entry for entry in entries if entry.label or entry.text or entry.entries)


def _presentation(attributes: DataSet, left: list[int]) -> Iterator[Entry]:
    """What a presentation state writes over the images (PS3.3 C.10.5)."""
    if words := _text(attributes, "00700081"):
        yield Entry("Description", words)
    for annotation in _items(attributes, "00700001"):
        layer = _text(annotation, "00700002") or "Annotation"
        for written in _items(annotation, "00700008"):
            left[0] -= 1
            if left[0] < 0:
                return
            yield Entry(layer, _text(written, "00700006")[:_LONGEST])
    for series in _items(attributes, "00081115"):
        for image in _items(series, "00081140"):
            left[0] -= 1
            if left[0] < 0:
                return
            shown = _reference(image)
            yield Entry("Shows", str(shown), references=(shown,))


def _markup(entry: Entry, level: int, link: Link | None) -> Iterator[str]:
    if entry.is_heading:
        step = min(level, 6)
        yield f"<section><h{step}>{escape(entry.label or 'Section')}</h{step}>"
        for child in entry.entries:
            yield from _markup(child, level + 1, link)
        yield "</section>"
        return
    label = f"<strong>{escape(entry.label)}</strong>" if entry.label else ""
    words = "<br>".join(escape(line) for line in entry.text.splitlines())
    if link is not None and entry.references:
        words = "; ".join(_linked(entry.references, link))
    yield f"<p>{label}{': ' if label and words else ''}{words}</p>"
    if entry.entries:
        yield "<ul>"
        for child in entry.entries:
            yield "<li>"
            yield from _markup(child, level + 1, link)
            yield "</li>"
        yield "</ul>"


def _linked(references: Sequence[Reference], link: Link) -> Iterator[str]:
    for one in references:
        found = link(one.uid)
        if found is None:
            yield escape(str(one))
        else:
            address, name = found
            yield f'<a href="{escape(address)}">{escape(name + one.of_frames)}</a>'


def _indented(entry: Entry, depth: int) -> Iterator[str]:
    margin = "  " * depth
    lines = [_visible(line) for line in entry.text.splitlines()]
    if entry.is_heading or not lines:
        yield f"{margin}{_visible(entry.label)}"
    else:
        yield f"{margin}{_visible(entry.label)}: {lines[0]}" if entry.label else margin + lines[0]
    yield from (f"{margin}  {line}" for line in lines[1:])
    for child in entry.entries:
        yield from _indented(child, depth + 1)


def _visible(text: str) -> str:
    """Without control characters, which could steer a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)


def _values(content: DataSet, tag: str) -> list[Any]:
    found = content.get(tag, {}).get("Value", [])
    return [value for value in found if value is not None] if isinstance(found, list) else []


def _items(content: DataSet, tag: str) -> list[DataSet]:
    return [item for item in _values(content, tag) if isinstance(item, dict)]


def _text(content: DataSet, tag: str) -> str:
    found = _values(content, tag)
    return str(found[0]).strip() if found and not isinstance(found[0], dict) else ""


def _words(content: DataSet, tag: str) -> str:
    return _name(content, tag) if content.get(tag, {}).get("vr") == "PN" else _moment(content, tag)


def _name(content: DataSet, tag: str) -> str:
    """A person's name in every writing that is there, family name first (PS3.5 6.2.1)."""
    groups = _values(content, tag)[:1]
    parts = [str(groups[0].get(kind, "")) for kind in ("Alphabetic", "Ideographic", "Phonetic")] if groups else []
    return " / ".join(" ".join(filter(None, part.split("^"))) for part in parts if part.strip("^ "))


def _moment(content: DataSet, tag: str) -> str:
    """A date, a time or both as people read them; anything else as it is."""
    text, kind = _text(content, tag), content.get(tag, {}).get("vr")
    if kind not in ("DA", "DT", "TM"):
        return text
    on, at = (text[:8], text[8:14]) if kind == "DT" else (text, "") if kind == "DA" else ("", text[:6])
    clock = moments.clock(at)
    if clock and len(at) == 6 and at.isdigit():
        clock += f":{at[4:]}"
    return ", ".join(filter(None, (moments.day(on), clock or at)))


def _code(content: DataSet, tag: str) -> str:
    """The meaning of a coded entry, or its value where it has none."""
    for code in _items(content, tag)[:1]:
        return next(filter(None, (_text(code, t) for t in ("00080104", "00080100", "00080119", "00080120"))), "")
    return ""


def _measured(content: DataSet) -> str:
    for measured in _items(content, "0040A300")[:1]:
        units = _items(measured, "004008EA")
        return f"{_text(measured, '0040A30A')} {_unit(units[0]) if units else ''}".strip()
    return _code(content, "0040A301") or "no value"


def _unit(unit: DataSet) -> str:
    """A unit as people write it. UCUM has words in braces, odd units in brackets, and 1 for what has no unit."""
    code, meaning = _text(unit, "00080100"), _text(unit, "00080104")
    if "[" in code or code in ("", "1"):
        return "" if meaning.lower() in _NO_UNITS else meaning
    return re.sub(r"\{([^}]*)\}", r" \1 ", code).strip()


def _reference(item: DataSet) -> Reference:
    frames = tuple(map(str, _values(item, "00081160")[:100]))
    return Reference(named(_text(item, "00081150")), _text(item, "00081155"), frames)


def _shape(content: DataSet) -> str:
    return f"{_text(content, '00700023').capitalize() or 'Shape'} drawn on the image"


def _instants(content: DataSet) -> str:
    return f"{_text(content, '0040A130').capitalize() or 'Range'} in time"


_READERS: Final[Mapping[str, Callable[[DataSet], str]]] = {
    "TEXT": lambda content: _text(content, "0040A160"),
    "CODE": lambda content: _code(content, "0040A168"),
    "NUM": _measured,
    "PNAME": lambda content: _name(content, "0040A123"),
    "DATE": lambda content: _moment(content, "0040A121"),
    "TIME": lambda content: _moment(content, "0040A122"),
    "DATETIME": lambda content: _moment(content, "0040A120"),
    "UIDREF": lambda content: _text(content, "0040A124"),
    "SCOORD": _shape,
    "SCOORD3D": _shape,
    "TCOORD": _instants,
}
"""How each value type reads (PS3.3 Table C.17.3-7)."""

_POINTERS: Final = frozenset({"IMAGE", "COMPOSITE", "WAVEFORM"})
"""Value types that point at objects."""
