"""How a site reads names of files and texts: its file of patterns, words, labels and habits, or the one that is built in."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from tomllib import loads
from typing import Any, Final

from imagebank.errors import Invalid
from imagebank.model.file_names import Habit, Label, Pattern, Place, Procedure, Reading, Words, expression, fold, means
from imagebank.model.proposal import OF_A_PERSON
from imagebank.model.upload import FIELDS, read_about
from imagebank.settings import read_toml

_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "pattern": frozenset({"name", "expression", "place", "confidence"}),
    "words": frozenset({"field", "confidence"}),
    "letters": frozenset({"field"}),
    "label": frozenset({"field", "words", "confidence"}),
    # These two have any field beside.
    "habit": frozenset({"organization", "who", "confidence"}),
    "procedure": frozenset({"code", "confidence"}),
}
_MOST: Final = 200
"""How many entries of a kind a file may have: each is held against every name."""


@lru_cache(maxsize=4)
def reading(file: Path | None) -> Reading:
    """The reading of a file, or the one that is built in.

    Raises Invalid with file, line and reason, and SettingsError for a file that cannot be read or is no TOML.
    """
    if file is None:
        text = (files("imagebank.actions") / "proposing.toml").read_text("utf-8")
        return parse(loads(text), text)
    table = read_toml(file)
    try:
        return parse(table, file.read_text("utf-8"))
    except Invalid as error:
        raise Invalid(f"{file}, {error}") from None


def parse(table: Mapping[str, Any], text: str) -> Reading:
    """The reading that a table describes; `text` is what it was made of. Raises Invalid with the line and the reason."""
    for heading, entries in table.items():
        if heading not in _KEYS:
            raise Invalid(f"line {_line(text, heading, 0)}: there is no [[{heading}]]; there are {', '.join(_KEYS)}")
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise Invalid(f"line {_line(text, heading, 0)}: write each under a heading of its own: [[{heading}]]")
        if len(entries) > _MOST:
            raise Invalid(f"line {_line(text, heading, _MOST)}: there are more than {_MOST} of [[{heading}]]")
    words = tuple(_each(table, text, "words", _words))
    letters = tuple(_each(table, text, "letters", _words))
    return Reading(
        tuple(_each(table, text, "pattern", _pattern)),
        words,
        tuple(_each(table, text, "label", _label)),
        tuple(_each(table, text, "habit", _habit)),
        tuple(_each(table, text, "procedure", _procedure)),
        means((*words, *letters)),
    )


def _each(table: Mapping[str, Any], text: str, heading: str, read: Any) -> Iterator[Any]:
    for number, entry in enumerate(table.get(heading, [])):
        unknown = [key for key in entry if not _may_say(heading, key)]
        try:
            made = read(entry) if not unknown else None
        except Invalid as error:
            key = next((key for key in entry if f"{key!r}" in str(error)), "")
            raise Invalid(f"line {_line(text, heading, number, key)}: {error}") from None
        if unknown:
            line = _line(text, heading, number, unknown[0])
            raise Invalid(f"line {line}: [[{heading}]] has no {unknown[0]!r}; there are {', '.join(_KEYS[heading])}")
        yield made


def _may_say(heading: str, key: str) -> bool:
    """Whether a key belongs under a heading. Of words and letters, any other key is a value, which is looked at later."""
    return (
        key in _KEYS[heading]
        or heading in ("words", "letters")
        or (heading in ("habit", "procedure") and key in FIELDS)
    )


def _line(text: str, heading: str, number: int, key: str = "") -> int:
    """The line of the entry with this number under a heading, or of one of its keys."""
    begins, wanted = (
        re.compile(rf"\s*\[?\[?\s*{re.escape(heading)}\b"),
        re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*="),
    )
    begin, met = 1, -1
    for at, line in enumerate(text.splitlines(), 1):
        if begins.match(line):
            met += 1
            begin = at if met == number else begin
        elif met == number and key and wanted.match(line):
            return at
    return begin


def _pattern(entry: Mapping[str, Any]) -> Pattern:
    name, place = _text(entry, "name"), entry.get("place", Place.NAME)
    if place not in tuple(Place):
        raise Invalid(f"'place' is one of {', '.join(Place)}")
    try:
        made = expression(_text(entry, "expression"))
    except Invalid as error:
        raise Invalid(f"'expression' of {name}: {error}") from None
    return Pattern(name, made, Place(place), _confidence(entry, 0.7))


def _words(entry: Mapping[str, Any]) -> Words:
    name = _field(entry)
    meanings: dict[str, str] = {}
    for value in (key for key in entry if key not in _KEYS["words"]):
        _check(name, value, value)
        for word in _list(entry, value):
            if meanings.setdefault(fold(word), value) != value:
                raise Invalid(f"the word {word} means two things, one of them {value!r}")
    return Words(name, meanings, _confidence(entry, 0.7))


def _label(entry: Mapping[str, Any]) -> Label:
    return Label(_field(entry), tuple(map(fold, _list(entry, "words"))), _confidence(entry, 0.8))


def _values(entry: Mapping[str, Any]) -> dict[str, str]:
    values = {key: _text(entry, key) for key in entry if key in FIELDS}
    for key, value in values.items():
        if key in OF_A_PERSON:
            raise Invalid(f"{key!r} says whose a file is, which no rule does")
        _check(key, value, key)
    return values


def _procedure(entry: Mapping[str, Any]) -> Procedure:
    return Procedure(_text(entry, "code"), _values(entry), _confidence(entry, 1.0))


def _habit(entry: Mapping[str, Any]) -> Habit:
    about = {key: _text(entry, key) for key in ("organization", "who") if key in entry}
    return Habit(_values(entry), **about, confidence=_confidence(entry, 1.0))


def _check(name: str, value: str, key: str) -> None:
    """Raises Invalid, with the key that it stands at, when a field cannot have a value."""
    try:
        read_about({name: value})
    except Invalid as error:
        raise Invalid(f"{key!r}: {error}") from None


def _field(entry: Mapping[str, Any]) -> str:
    name = _text(entry, "field")
    if name not in FIELDS:
        raise Invalid(f"'field' is one of {', '.join(FIELDS)}")
    return name


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or not value:
        raise Invalid(f"{key!r} is a text and has to be given")
    return value


def _list(entry: Mapping[str, Any], key: str) -> list[str]:
    value = entry.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(word, str) and word for word in value):
        raise Invalid(f"{key!r} is a list of words")
    return value


def _confidence(entry: Mapping[str, Any], default: float) -> float:
    value = entry.get("confidence", default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Invalid("'confidence' is a number from 0 to 1")
    return float(value)
