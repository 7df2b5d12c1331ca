"""What names of files and folders, and labels in a text, may tell of a file, by the patterns of a site.

A pattern is a regular expression that has to begin where the name begins. Names are cut to `LONGEST_NAME`, and how many
ways a pattern can try is counted before it is taken, so that no name keeps anybody waiting.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Any, Final

from imagebank.errors import Invalid
from imagebank.model.proposal import Proposal, ProposalSource, proposal
from imagebank.model.spoken_dates import Spoken, dates_in
from imagebank.model.upload import FIELDS

# No other way to see what an expression is made of; no stub tells of it.
parser: Any = import_module("re._parser")
LONGEST_NAME: Final = 255
"""How many letters of a name are looked at; as long as names are on most disks."""
MOST_WAYS: Final = 100_000
"""In how many ways a pattern may try to fit."""
_MOST_FOLDERS: Final = 8
_TOKEN: Final = re.compile(r"[^\W_]+|(?<=[^\W\d_])\d+")
_EXTENSION: Final = re.compile(r"(?:\.[A-Za-z][A-Za-z0-9]{0,4}){1,2}$")
PARTS: Final = frozenset({*FIELDS, "family_name", "given_name", "date", "tooth"})
"""What a group of a pattern may be called: a field, or a part of one."""
# FDI (ISO 3950): quadrant and place; 5 to 8 are those of milk teeth.
_TOOTH: Final = re.compile(r"(?:[1-4][1-8]|[5-8][1-5])")


class Place(StrEnum):
    """What a pattern is held against: a file's name without its extension, or the name of each folder around it."""

    NAME = "name"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression whose named groups are `PARTS`, and how sure one is of what it finds."""

    name: str
    expression: re.Pattern[str]
    place: Place = Place.NAME
    confidence: float = 0.7


@dataclass(frozen=True, slots=True)
class Words:
    """Words that, standing by themselves, mean a value of a field. Keys are folded."""

    field: str
    meanings: Mapping[str, str]
    confidence: float = 0.7


@dataclass(frozen=True, slots=True)
class Label:
    """Words before the value of a field in a text, such as `date of birth`."""

    field: str
    words: tuple[str, ...]
    confidence: float = 0.8


@dataclass(frozen=True, slots=True)
class Habit:
    """What is so as a rule of what an organization or one who uploads sends. An empty `who` is anybody of it."""

    values: Mapping[str, str]
    organization: str = ""
    who: str = ""
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Procedure:
    """What is so of everything that is taken for a procedure, by its code in orders."""

    code: str
    values: Mapping[str, str]
    confidence: float = 1.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How a site reads names and texts."""

    patterns: tuple[Pattern, ...] = ()
    words: tuple[Words, ...] = ()
    labels: tuple[Label, ...] = ()
    habits: tuple[Habit, ...] = ()
    procedures: tuple[Procedure, ...] = ()
    means: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What a word means by field, of all `words`."""


def expression(text: str) -> re.Pattern[str]:
    """A site's expression, letter case aside. Raises Invalid when it is none, names no part, or could try too long."""
    try:
        made = re.compile(text, re.IGNORECASE)
        ways = _ways(parser.parse(text, re.IGNORECASE))
    except (re.error, OverflowError, RecursionError) as error:
        raise Invalid(f"it is no regular expression: {error}") from None
    if ways > MOST_WAYS:
        raise Invalid(
            "it could try too long on a long name: write how often at most, as in \\d{1,12}, and nest nothing"
        )
    if unknown := sorted(set(made.groupindex) - PARTS):
        raise Invalid(f"there is no part {unknown[0]!r}; groups are named {', '.join(sorted(PARTS))}")
    if not made.groupindex:
        raise Invalid("it has no named group, such as (?P<patient_id>\\d{4,10})")
    return made


def _ways(parsed: Any) -> int:
    """In how many ways an expression can fit a name at most: more than `MOST_WAYS` stands for any higher number."""
    ways = 1
    for operation, value in parsed:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            least, most, inner = value
            ways *= _times(_ways(inner), int(least), min(int(most), LONGEST_NAME))
        elif name == "BRANCH":
            ways *= sum(map(_ways, value[1]))
        elif name == "SUBPATTERN":
            ways *= _ways(value[-1])
        elif name in ("ASSERT", "ASSERT_NOT"):
            ways *= _ways(value[1])
        elif name not in ("LITERAL", "NOT_LITERAL", "IN", "ANY", "AT", "CATEGORY", "RANGE"):
            raise Invalid("it has a part that is not taken here: references, conditions and atomic groups")
        if ways > MOST_WAYS:
            return MOST_WAYS + 1
    return ways


