"""Structured reports, key object selections and presentation states as text that a person can read.

Nothing from the object is trusted: every value is escaped, and depth and length are bounded.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from pydicom.uid import UID

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


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that the document says: what it is called, what it says, and what belongs to it."""

    label: str
    text: str
    entries: tuple["Entry", ...] = ()
    is_heading: bool = False


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
    title = _code(attributes, _CONCEPT) or _text(attributes, "00700080") or _text(attributes, "0008103E") or "Document"
    return Entry(title, "", (*head, *body), is_heading=True)


def html(attributes: DataSet, level: int = 1) -> str:
    """The document as a fragment of HTML: headings from `level` in order, no script, no style, no link.

    Raises as `read` does.
    """
    return f"<article>{''.join(_markup(read(attributes), level))}</article>"


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
        words = read_value(item) if read_value else ""
        if not words and "0040DB73" in item:
            words = "see item " + ".".join(map(str, _values(item, "0040DB73")))
        children = _contained(item, depth + 1, left)
        entries.append(Entry(_code(item, _CONCEPT), words[:_LONGEST], children, is_heading=kind == "CONTAINER"))
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
            yield Entry("Shows", _reference(image))


def _markup(entry: Entry, level: int) -> Iterator[str]:
    if entry.is_heading:
        step = min(level, 6)
        yield f"<section><h{step}>{escape(entry.label or 'Section')}</h{step}>"
        for child in entry.entries:
            yield from _markup(child, level + 1)
        yield "</section>"
        return
    label = f"<strong>{escape(entry.label)}</strong>" if entry.label else ""
    words = "<br>".join(escape(line) for line in entry.text.splitlines())
    yield f"<p>{label}{': ' if label and words else ''}{words}</p>"
    if entry.entries:
        yield "<ul>"
        for child in entry.entries:
            yield "<li>"
            yield from _markup(child, level + 1)
            yield "</li>"
        yield "</ul>"


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
    """A date, a time or both in the form of ISO 8601; anything else as it is."""
    text, kind = _text(content, tag), content.get(tag, {}).get("vr")
    day = f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) >= 8 and text[:8].isdigit() else text
    if kind == "DA":
        return day
    clock = text[8:] if kind == "DT" else text
    if kind in ("DT", "TM") and len(clock) >= 4 and clock[:4].isdigit():
        shown = f"{clock[:2]}:{clock[2:4]}" + (f":{clock[4:6]}" if clock[4:6].isdigit() else "")
        return f"{day} {shown}" if kind == "DT" else shown
    return day if kind == "DT" else text


def _code(content: DataSet, tag: str) -> str:
    """The meaning of a coded entry, or its value where it has none."""
    for code in _items(content, tag)[:1]:
        return next(filter(None, (_text(code, t) for t in ("00080104", "00080100", "00080119", "00080120"))), "")
    return ""


def _measured(content: DataSet) -> str:
    for measured in _items(content, "0040A300")[:1]:
        units = _items(measured, "004008EA")
        unit = (_text(units[0], "00080100") or _text(units[0], "00080104")) if units else ""
        # UCUM writes mere words in braces; 1 stands for no unit.
        return f"{_text(measured, '0040A30A')} {'' if unit == '1' else unit.strip('{}')}".strip()
    return _code(content, "0040A301") or "no value"


def _references(content: DataSet) -> str:
    return "; ".join(_reference(item) for item in _items(content, "00081199"))


def _reference(item: DataSet) -> str:
    kind = UID(_text(item, "00081150")).name
    frames = ", ".join(map(str, _values(item, "00081160")[:100]))
    return f"{kind} {_text(item, '00081155')}{f', frames {frames}' if frames else ''}".strip()


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
    "IMAGE": _references,
    "COMPOSITE": _references,
    "WAVEFORM": _references,
    "SCOORD": _shape,
    "SCOORD3D": _shape,
    "TCOORD": _instants,
}
"""How each value type reads (PS3.3 Table C.17.3-7)."""
