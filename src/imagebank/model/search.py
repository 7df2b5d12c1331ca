"""The search over everything: what is said of a study, what is asked, and what is found.

What is said is one document a study, and becomes marks: a word behind a letter that tells how much it weighs, a sound,
or a value to choose by. A question becomes marks, too, so that an index has to know no more than which study has which.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain, islice
from typing import Final

from imagebank.errors import Invalid
from imagebank.model.exam import NOTHING_SAID, Said
from imagebank.model.imaging import Found
from imagebank.model.person import fold
from imagebank.model.search_likeness import is_spelled, sound
from imagebank.model.search_words import Word, is_short, joined, words
from imagebank.model.uid import Uid

MOST_HITS: Final = 500
"""What is ranked and counted; a question that has more is told so."""
MOST_MARKS: Final = 20_000
"""How many marks a study has at most; the weightiest are kept."""
_MOST_WORDS: Final = 12
LONGEST_QUESTION: Final = 256
_LONGEST_LINE: Final = 1_000
_LONGEST_TEXT: Final = 64 << 10
_SHOWN: Final = 3
_BETWEEN: Final = re.compile("[^0-9a-z]+")
_DIGIT: Final = re.compile("[0-9]")
EDITION: Final = 4
"""Goes up when more is said of a study than before, or in other marks: what an older one wrote is written anew."""
REPORT: Final = "Report "
"""How the label of what a report says begins; its day follows as DICOM has it."""


class Weight(StrEnum):
    """How much it says that a word stands there; the value is the letter of the marks."""

    NAME = "a"  # of the patient, and identifiers
    DESCRIPTION = "b"
    REST = "c"


class Nearness(StrEnum):
    """Why a study is found: where all the words stand, or that some are only like those that stand there."""

    NAME = "name"
    DESCRIPTION = "description"
    TEXT = "text"
    ALIKE = "alike"


class Facet(StrEnum):
    """What hits are counted and chosen by."""

    MODALITY = "modality"
    DEPARTMENT = "department"
    BODY_PART = "body part"
    YEAR = "year"
    ORGANIZATION = "organization"
    SEX = "sex"
    DEVICE = "device"
    PHYSICIAN = "physician"
    COMPLETENESS = "completeness"


# New facets go to the end: marks have their numbers.
_SOUND: Final = "p"
_CHOICE: Final[Mapping[Facet, str]] = {facet: f"f{number}" for number, facet in enumerate(Facet)}
_WEIGHTS: Final[Mapping[Nearness, str]] = {
    Nearness.NAME: "a",
    Nearness.DESCRIPTION: "ab",
    Nearness.TEXT: "abc",
    Nearness.ALIKE: "abc",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is said of a study: in which attribute or document, and in what words."""

    weight: Weight
    label: str
    text: str
    is_name: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """All that is said of a study, ready to be kept: `spelled` are the words that a typo can be of.

    `named` are the values of those facets that its headers tell, `said` what they say of the exam.
    """

    study: Uid
    marks: frozenset[str]
    spelled: frozenset[str]
    lines: tuple[Line, ...]
    named: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    said: Said = NOTHING_SAID


@dataclass(frozen=True, slots=True)
class Mark:
    """What a study has to have: this mark, or one that begins so."""

    text: str
    is_beginning: bool = False


Marks = tuple[tuple[Mark, ...], ...]
"""Of each group a study has to have one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody looks for: the words as they were typed, and values of which any may be, by facet.

    Words are looked for in what has one of these weights.
    """

    text: str = ""
    chosen: Mapping[Facet, tuple[str, ...]] = field(default_factory=dict)
    within: frozenset[Weight] = frozenset(Weight)