def _times(inner: int, least: int, most: int) -> int:
    """How many ways there are to repeat from least to most times what fits in so many ways."""
    ways = 0
    for times in range(least, most + 1):
        ways += inner**times
        if ways > MOST_WAYS:
            break
    return ways


def fold(word: str) -> str:
    """A word as it is compared: without case and without a point at its end."""
    return word.casefold().rstrip(".")


def proposals_of_name(reading: Reading, name: str) -> Iterator[Proposal]:
    """What the name of a file and of the folders around it may tell. `name` has slashes of either kind, or `!/`."""
    *folders, last = [part for part in re.split(r"[/\\]+", name.replace("!/", "/")) if part.strip(" .")] or [""]
    yield from _of_part(reading, _EXTENSION.sub("", last)[:LONGEST_NAME], Place.NAME)
    for folder in folders[-_MOST_FOLDERS:]:
        yield from _of_part(reading, folder[:LONGEST_NAME], Place.FOLDER)


def _of_part(reading: Reading, text: str, place: Place) -> Iterator[Proposal]:
    source = ProposalSource.NAME if place is Place.NAME else ProposalSource.FOLDER
    for pattern in reading.patterns:
        found = pattern.expression.match(text) if pattern.place is place else None
        if found:
            evidence = f"{_CALLED[place]}: {text} ({pattern.name})"
            yield from _of_groups(reading, found, source, evidence, pattern.confidence)
    yield from proposals_of_words(reading, text, source, f"{_CALLED[place]}: {text}", 1.0)


_CALLED: Final = {Place.NAME: "file name", Place.FOLDER: "folder"}


def _of_groups(
    reading: Reading, found: re.Match[str], source: ProposalSource, evidence: str, confidence: float
) -> Iterator[Proposal]:
    parts = {name: value.strip(" _-.") for name, value in found.groupdict().items() if value}
    names = [parts.pop(name, "").replace("_", " ") for name in ("family_name", "given_name")]
    if any(names):
        parts["patient_name"] = "^".join(names).rstrip("^")
    for name, value in parts.items():
        if name in ("date", "taken_at", "birth_date"):
            kind = "birth_date" if name == "birth_date" else "taken_at"
            for spoken in dates_in(value.replace("_", "-")):
                yield from of_date(kind, spoken, source, evidence, confidence)
        elif name == "tooth":
            yield from _of_teeth(value, source, evidence, confidence)
        else:
            meaning = reading.means.get(name, {}).get(fold(value), value)
            yield from taken(name, meaning, source, evidence, confidence)


def _of_teeth(text: str, source: ProposalSource, evidence: str, confidence: float) -> Iterator[Proposal]:
    teeth = _TOOTH.findall(text)
    if teeth:
        yield from taken("body_part", "TOOTH", source, evidence, confidence)
        yield from taken("department", "dental", source, evidence, confidence)
        words = f"tooth {teeth[0]}" if len(teeth) == 1 else f"teeth {text}"
        yield from taken("description", words, source, evidence, confidence)


def of_date(kind: str, spoken: Spoken, source: ProposalSource, evidence: str, confidence: float) -> Iterator[Proposal]:
    """A date as proposals of a field; each reading of one that can be read in two ways, less sure, and said so."""
    if spoken.others:
        confidence, evidence = confidence * 0.5, f"{evidence}; day and month may be the other way round"
    for day in (spoken.date, *spoken.others):
        text = day.isoformat()
        if kind == "taken_at" and spoken.time is not None:
            text = f"{text}T{spoken.time.isoformat()}"
        yield from taken(kind, text, source, evidence, confidence)


def proposals_of_words(
    reading: Reading, text: str, source: ProposalSource, evidence: str, share: float
) -> Iterator[Proposal]:
    """What single words mean; two of one field that contradict each other are both less sure."""
    tokens = [fold(token) for token in _TOKEN.findall(text[:4096])]
    for words in reading.words:
        found = {words.meanings[token]: None for token in tokens if token in words.meanings}
        for meaning in found:
            confidence = words.confidence * share / len(found)
            yield from taken(words.field, meaning, source, evidence, confidence)


def taken(field: str, value: str, source: ProposalSource, evidence: str, confidence: float) -> Iterator[Proposal]:
    """The proposal, unless the field cannot have this value."""
    try:
        made = proposal(field, value, source, evidence, confidence)
    except Invalid:
        return
    if made.value:
        yield made


def means(words: Iterable[Words]) -> dict[str, dict[str, str]]:
    """By field, what each of its words means."""
    table: dict[str, dict[str, str]] = {}
    for one in words:
        table.setdefault(one.field, {}).update(one.meanings)
    return table