@dataclass(frozen=True, slots=True)
class Hit:
    """A study that was found. `place` orders hits of one nearness, the newest having the highest; no two have the same."""

    place: int
    values: tuple[tuple[Facet, str], ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Where words hit: the line, and the spans of the hits in its text."""

    label: str
    text: str
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """One found study as it is shown."""

    place: int
    nearness: Nearness
    study: Found
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A page of matches, and what there is in all: `total` and the counts are of the first `MOST_HITS` hits.

    `is_whole` says that there are no more. `after` is the cursor of the next page, empty on the last.
    """

    matches: tuple[Match, ...]
    total: int
    is_whole: bool
    counts: Mapping[Facet, tuple[tuple[str, int], ...]]
    after: str = ""


def document(study: Uid, lines: Iterable[Line], named: Mapping[Facet, Iterable[str]] | None = None) -> Document:
    """What is said of a study, as it is kept."""
    weighed: dict[str, str] = {}
    sounds: set[str] = set()
    spelled: set[str] = set()
    kept: list[Line] = []
    room = _LONGEST_TEXT
    for line in sorted(lines, key=lambda one: one.weight):
        for word in _written(line):
            for said in filter(None, (word.text, word.other)):
                weighed.setdefault(said, line.weight + said)
            if line.weight is not Weight.REST and is_spelled(word.text):
                spelled.add(word.text)
            if line.is_name and (heard := sound(word.text)):
                sounds.add(_SOUND + heard)
        if len(line.text) <= room:
            room -= len(line.text)
            kept.append(line if len(line.text) <= _LONGEST_LINE else _shortened(line))
    marks = frozenset(islice([*sounds, *weighed.values()], MOST_MARKS))
    values = {facet: tuple(some) for facet, some in (named or {}).items()}
    return Document(
        study, marks, frozenset(spelled), tuple(kept), {facet: some for facet, some in values.items() if some}
    )


def _written(line: Line) -> Iterator[Word]:
    yield from words(line.text, ends=True)
    if line.weight is Weight.NAME:
        yield from joined(line.text)


def _shortened(line: Line) -> Line:
    return Line(line.weight, line.label, line.text[:_LONGEST_LINE], line.is_name)


def choices(values: Mapping[Facet, Iterable[str]]) -> Iterator[str]:
    """The marks of a study that has these values, by which it is chosen."""
    for facet, some in values.items():
        yield from (_choice(facet, one) for one in some if one)


def _choice(facet: Facet, value: str) -> str:
    return _CHOICE[facet] + fold(value).strip().encode().hex()


def asked(wish: Wish) -> tuple[Word, ...]:
    """The words of a question, each once. Raises Invalid for one that is too long."""
    if len(wish.text) > LONGEST_QUESTION:
        raise Invalid("a question has {longest} signs at most", longest=LONGEST_QUESTION)
    found = {word.text: word for word in words(wish.text)}
    return tuple(islice(found.values(), _MOST_WORDS))


def marks_for(
    wish: Wish, nearness: Nearness, alike: Mapping[str, Iterable[str]] | None = None, *, is_whole: bool = False
) -> Marks:
    """What a study has to have to be as near as this: words that begin as the asked ones do, or `is_whole`, these.

    `alike` gives known words that each asked one may stand for.
    """
    letters = "".join(letter for letter in _WEIGHTS[nearness] if letter in wish.within)
    groups = [tuple(_mark_of(word, letters, is_whole=is_whole)) for word in asked(wish)]
    if alike is not None:
        groups = [(*group, *_like(word.text, letters, alike)) for group, word in zip(groups, asked(wish), strict=True)]
    chosen = [tuple(Mark(_choice(facet, one)) for one in some) for facet, some in wish.chosen.items() if some]
    return (*groups, *chosen)


def _mark_of(word: Word, letters: str, *, is_whole: bool) -> Iterator[Mark]:
    for text in filter(None, (word.text, word.other)):
        yield from (Mark(letter + text, not is_whole and not is_short(text)) for letter in letters)


def _like(word: str, letters: str, alike: Mapping[str, Iterable[str]]) -> Iterator[Mark]:
    yield from (Mark(letter + one) for one in sorted(alike.get(word, ())) for letter in letters)
    if heard := sound(word):
        yield Mark(_SOUND + heard)


def passages(lines: Iterable[Line], wish: Wish, alike: Mapping[str, Iterable[str]]) -> tuple[Passage, ...]:
    """Where the words hit, the weightiest lines first, and those that no line before has shown."""
    wanted = asked(wish)
    missing = {word.text for word in wanted}
    sought = missing.union(*alike.values())
    shown: list[Passage] = []
    for line in lines:
        # A name may only sound like what was asked.
        if line.weight not in wish.within or not ((alike and line.is_name) or _may_hit(line, sought)):
            continue
        hits = [(word, which) for word in _written(line) if (which := _hit(word, wanted, alike, line))]
        if missing & {which for _, which in hits}:
            missing -= {which for _, which in hits}
            shown.append(Passage(line.label, line.text, _spans(word for word, _ in hits)))
        if not missing or len(shown) == _SHOWN:
            break
    return tuple(shown)


def _may_hit(line: Line, sought: Iterable[str]) -> bool:
    """False where none of these words can stand in a line; to look takes a tenth of cutting the line into words.

    Digits stand otherwise in a date or UID than they are asked, and signs beyond ASCII otherwise than they are folded.
    """
    if not line.text.isascii():
        return True
    text = line.text.lower()
    if line.weight is Weight.NAME:
        text = _BETWEEN.sub("", text)  # what is written with marks in it is found without them
    return any(word in text or (word.isdecimal() and _DIGIT.search(text)) for word in sought)


def _hit(word: Word, wanted: Iterable[Word], alike: Mapping[str, Iterable[str]], line: Line) -> str:
    """Which of the asked words a written one answers; empty for none."""
    for one in wanted:
        for text in filter(None, (one.text, one.other)):
            if word.text == text or (word.text.startswith(text) and not is_short(text)):
                return one.text
        if word.text in alike.get(one.text, ()):
            return one.text
        if alike and line.is_name and sound(one.text) and sound(one.text) == sound(word.text):
            return one.text
    return ""


def _spans(hits: Iterable[Word]) -> tuple[tuple[int, int], ...]:
    spans: list[tuple[int, int]] = []
    for word in sorted(hits, key=lambda one: one.start):
        if spans and word.start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], word.end)
        else:
            spans.append((word.start, word.end))
    return tuple(spans)


def counts(hits: Iterable[Hit]) -> dict[Facet, tuple[tuple[str, int], ...]]:
    """How many hits have each value, most first; values that are the same when folded are one, as first written."""
    numbers: dict[Facet, dict[str, tuple[str, int]]] = {facet: {} for facet in Facet}
    for (facet, value), many in Counter(chain.from_iterable(hit.values for hit in hits)).items():
        written, number = numbers[facet].get(folded := fold(value), (value, 0))
        numbers[facet][folded] = written, number + many
    return {facet: tuple(sorted(some.values(), key=lambda one: (-one[1], one[0]))) for facet, some in numbers.items()}
